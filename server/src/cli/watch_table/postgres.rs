//! The calls of `tidings.watch`, which makes the triggers of PostgreSQL.

use serde_json::{Map, Value, json};
use tidings_shared::{Domains, schema::DomainSchema};
use tokio_postgres::types::Type;

use super::{
    WatchTable,
    declaration::Operation,
    plan::{Column, Event, Form, Holds, Member, Plan, Source, Tenant, plan},
    schema,
};
use crate::{
    cli::{
        Failure,
        output::{print, print_all, say},
    },
    postgres::{Database, Session},
    sqlite_table::literal,
};

/// The columns of a table, each with its type, and the type that a domain of PostgreSQL is made of.
const COLUMNS: &str = "\
SELECT c.oid::regclass::text, c.relkind::text, a.attname::text, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, \
       format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL), t.typcategory::text \
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid \
WHERE c.oid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

/// The triggers of `tidings.watch`. Those of partitions belong to the partitioned table.
const TRIGGERS: &str = "\
SELECT t.tgrelid::regclass::text, t.tgname::text FROM pg_trigger t \
WHERE starts_with(t.tgname, 'tidings_watch_') AND t.tgparentid = 0 ORDER BY 1, 2";

pub(super) async fn run(command: WatchTable, url: &str, domains: &Domains) -> Result<(), Failure> {
    let db = command.db.to_string();
    let usage = |reason: String| Failure::Usage(format!("--db {reason}"));
    let database = Database::parse(url, db.clone()).map_err(usage)?;
    let session = database.connect().await.map_err(usage)?;
    let Some(table) = &command.declaration.table else {
        return report(&session).await;
    };
    let (name, columns) = columns(&session, &db, table).await.map_err(usage)?;
    let sql = if command.remove {
        unwatch(&name, command.declaration.domain.as_deref())
    } else {
        let domain = schema(domains, command.declaration.domain()).map_err(Failure::Usage)?;
        let plan = plan(&command.declaration, domain, &columns)
            .map_err(|reason| usage(format!("{db}: {reason}")))?;
        plan.notes.iter().for_each(|note| say(format_args!("note: {note}")));
        unwatch(&name, Some(domain.name)) + &watch(&name, domain, &plan, &columns)
    };
    print_all(format!("BEGIN;\n{sql}COMMIT;\n").as_bytes())?;
    if !command.apply {
        say("note: nothing has changed: add --apply, or execute this SQL yourself");
        return Ok(());
    }
    // Several statements in one message are one transaction.
    session.batch(&sql).await.map_err(|fault| {
        let remedy = match fault.is_missing() {
            true => format!(
                ": the outbox is of an older version, or missing: run `tidings journal init --outbox {db}`"
            ),
            false => String::new(),
        };
        Failure::Failed(format!("{}{remedy}", fault.message))
    })?;
    print("-- applied")
}

/// Prints what is watched. The database has nothing but the triggers.
async fn report(session: &Session) -> Result<(), Failure> {
    let rows = session.query(TRIGGERS, &[]).await.map_err(|fault| Failure::Failed(fault.message))?;
    for row in &rows {
        let (table, trigger): (&str, &str) = (row.get(0), row.get(1));
        let parts = trigger.strip_prefix("tidings_watch_").and_then(|parts| parts.split_once('_'));
        if let Some((operation, domain)) = parts {
            print(format_args!("{table} → {domain}: {operation}"))?;
        }
    }
    if rows.is_empty() {
        say("note: no table is watched");
    }
    Ok(())
}

/// Returns the table's name, as the database writes it, and its columns.
async fn columns(session: &Session, db: &str, table: &str) -> Result<(String, Vec<Column>), String> {
    let rows = session.query(COLUMNS, &[(&table, Type::TEXT)]).await.map_err(|fault| fault.message)?;
    let first = rows.first().ok_or_else(|| {
        format!("{db}: there is no table `{table}`, or it has no column: write its name with its schema, as in public.{table}")
    })?;
    let kind: &str = first.get(1);
    if !["r", "p"].contains(&kind) {
        return Err(format!("{db}: `{table}` is no table: name the table with the rows"));
    }
    let name = first.get(0);
    let column = |row: &tokio_postgres::Row| Column {
        name: row.get(2),
        declared: row.get(3),
        may_be_null: row.get(4),
        holds: holds(row.get(5), row.get(6)),
    };
    Ok((name, rows.iter().map(column).collect()))
}

