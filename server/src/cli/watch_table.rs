//! `tidings watch-table`: makes triggers, so that a table of the application announces its changes.
//!
//! - `declaration` is what the user says, and `plan` checks it by the schema of the domain.
//! - `event` writes the SQL of an event, and `sqlite` the triggers around it.
//! - `postgres` calls `tidings.watch`, which the outbox of PostgreSQL has.

mod declaration;
mod event;
mod plan;
mod postgres;
mod sqlite;

use std::path::Path;

use clap::Args;
use tidings_shared::{Domains, schema::DomainSchema};

use self::{declaration::Declaration, plan::unknown, sqlite::Declared};
use super::{
    Failure,
    output::{print, print_all, say},
};
use crate::{journal, outbox::OutboxAddress};

/// How an example looks in the help.
const EXAMPLE: &str = "Example:
  tidings watch-table --db sqlite:app.db team --domain staff \\
    --created team_created --updated team_updated --deleted team_deleted \\
    --field uuid=id --field department_uuid=department_id --field previous_department_uuid=old.department_id";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct WatchTable {
    /// Database of the application with an outbox, as sqlite:PATH or postgres://…
    #[arg(long, env = "TIDINGS_DB", value_name = "URL")]
    db: OutboxAddress,
    #[command(flatten)]
    declaration: Declaration,
    /// Execute the SQL that the command prints
    #[arg(long, requires = "table")]
    apply: bool,
    /// Remove the triggers of the table, or those of one domain
    #[arg(
        long,
        requires = "table",
        conflicts_with_all = ["created", "updated", "deleted", "fields", "values", "tenant", "tenant_column"]
    )]
    remove: bool,
}

impl WatchTable {
    pub(super) async fn run(self, domains: Domains) -> Result<(), Failure> {
        if self.declaration.table.is_some() && !self.remove && self.declaration.domain.is_none() {
            return Err(Failure::Usage(format!(
                "write --domain NAME: this program knows {}",
                domains.names().collect::<Vec<_>>().join(", ")
            )));
        }
        match self.db.postgres_url().map(str::to_owned) {
            Some(url) => postgres::run(self, &url, &domains).await,
            None => journal::blocking(move || self.in_sqlite(&domains)).await,
        }
    }

    fn in_sqlite(mut self, domains: &Domains) -> Result<(), Failure> {
        let db = self.db.to_string();
        let usage = |reason: String| Failure::Usage(format!("--db {db}: {reason}"));
        let path = self.db.sqlite_path().unwrap_or_else(|| Path::new(""));
        let mut connection = sqlite::open(path).map_err(usage)?;
        let Some(table) = self.declaration.table.clone() else {
            return report(&db, &sqlite::check(&connection, domains).map_err(usage)?);
        };
        let (sql, table) = if self.remove {
            let domain = self.declaration.domain.as_deref();
            (sqlite::remove_sql(&connection, &table, domain).map_err(usage)?, None)
        } else {
            let domain = schema(domains, self.declaration.domain()).map_err(Failure::Usage)?;
            let Declared { table, triggers, notes } =
                sqlite::declared(&connection, &self.declaration, domain, domains).map_err(usage)?;
            notes.iter().for_each(|note| say(format_args!("note: {note}")));
            self.declaration.table = Some(table.name.clone());
            (sqlite::watch_sql(&self.declaration, &triggers), Some(table))
        };
        print_all(format!("BEGIN IMMEDIATE;\n{sql}COMMIT;\n").as_bytes())?;
        if !self.apply {
            say("note: nothing has changed: add --apply, or execute this SQL yourself");
            return Ok(());
        }
        let failed = |reason: String| Failure::Failed(format!("--db {db}: {reason}"));
        sqlite::execute(&mut connection, &sql, table.as_ref()).map_err(failed)?;
        print("-- applied")
    }
}

/// Finds a table of an outbox's file that is declared to announce its changes, and lacks a trigger: a migration has made it
/// again, for example. Returns the fault of the first one, with the remedy.
pub(super) async fn fault_of(outbox: &OutboxAddress) -> Option<String> {
    let outbox = outbox.clone();
    journal::blocking(move || {
        let lost = sqlite::lost(&sqlite::open(outbox.sqlite_path()?).ok()?);
        let (table, domain, arguments) = lost.ok()??;
        let command = again(&outbox.to_string(), &arguments);
        Some(format!(
            "the table `{table}` does not announce its changes as events of `{domain}`: its triggers are gone. A migration may \
             have made the table again. Run `{command}`, or remove the declaration with --remove"
        ))
    })
    .await
}

/// Returns the command that makes the triggers of a declaration again.
fn again(db: &str, arguments: &[String]) -> String {
    let arguments: Vec<String> = arguments.iter().map(|argument| shell_word(argument)).collect();
    format!("tidings watch-table --db {} {} --apply", shell_word(db), arguments.join(" "))
}

/// Prints what is watched.
fn report(db: &str, watched: &[sqlite::Watched]) -> Result<(), Failure> {
    let mut faults = 0;
    for sqlite::Watched { table, domain, arguments, fault } in watched {
        match fault {
            None => print(format_args!("{table} → {domain}: its triggers are in place"))?,
            Some(fault) => {
                faults += 1;
                print(format_args!("{table} → {domain}: {fault}"))?;
                say(format_args!("note: to watch it again: {}", again(db, arguments)));
            }
        }
    }
    match (watched.len(), faults) {
        (0, _) => say("note: no table is watched"),
        (_, 0) => {}
        (all, faults) => {
            return Err(Failure::Failed(format!("{faults} of {all} declarations are not in place")));
        }
    }
    Ok(())
}

/// Quotes an argument for a shell, if it needs it.
fn shell_word(argument: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.=/:".contains(c);
    match !argument.is_empty() && argument.chars().all(is_plain) {
        true => argument.to_owned(),
        false => format!("'{}'", argument.replace('\'', r"'\''")),
    }
}

/// Returns the schema of a domain.
///
/// # Errors
/// This program does not know the domain. The message names those that it knows.
fn schema<'a>(domains: &'a Domains, name: &str) -> Result<&'a DomainSchema, String> {
    domains.schema(name).ok_or_else(|| {
        let known = domains.names().collect::<Vec<_>>();
        unknown("this program does not know the domain", name, known.into_iter())
            + ". A program with domains of its own has this command, too"
    })
}
