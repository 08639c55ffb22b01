//! The SQL of the triggers.
//!
//! `REPLACE` removes rows that have a unique value of the new row, and runs no trigger of theirs. So a trigger before each
//! write notes the events of the rows that could go. After the write, those that have gone are announced. If the statement
//! then ignores or updates the row (`ON CONFLICT`), the note stays without effect, and the next write removes it.

use tidings_shared::schema::DomainSchema;

use super::{
    super::{
        declaration::Operation,
        event::{Row, event, tenant},
        plan::{Event, Plan, Tenant},
    },
    Trigger,
};
use crate::sqlite_table::{Table, identifier, literal};

/// The ends of the names of the triggers.
pub(super) const ENDS: [&str; 5] = ["insert", "update", "delete", "before_insert", "before_update"];

/// Returns the name of a trigger. Neither a domain nor an end has a colon, so two names are never the same.
pub(super) fn name(table: &str, domain: &str, end: &str) -> String {
    format!("tidings:{table}:{domain}:{end}")
}

/// Makes the SQL of the triggers.
pub(super) fn triggers(table: &Table, domain: &DomainSchema, plan: &Plan) -> Vec<Trigger> {
    Triggers { table, domain, plan }.all()
}

struct Triggers<'a> {
    table: &'a Table,
    domain: &'a DomainSchema,
    plan: &'a Plan,
}

impl Triggers<'_> {
    fn all(&self) -> Vec<Trigger> {
        let replaced = self.replaced();
        let (created, updated) = (self.event(Operation::Created), self.event(Operation::Updated));
        let mut insert = Vec::new();
        let mut update = Vec::new();
        let mut triggers = Vec::new();
        if let Some((deleted, condition)) = &replaced {
            insert.extend(self.announce_replaced());
            update.extend(self.announce_replaced());
            let not_old = self.table.is_not_old();
            let before_update = self.note_replaced(deleted, &format!("({condition}) AND {not_old}"));
            triggers.push(self.trigger(
                "before_insert",
                "BEFORE INSERT",
                &self.note_replaced(deleted, condition),
            ));
            triggers.push(self.trigger("before_update", "BEFORE UPDATE", &before_update));
        }
        insert.extend(created.map(|event| self.announce(&self.row(event, Row::of(Operation::Created)))));
        if let Some(event) = updated {
            update.extend(self.announce_moved(event));
            update.push(self.announce(&self.row(event, Row::of(Operation::Updated))));
        }
        if !insert.is_empty() {
            triggers.push(self.trigger("insert", "AFTER INSERT", &insert));
        }
        if !update.is_empty() {
            triggers.push(self.trigger("update", "AFTER UPDATE", &update));
        }
        if let Some(event) = self.event(Operation::Deleted) {
            let (tenant, event) = self.row(event, Row::of(Operation::Deleted));
            let mut delete = vec![self.announce(&(tenant.clone(), event.clone()))];
            if replaced.is_some() {
                // With `PRAGMA recursive_triggers`, REPLACE runs this trigger, too.
                let watch = self.watch();
                delete.push(format!(
                    "DELETE FROM tidings_replaced WHERE watch = {watch} AND event = {event} AND tenant IS {tenant};"
                ));
            }
            triggers.push(self.trigger("delete", "AFTER DELETE", &delete));
        }
        triggers
    }

    fn event(&self, operation: Operation) -> Option<&Event> {
        self.plan.events.iter().find(|event| event.operation == operation)
    }

    /// Returns the event of a deleted row and the condition that a new row replaces it, if both exist.
    fn replaced(&self) -> Option<(&Event, String)> {
        Some((self.event(Operation::Deleted)?, self.table.replaced_by_new()?))
    }

    /// Returns the expressions of the tenant and of the event.
    fn row(&self, each: &Event, row: Row) -> (String, String) {
        (tenant(&self.plan.tenant, row.now), event(self.domain.name, each, row))
    }

    fn watch(&self) -> String {
        literal(&format!("{}:{}", self.table.name, self.domain.name))
    }

    fn announce(&self, (tenant, event): &(String, String)) -> String {
        match self.plan.tenant {
            Tenant::Home => format!("INSERT INTO tidings_outbox(event) VALUES (\n    {event}\n  );"),
            _ => format!(
                "INSERT INTO tidings_outbox(tenant, event) VALUES (\n    {tenant},\n    {event}\n  );"
            ),
        }
    }

    /// A row that has moved is announced where it was, too.
    fn announce_moved(&self, each: &Event) -> Option<String> {
        let moving = self.plan.moving(self.domain);
        if moving.is_empty() {
            return None;
        }
        let changed = moving.iter().map(|column| {
            let column = identifier(column);
            // A column may have a collation for which upper and lower case are the same.
            format!("OLD.{column} IS NOT NEW.{column} COLLATE BINARY")
        });
        let changed = changed.collect::<Vec<_>>().join(" OR ");
        let (tenant, event) = self.row(each, Row::of(Operation::Deleted));
        Some(format!(
            "INSERT INTO tidings_outbox(tenant, event) SELECT\n    {tenant},\n    {event}\n    WHERE {changed};"
        ))
    }

    fn note_replaced(&self, deleted: &Event, condition: &str) -> [String; 2] {
        let (watch, table) = (self.watch(), identifier(&self.table.name));
        let (tenant, event) = self.row(deleted, Row { now: "t", before: Some("t") });
        let number = self.table.rowid.map_or("NULL".to_owned(), |rowid| format!("t.{rowid}"));
        [
            format!("DELETE FROM tidings_replaced WHERE watch = {watch};"),
            format!(
                "INSERT INTO tidings_replaced(watch, row_number, tenant, event) SELECT\n    {watch}, {number},\n    \
                 {tenant},\n    {event}\n    FROM {table} AS t WHERE {condition};"
            ),
        ]
    }

    /// The row is in the table, so the rows with its unique values have gone.
    fn announce_replaced(&self) -> [String; 2] {
        let (watch, table) = (self.watch(), identifier(&self.table.name));
        // The number of a new row was not known before the write, and a part of the table may have an index of its own.
        let has_gone = self.table.rowid.map_or_else(String::new, |rowid| {
            format!(
                "\n    AND (r.row_number = NEW.{rowid} OR NOT EXISTS (SELECT 1 FROM {table} AS t WHERE t.{rowid} = \
                 r.row_number))"
            )
        });
        [
            format!(
                "INSERT INTO tidings_outbox(tenant, event) SELECT r.tenant, r.event\n    FROM tidings_replaced AS r WHERE \
                 r.watch = {watch}{has_gone};"
            ),
            format!("DELETE FROM tidings_replaced WHERE watch = {watch};"),
        ]
    }

    fn trigger(&self, end: &'static str, when: &str, statements: &[String]) -> Trigger {
        let name = identifier(&name(&self.table.name, self.domain.name, end));
        let table = identifier(&self.table.name);
        let body = statements.join("\n  ");
        (end, format!("CREATE TRIGGER {name} {when} ON {table} BEGIN\n  {body}\nEND"))
    }
}
