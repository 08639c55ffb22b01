//! `tidings tail`: subscribes to topics, and prints their events as lines of JSON.

use std::io::{self, Write};

use clap::Args;
use tidings_client::{Client, Error, Output, Payload, Status};
use tidings_shared::{TopicName, frame::ServerFrame};

use super::{
    Failure,
    output::{say, unwritten},
    server::Server,
};

/// Prints the events of topics as JSON, one object on each line, until it is interrupted. An `event` and a `sync` look
/// as on the wire. A `sync` means that events may have been missed.
#[derive(Debug, Args)]
pub(super) struct Tail {
    #[command(flatten)]
    server: Server,
    /// Topics to subscribe to
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
}

impl Tail {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut client = self.server.client();
        client.subscribe(&self.topics).map_err(|error| Failure::Usage(error.to_string()))?;
        let end = print_all(&mut client).await;
        client.close().await;
        end
    }
}

/// Prints a client's events, until nobody reads standard output or a topic is refused for good.
async fn print_all(client: &mut Client) -> Result<(), Failure> {
    let (mut is_open, mut last_error) = (false, None);
    while let Some(output) = client.next().await {
        let printed = match output {
            Output::Event { deliveries, publication } => {
                let topics = names(deliveries.iter().flat_map(|delivery| &delivery.topics));
                print(&ServerFrame::Event {
                    position: publication.position,
                    key: publication.key,
                    at: publication.at,
                    origin: publication.origin,
                    topics,
                    event: publication.event,
                })
            }
            Output::Sync { delivery, position } => {
                let topics = names(delivery.topics.iter());
                print(&serde_json::json!({ "op": "sync", "position": position, "topics": topics }))
            }
            Output::Failed { error, waits: false, .. } => return Err(Failure::Failed(error.to_string())),
            other => {
                warn(other, &mut is_open, &mut last_error);
                continue;
            }
        };
        if let Err(error) = printed {
            return unwritten(error);
        }
    }
    Err(super::closed())
}

/// Writes to standard error what the user should know beside the events.
fn warn(output: Output<Payload>, is_open: &mut bool, last_error: &mut Option<Error>) {
    match output {
        Output::Failed { error, .. } => say(error),
        Output::Status(Status::Open) => (*is_open, *last_error) = (true, None),
        Output::Status(Status::Waiting) if std::mem::take(is_open) => say("disconnected; trying again"),
        Output::Error(error) => {
            // Attempts to connect usually fail for the same reason: one line is enough.
            if last_error.as_ref() != Some(&error) {
                say(&error);
            }
            *last_error = Some(error);
        }
        Output::UnknownDomain { domain, nearest } => say(unknown(&domain, nearest.as_deref())),
        _ => {}
    }
}

/// Warns about a domain that the server does not know. If its name is a typo, no event ever arrives.
fn unknown(domain: &str, nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("the server has no domain {domain:?}: was {nearest:?} meant?"),
        None => format!("the server has no domain {domain:?}: events of this domain travel unchecked"),
    }
}

fn names<'a>(topics: impl Iterator<Item = &'a TopicName>) -> Vec<String> {
    topics.map(TopicName::to_string).collect()
}

fn print(line: &impl serde::Serialize) -> io::Result<()> {
    let text = serde_json::to_string(line).unwrap_or_default();
    writeln!(io::stdout().lock(), "{text}")
}
