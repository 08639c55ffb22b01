//! `tidings tail`: subscribes to topics, and prints their events as lines of JSON.

use std::{
    io::{self, Write},
    sync::Arc,
};

use clap::Args;
use tidings_client::{Client, Delivery, Publication, Status, Statuses, Subscription};
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
        let client = Client::new(self.server.settings().on_unknown_domain(warn_of_domain));
        let deliveries =
            client.subscribe_raw(&self.topics).map_err(|error| Failure::Usage(error.to_string()))?;
        let end = print_all(deliveries, client.statuses()).await;
        client.close().await;
        end
    }
}

/// Prints deliveries, until nobody reads standard output or a topic is refused for good.
async fn print_all(mut deliveries: Subscription, mut statuses: Statuses) -> Result<(), Failure> {
    let (mut is_open, mut is_degraded, mut last_error) = (false, false, None);
    loop {
        let delivery = tokio::select! {
            Some(status) = statuses.next() => {
                let was_degraded = std::mem::replace(&mut is_degraded, status == Status::Degraded);
                match status {
                    Status::Open => {
                        if was_degraded {
                            say("the server hears its journal again, and all events have arrived");
                        }
                        (is_open, last_error) = (true, None);
                    }
                    Status::Degraded => say("the server hears nothing from its journal: events come late"),
                    Status::Closed => {}
                    _ if std::mem::take(&mut is_open) => say("disconnected; trying again"),
                    _ => {}
                }
                continue;
            }
            delivery = deliveries.next() => delivery,
        };
        let printed = match delivery {
            Some(Ok(Delivery::Event { topics, publication, .. })) => {
                let Publication { position, key, at, origin, event } = Arc::unwrap_or_clone(publication);
                print(&ServerFrame::Event { position, key, at, origin, topics: names(&topics), event })
            }
            Some(Ok(Delivery::Sync { topics, position })) => {
                print(&serde_json::json!({ "op": "sync", "position": position, "topics": topics }))
            }
            Some(Err(error)) if error.is_final() => return Err(Failure::Failed(error.to_string())),
            Some(Err(error)) => {
                // Attempts to connect usually fail for the same reason: one line is enough.
                if last_error.as_ref() != Some(&error) {
                    say(&error);
                }
                last_error = Some(error);
                continue;
            }
            None => return Err(super::closed()),
        };
        if let Err(error) = printed {
            return unwritten(error);
        }
    }
}

/// Warns of a domain that the server does not know. If its name is a typo, no event ever arrives.
fn warn_of_domain(domain: &str, nearest: Option<&str>) {
    say(match nearest {
        Some(nearest) => format!("the server has no domain {domain:?}: was {nearest:?} meant?"),
        None => format!("the server has no domain {domain:?}: events of this domain travel unchecked"),
    });
}

fn names(topics: &[TopicName]) -> Vec<String> {
    topics.iter().map(TopicName::to_string).collect()
}

fn print(line: &impl serde::Serialize) -> io::Result<()> {
    let text = serde_json::to_string(line).unwrap_or_default();
    writeln!(io::stdout().lock(), "{text}")
}
