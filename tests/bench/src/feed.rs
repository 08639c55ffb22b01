//! What is published, and who asks for it.

use crate::{connections::Ask, peer::Speech, wire::masked_text};

/// A person's identity, as events have it.
const PERSON: &str = "0198c0de-0000-7000-8000-000000000001";

#[derive(Debug)]
pub(crate) struct Feed {
    event: String,
    subscribed: Subscribed,
}

#[derive(Debug)]
enum Subscribed {
    /// All to a list; the event reaches it and a record, by its domain's rules.
    People,
    /// Each to so many of so many topics, which publishers name in turn.
    Some { of_each: usize, topics: usize, connections: usize },
    /// All to one topic that is published to, and so many in all to others that are not.
    Quiet { others: usize, connections: usize },
}

impl Feed {
    /// Changes of one person, to subscribers of all people.
    pub(crate) fn people(payload: usize) -> Self {
        let event = event("staff", "person_updated", payload);
        Self { event, subscribed: Subscribed::People }
    }

    /// Events of many topics in turn; each connection has a few of them.
    pub(crate) fn of_each(of_each: usize, topics: usize, connections: usize, payload: usize) -> Self {
        let subscribed = Subscribed::Some { of_each, topics, connections };
        Self { event: event("bench", "changed", payload), subscribed }
    }

    /// Events of one topic that all connections have; they share others, each with one of them, of which nothing comes.
    pub(crate) fn quiet(others: usize, connections: usize, payload: usize) -> Self {
        let subscribed = Subscribed::Quiet { others, connections };
        Self { event: event("bench", "changed", payload), subscribed }
    }

    /// What a subscriber asks for.
    pub(crate) fn ask(&self, index: usize) -> Ask {
        let topics = match self.subscribed {
            Subscribed::People => vec!["staff:people".to_owned()],
            Subscribed::Some { of_each, topics, .. } => {
                (0..of_each).map(|number| topic((index * of_each + number) % topics)).collect()
            }
            Subscribed::Quiet { others, connections } => {
                let own = (index..others).step_by(connections).map(|other| topic(other + 1));
                std::iter::once(topic(0)).chain(own).collect()
            }
        };
        Ask { topics, ..Ask::default() }
    }

    /// How many subscribers an event reaches.
    pub(crate) fn reach(&self, offset: u64, subscribers: usize) -> usize {
        match self.subscribed {
            Subscribed::People | Subscribed::Quiet { .. } => subscribers,
            Subscribed::Some { of_each, topics, connections } => {
                // The asks go round the topics, so the first ones may have one more.
                let asks = of_each * connections;
                asks / topics + usize::from(self.number(offset) < asks % topics)
            }
        }
    }

    /// The frame that publishes, which for a relay holds what subscribers are to get.
    pub(crate) fn publication(&self, speech: Speech, offset: u64) -> Vec<u8> {
        let event = &self.event;
        let named = match self.subscribed {
            Subscribed::People => String::new(),
            _ => format!(r#","topics":["{}"]"#, topic(self.number(offset))),
        };
        masked_text(&match speech {
            Speech::Tidings | Speech::EventStreams => {
                format!(r#"{{"op":"publish","ref":1,"event":{event}{named}}}"#)
            }
            Speech::Relay => format!(
                r#"{{"op":"event","position":"1f0c9a7be2d4.{offset}.9b1c77e0","key":"0198c0de-0000-7000-8000-00000000abcd","at":1790000000000,"topics":["staff:people"],"event":{event}}}"#
            ),
        })
    }

    /// The number of the topic that an event goes to.
    fn number(&self, offset: u64) -> usize {
        match self.subscribed {
            Subscribed::Some { topics, .. } => (offset % topics as u64) as usize,
            _ => 0,
        }
    }
}

fn topic(number: usize) -> String {
    format!("bench:topic:{number}")
}

/// An event whose payload has so many bytes.
fn event(domain: &str, name: &str, payload: usize) -> String {
    let bare = format!(r#"{{"uuid":"{PERSON}","text":""}}"#).len();
    let text = "x".repeat(payload.saturating_sub(bare));
    format!(r#"{{"domain":"{domain}","event":"{name}","payload":{{"uuid":"{PERSON}","text":"{text}"}}}}"#)
}
