//! `tidings publish`: publishes one event, and prints the server's answer.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use tidings_client::{Client, Output, Publish as Request};
use tidings_shared::RawEvent;
use uuid::Uuid;

use crate::text::without_mark;

use super::{Failure, output::print, server::Server, time::duration};

#[derive(Debug, Args)]
pub(super) struct Publish {
    #[command(flatten)]
    server: Server,
    /// Topic to publish to, for events that don't name their topics; may be given several times
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// Idempotency key, a UUID; a second publish with the same key and topics publishes nothing and gets the first answer
    #[arg(long)]
    key: Option<Uuid>,
    /// Origin tag: names who caused the event, and travels with the publication
    #[arg(long)]
    origin: Option<String>,
    /// Time to wait for the answer
    #[arg(long, default_value = "10s", value_parser = duration, value_name = "TIME")]
    timeout: Duration,
    /// Event, as {"domain":…,"event":…,"payload":{…}}
    #[arg(value_parser = event)]
    event: RawEvent,
}

fn event(text: &str) -> Result<RawEvent, String> {
    RawEvent::parse(without_mark(text)).map_err(|error| error.to_string())
}

impl Publish {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Self { server, topics, key, origin, timeout, event } = self;
        let mut client = server.client();
        let request = Request {
            event,
            topics: Some(topics).filter(|topics| !topics.is_empty()),
            key: key.unwrap_or_else(Uuid::now_v7),
            origin,
        };
        client.publish(request).map_err(|error| Failure::Failed(error.to_string()))?;
        let Ok(answer) = tokio::time::timeout(timeout, answer(&mut client)).await else {
            let message = if client.has_connected() {
                format!("no answer within {timeout:?}; the event may have been published")
            } else {
                format!("nothing was published within {timeout:?}; {}", client.no_connection())
            };
            return Err(Failure::Failed(message));
        };
        client.close().await;
        print(answer?)
    }
}

/// Waits for the answer to the one publish of this client.
async fn answer(client: &mut Client) -> Result<Value, Failure> {
    while let Some(output) = client.next().await {
        match output {
            Output::Published { key, position, topics, .. } => {
                return Ok(json!({ "position": position, "topics": topics, "key": key }));
            }
            Output::PublishFailed { error, .. } => return Err(Failure::Failed(error.to_string())),
            _ => {}
        }
    }
    Err(super::closed())
}
