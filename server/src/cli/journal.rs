//! `tidings journal`: makes, looks at and trims a journal or an outbox.

use std::time::{Duration, UNIX_EPOCH};

use clap::{Args, Subcommand};
use serde_json::json;
use tidings_hub::{
    Host as _, KeyLimits, LogLimits,
    journal::{JournalError, JournalLimits},
};
use tidings_shared::limits;

use super::{
    Failure,
    output::{print, print_all, say},
    time::duration,
};
use crate::bridge::postgres as bridge;
use crate::outbox::{
    OutboxAddress, OutboxError,
    admin::{self, DeadLetter, Field, Which},
};
use crate::{
    host::SystemHost,
    journal::{self, JournalAddress},
};

/// Dead letters that are read at a time.
const PAGE: usize = 256;

#[derive(Debug, Args)]
pub(super) struct Journal {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the tables that are missing; tables that are there stay as they are
    Init(Init),
    /// Say what is in a journal; a running server may have it
    Status(Status),
    /// Remove what is beyond the bounds, from a file that no server has or from a database; a running server does so by itself
    Trim(Trim),
    /// List the rows of an outbox that can't be published; try them again, or delete them
    DeadLetters(DeadLetters),
}

/// The tables to make.
#[derive(Debug, Args)]
#[group(id = "tables", required = true, multiple = false)]
struct Tables {
    /// Database of a journal and its outbox, as postgres://…
    #[arg(long, value_name = "URL")]
    journal: Option<JournalAddress>,
    /// Database of an application with an outbox, as sqlite:PATH or postgres://…
    #[arg(long, value_name = "URL")]
    outbox: Option<OutboxAddress>,
}

#[derive(Debug, Args)]
struct Init {
    #[command(flatten)]
    tables: Tables,
    /// Print the SQL, and change nothing
    #[arg(long)]
    print: bool,
}

#[derive(Debug, Args)]
struct Status {
    /// Journal, as sqlite:PATH or postgres://…
    #[arg(long, env = "TIDINGS_JOURNAL", value_name = "URL")]
    journal: JournalAddress,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Trim {
    /// Journal, as sqlite:PATH or postgres://…
    #[arg(long, env = "TIDINGS_JOURNAL", value_name = "URL")]
    journal: JournalAddress,
    /// Bytes of each tenant's publications
    #[arg(long, env = "TIDINGS_LOG_MAX_BYTES", default_value_t = limits::LOG_MAX_BYTES, value_name = "N")]
    log_max_bytes: usize,
    /// Publications of each tenant
    #[arg(long, env = "TIDINGS_LOG_MAX_ENTRIES", default_value_t = limits::LOG_MAX_ENTRIES, value_name = "N")]
    log_max_entries: usize,
    /// Age of the oldest publication
    #[arg(long, env = "TIDINGS_LOG_MAX_AGE", default_value = "10m", value_parser = duration, value_name = "TIME")]
    log_max_age: Duration,
    /// Time for which the key of a removed publication is remembered
    #[arg(long, env = "TIDINGS_KEY_MAX_AGE", default_value = "10m", value_parser = duration, value_name = "TIME")]
    key_max_age: Duration,
}

#[derive(Debug, Args)]
struct DeadLetters {
    /// Database of the application, as sqlite:PATH or postgres://…
    #[arg(long, value_name = "URL")]
    outbox: OutboxAddress,
    /// Print each dead letter as one line of JSON
    #[arg(long, conflicts_with = "change")]
    json: bool,
    #[command(flatten)]
    change: Change,
}

/// What to do with dead letters.
#[derive(Debug, Args)]
#[group(id = "change", multiple = false)]
struct Change {
    /// Move these dead letters back into the outbox; each gets a new id and keeps its key
    #[arg(long, value_name = "ID", num_args = 1..)]
    retry: Vec<i64>,
    /// Move all dead letters back into the outbox
    #[arg(long)]
    retry_all: bool,
    /// Delete these dead letters
    #[arg(long, value_name = "ID", num_args = 1..)]
    delete: Vec<i64>,
}

impl Journal {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Init(init) => init.run().await,
            Command::Status(status) => journal::blocking(|| status.run()).await,
            Command::Trim(trim) => journal::blocking(|| trim.run()).await,
            Command::DeadLetters(letters) => letters.run().await,
        }
    }
}

impl Init {
    async fn run(self) -> Result<(), Failure> {
        let Tables { journal, outbox } = self.tables;
        // A journal's database has an outbox, too.
        let outbox = match (&journal, outbox) {
            (Some(journal), _) => {
                let Some(url) = journal::postgres_url(journal) else {
                    return journal::init(journal).map_err(unusable_journal);
                };
                url.parse().map_err(|error| Failure::Usage(format!("--journal: {error}")))?
            }
            (None, Some(outbox)) => outbox,
            (None, None) => return Err(Failure::Usage("init: write --journal or --outbox".to_owned())),
        };
        let setting = if journal.is_some() { "--journal:" } else { "--outbox" };
        let unusable = |error| Failure::Usage(format!("{setting} {error}"));
        if self.print {
            let sql = admin::schema(&outbox).map_err(unusable)?;
            let journal = journal.map_or("", |_| journal::POSTGRES_SCHEMA);
            let bridge = outbox.postgres_url().map_or("", |_| bridge::SCHEMA);
            return print_all(format!("{}{sql}{journal}{bridge}", how_to_run(&outbox)).as_bytes());
        }
        for note in admin::init(&outbox).await.map_err(unusable)? {
            say(format_args!("note: {note}"));
        }
        let has_journal = journal.is_some();
        if let Some(journal) = journal {
            journal::blocking(move || journal::init(&journal)).await.map_err(unusable_journal)?;
        }
        if let Some(url) = outbox.postgres_url() {
            bridge::init(url, outbox.to_string()).await.map_err(|error| Failure::Usage(error.to_string()))?;
        }
        let journal = if has_journal { "a journal and " } else { "" };
        print(format_args!("{outbox} has {journal}an outbox"))
    }
}

