//! `tidings tail`.

use std::{io::Write, ops::ControlFlow};

use clap::Args;
use tidings_client_wasm::core::{Output, Status};
use tidings_shared::{TopicName, frame::ServerFrame};

use super::{
    Failure,
    link::{Link, Server},
    output::{say, unwritten},
};

/// Prints what is published, one JSON object a line, until it is interrupted. An `event` or `sync` looks as on the
/// wire; a `sync` means that something may have been missed.
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
        let mut link = Link::new(self.server);
        let now = link.now();
        link.client.handle_subscribe(&self.topics, now).map_err(|error| Failure::Usage(error.to_string()))?;
        let (mut is_open, mut last_error) = (false, None);
        link.run(|output| match output {
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
            Output::Failed { error, waits: true, .. } => {
                say(error);
                ControlFlow::Continue(())
            }
            Output::Failed { error, .. } => ControlFlow::Break(Err(Failure::Failed(error.to_string()))),
            Output::Status(Status::Open) => {
                (is_open, last_error) = (true, None);
                ControlFlow::Continue(())
            }
            Output::Status(Status::Waiting) => {
                if std::mem::take(&mut is_open) {
                    say("disconnected; trying again");
                }
                ControlFlow::Continue(())
            }
            Output::Error(error) => {
                // Attempts fail for the same reason as a rule.
                if last_error.as_ref() != Some(&error) {
                    say(&error);
                }
                last_error = Some(error);
                ControlFlow::Continue(())
            }
            Output::UnknownDomain { domain, nearest } => {
                say(unknown(&domain, nearest.as_deref()));
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Continue(()),
        })
        .await?
    }
}

/// Nothing may ever come of a domain that nobody knows.
fn unknown(domain: &str, nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("the server has no domain {domain:?}: was {nearest:?} meant?"),
        None => format!("the server has no domain {domain:?}: what is published in it travels unchecked"),
    }
}

fn names<'a>(topics: impl Iterator<Item = &'a TopicName>) -> Vec<String> {
    topics.map(TopicName::to_string).collect()
}

/// Prints a line; a closed pipe is the end.
fn print(line: &impl serde::Serialize) -> ControlFlow<Result<(), Failure>> {
    let text = serde_json::to_string(line).unwrap_or_default();
    match writeln!(std::io::stdout().lock(), "{text}") {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(unwritten(error)),
    }
}
