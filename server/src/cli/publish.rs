//! `tidings publish`: publishes one event, and prints the server's answer.

use std::time::Duration;

use clap::Args;
use serde_json::json;
use tidings_client::{Client, PublishOptions, Published};
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
        let client = Client::new(server.settings());
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        let mut options = PublishOptions::default().key(key);
        if let Some(origin) = origin {
            options = options.origin(origin);
        }
        let published = client.publish_raw(event, &topics, options);
        let Ok(published) = tokio::time::timeout(timeout, published).await else {
            let message = if client.has_connected() {
                format!("no answer within {timeout:?}; the event may have been published")
            } else {
                let why = client.no_connection().unwrap_or_default();
                format!("nothing was published within {timeout:?}; {why}")
            };
            return Err(Failure::Failed(message));
        };
        client.close().await;
        let Published { position, topics, key, .. } =
            published.map_err(|error| Failure::Failed(error.to_string()))?;
        print(json!({ "position": position, "topics": topics, "key": key }))
    }
}