/// Returns a comment for the SQL.
fn how_to_run(outbox: &OutboxAddress) -> &'static str {
    match outbox.postgres_url() {
        // Its locks and its limit of their time belong to the transaction.
        Some(_) => "-- Run this in one transaction, for example with `psql --single-transaction`.\n",
        None => "",
    }
}

impl Status {
    fn run(self) -> Result<(), Failure> {
        let status = journal::status(&self.journal).map_err(unusable_journal)?;
        let journal::Status { is_in_use, tenants, entries, oldest_at, keys, revocations, bytes } = status;
        if self.json {
            return print(json!({
                "in_use": is_in_use,
                "tenants": tenants,
                "publications": entries,
                "oldest_at": oldest_at,
                "keys": keys,
                "revocations": revocations,
                "bytes": bytes,
            }));
        }
        let oldest = oldest_at.map_or_else(String::new, |at| format!(", the oldest from {}", time_of(at)));
        print(format_args!(
            "{}: {tenants} tenants, {entries} publications{oldest}, {keys} keys of older ones, {revocations} \
             revocations, {bytes} bytes{}",
            self.journal,
            match is_in_use {
                None => "",
                Some(true) => "; a server has it open",
                Some(false) => "; no server has it open",
            }
        ))
    }
}

impl Trim {
    fn run(self) -> Result<(), Failure> {
        let keys = KeyLimits::default().max_age(self.key_max_age);
        let log = LogLimits::default().max_bytes(self.log_max_bytes).max_entries(self.log_max_entries);
        let limits = JournalLimits::new(log.max_age(self.log_max_age).keys(keys));
        let now = SystemHost::start().now().unix_ms;
        let before = journal::status(&self.journal).map_err(unusable_journal)?;
        journal::trim(&self.journal, &limits, now).map_err(unusable_journal)?;
        let after = journal::status(&self.journal).map_err(unusable_journal)?;
        let removed = |before: u64, after: u64| before.saturating_sub(after);
        print(format_args!(
            "{}: {} publications and {} revocations removed",
            self.journal,
            removed(before.entries, after.entries),
            removed(before.revocations, after.revocations)
        ))
    }
}

/// Returns a time of day as text.
fn time_of(unix_ms: u64) -> impl std::fmt::Display {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(unix_ms))
}

fn unusable_journal(error: JournalError) -> Failure {
    Failure::Usage(format!("--journal: {error}"))
}

impl DeadLetters {
    async fn run(self) -> Result<(), Failure> {
        let Change { retry, retry_all, delete } = self.change;
        let address = &self.outbox;
        admin::check(address).await.map_err(unusable)?;
        if retry_all || !retry.is_empty() {
            let which = if retry_all { Which::All } else { Which::These(retry) };
            let count = admin::retry(address, &which).await.map_err(failed)?;
            return print(format_args!("{count} back in the outbox"));
        }
        if !delete.is_empty() {
            let count = admin::delete(address, &Which::These(delete)).await.map_err(failed)?;
            return print(format_args!("{count} deleted"));
        }
        let mut after = i64::MIN;
        loop {
            let letters = admin::dead_letters(address, after, PAGE).await.map_err(failed)?;
            let Some(last) = letters.last() else { return Ok(()) };
            after = last.id;
            for letter in &letters {
                if self.json { print(as_json(letter))? } else { print(as_text(letter))? }
            }
        }
    }
}

/// The outbox can't be opened: its address is wrong, or it needs a table.
fn unusable(error: OutboxError) -> Failure {
    Failure::Usage(format!("--outbox {error}"))
}

fn failed(error: OutboxError) -> Failure {
    Failure::Failed(error.to_string())
}

fn as_json(letter: &DeadLetter) -> serde_json::Value {
    let DeadLetter { id, row, code, reason, at } = letter;
    let shown = |field: &Field| field.shown().map(String::from);
    json!({
        "id": id,
        "code": code,
        "reason": reason,
        "refused_at": at,
        "outbox_id": row.id.id,
        "tenant": shown(&row.tenant),
        "event": shown(&row.event),
        "key": shown(&row.key),
        "origin": shown(&row.origin),
        "topics": shown(&row.topics),
    })
}

fn as_text(letter: &DeadLetter) -> String {
    let DeadLetter { id, row, code, reason, at } = letter;
    let at = time_of(u64::try_from(*at).unwrap_or_default());
    let mut text = format!("{id}  {at}  {code}\n    {reason}");
    let fields = [("tenant", &row.tenant), ("event", &row.event), ("topics", &row.topics), ("key", &row.key)];
    for (name, field) in fields {
        if let Some(shown) = field.shown() {
            // A terminal must not obey what a writer wrote.
            let shown: String = shown.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
            text.push_str(&format!("\n    {name}: {shown}"));
        }
    }
    text
}
