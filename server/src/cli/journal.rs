//! `tidings journal`: makes the tables of an outbox, and looks after its dead letters.

use std::time::{Duration, UNIX_EPOCH};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    Failure,
    output::{print, print_all, say},
};
use crate::outbox::{
    OutboxAddress, OutboxError,
    admin::{self, DeadLetter, Field, Which},
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
    /// List the rows of an outbox that can't be published; try them again, or delete them
    DeadLetters(DeadLetters),
}

#[derive(Debug, Args)]
struct Init {
    /// Database of the application, as sqlite:PATH or postgres://…
    #[arg(long, value_name = "URL")]
    outbox: OutboxAddress,
    /// Print the SQL, and change nothing
    #[arg(long)]
    print: bool,
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
            Command::DeadLetters(letters) => letters.run().await,
        }
    }
}

impl Init {
    async fn run(self) -> Result<(), Failure> {
        let address = &self.outbox;
        if self.print {
            return print_all(admin::schema(address).map_err(unusable)?.as_bytes());
        }
        for note in admin::init(address).await.map_err(unusable)? {
            say(format_args!("note: {note}"));
        }
        print(format_args!("{address} has an outbox"))
    }
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
    let at = UNIX_EPOCH + Duration::from_millis(u64::try_from(*at).unwrap_or_default());
    let mut text = format!("{id}  {}  {code}\n    {reason}", humantime::format_rfc3339_seconds(at));
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