fn holds(base: &str, category: &str) -> Holds {
    match (base, category) {
        ("uuid", _) => Holds::Uuids,
        ("smallint" | "integer" | "bigint", _) => Holds::Integers,
        ("numeric", _) => Holds::Numerics,
        ("real" | "double precision", _) => Holds::Reals,
        ("boolean", _) => Holds::Bools,
        // A list in JSON.
        ("json" | "jsonb", _) | (_, "A") => Holds::Json,
        // Texts, and the names of an enum.
        (_, "S" | "E") => Holds::Texts,
        _ => Holds::Other,
    }
}

fn unwatch(table: &str, domain: Option<&str>) -> String {
    let domain = domain.map_or_else(String::new, |domain| format!(", {}", literal(domain)));
    format!("SELECT tidings.unwatch({}{domain});\n", literal(table))
}

/// Returns one call for all events, or one for each if their payloads differ.
fn watch(table: &str, domain: &DomainSchema, plan: &Plan, columns: &[Column]) -> String {
    let is_same = plan.events.windows(2).all(|pair| pair[0].members == pair[1].members);
    let moving = plan.moving(domain);
    let call = |events: &[Event]| call(table, domain.name, events, &plan.tenant, &moving, columns);
    if is_same { call(&plan.events) } else { plan.events.chunks(1).map(call).collect() }
}

fn call(
    table: &str,
    domain: &str,
    events: &[Event],
    tenant: &Tenant,
    moving: &[&str],
    columns: &[Column],
) -> String {
    let mut arguments = vec![literal(table), format!("domain => {}", literal(domain))];
    for Event { operation, name, .. } in events {
        let parameter = match operation {
            Operation::Created => "created",
            Operation::Updated => "updated",
            Operation::Deleted => "deleted",
        };
        arguments.push(format!("{parameter} => {}", literal(name)));
    }
    match tenant {
        Tenant::Home => {}
        Tenant::Named(name) => arguments.push(format!("tenant => {}", literal(name))),
        Tenant::Column(column) => arguments.push(format!("tenant_column => {}", literal(column))),
    }
    let members = events.first().map_or(&[] as &[_], |event| &event.members);
    let fields: Map<String, Value> =
        members.iter().map(|member| (member.name.to_owned(), field(member, columns))).collect();
    arguments.push(format!("fields => {}", literal(&Value::from(fields).to_string())));
    if events.iter().any(|event| event.operation == Operation::Updated) {
        let moving: Vec<String> = moving.iter().map(|column| literal(column)).collect();
        arguments.push(format!("moved => ARRAY[{}]::text[]", moving.join(", ")));
    }
    format!("SELECT tidings.watch(\n  {}\n);\n", arguments.join(",\n  "))
}

fn field(member: &Member, columns: &[Column]) -> Value {
    match &member.source {
        Source::Value(value) => json!({ "value": value }),
        Source::Column(column) => {
            let found = columns.iter().find(|known| known.name == column.name());
            let is_text = found.is_none_or(|known| known.holds == Holds::Texts);
            match member.form {
                Form::Text if !is_text => json!({ "text": column.to_string() }),
                _ => json!(column.to_string()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tidings_shared::domains::staff;

    use super::{super::declaration::Declaration, *};

    #[test]
    fn a_call_names_the_fields_the_events_and_what_moves_a_row() {
        let domain = DomainSchema::of::<staff::Event>();
        let flags = [
            "public.teams",
            "--domain=staff",
            "--created=team_created",
            "--updated=team_updated",
            "--field=uuid=id",
            "--field=previous_department_uuid=old.department_uuid",
            "--tenant-column=org",
        ];
        let declaration = Declaration::parse(&flags.map(str::to_owned)).unwrap();
        let column = |name: &str, holds| Column {
            name: name.to_owned(),
            declared: String::new(),
            may_be_null: false,
            holds,
        };
        let columns = [
            column("id", Holds::Uuids),
            column("department_uuid", Holds::Uuids),
            column("org", Holds::Texts),
        ];
        let plan = plan(&declaration, &domain, &columns).unwrap();
        assert_eq!(
            watch("teams", &domain, &plan, &columns),
            "SELECT tidings.watch(\n  'teams',\n  domain => 'staff',\n  created => 'team_created',\n  \
             updated => 'team_updated',\n  tenant_column => 'org',\n  fields => '{\"department_uuid\":\"department_uuid\",\
             \"previous_department_uuid\":\"old.department_uuid\",\"uuid\":\"id\"}',\n  moved => ARRAY['id', 'org']::text[]\n);\n"
        );
    }
}
