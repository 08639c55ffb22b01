//! A peer without a client core. It sends any frame in any order, positions of any session, and garbage.

use tidings_shared::{
    TopicName,
    frame::{ClientFrame, Fingerprints, Publish, ServerFrame},
};
use uuid::Uuid;

use crate::{
    access::Token,
    invariant::Check,
    link::{Message, Peer, Side},
    rng::Rng,
    served::short,
    store::event,
    world::{Event, World},
};

#[derive(Debug, Default)]
pub(crate) struct Raw {
    link: Option<u64>,
    pub(crate) token: Option<Token>,
    has_said_hello: bool,
    /// The keys that it published, to publish them again.
    keys: Vec<Uuid>,
    last_ref: u64,
    /// Whether its last frame said that more follows.
    owes_more: bool,
}

/// Messages that are no frames.
const GARBAGE: [&str; 9] = [
    "",
    "{",
    "[]",
    "null",
    r#"{"op":7}"#,
    r#"{"op":"publish","ref":1,"event":{"domain":"sim","event":"written"}}"#,
    r#"{"op":"subscribe","ref":1,"topics":["sim:0"],"topics":["sim:0"]}"#,
    r#"{"op":"subscribe","ref":-1,"topics":["sim:0"]}"#,
    r#"{"op":"subscribe","ref":1,"topics":["sim:0"],"since":7}"#,
];

impl World {
    /// Lets the peer do something.
    pub(crate) fn raw(&mut self, raw: usize) -> Check {
        let peer = &mut self.raws[raw];
        if self.heals {
            if let Some(link) = peer.link.take() {
                self.hang_up(link);
            }
            return Ok(());
        }
        // Some send the next frame of a subscribe too late.
        let is_slow = self.raws[raw].owes_more && self.rng.percent(30);
        let next = if is_slow { 6_000 } else { self.around(150) };
        self.after(next, Event::Raw { raw });
        let Some(link) = self.raws[raw].link else {
            let link = self.connect(Peer::Raw { raw });
            let tenant = self.rng.index(self.config.tenants);
            let issued = self.moment().unix_ms;
            let fresh = Token { tenant, subject: format!("raw-{link}"), rights: self.rng.next(), issued };
            // On a journal, some come back with an old token, which may be revoked.
            let comes_back = self.config.cluster.is_some() && self.rng.percent(50);
            let known = self.raws[raw].token.take().filter(|_| comes_back);
            let token = Some(known.unwrap_or(fresh));
            self.raws[raw] = Raw { link: Some(link), token, ..Raw::default() };
            return Ok(());
        };
        if self.rng.percent(3) {
            self.raws[raw].link = None;
            self.hang_up(link);
            return Ok(());
        }
        if self.rng.percent(5) {
            self.send(link, Side::Server, Message::Ping);
            return Ok(());
        }
        let text = self.raw_text(raw);
        self.say(|| format!("link {link}: a raw peer says {}", short(&text)));
        self.send(link, Side::Server, Message::Text(text));
        Ok(())
    }

    fn raw_text(&mut self, raw: usize) -> String {
        let now = self.moment();
        let Raw { token: Some(token), keys, has_said_hello, last_ref, owes_more, .. } = &mut self.raws[raw]
        else {
            return String::new();
        };
        *last_ref += 1;
        *owes_more = false;
        let (r#ref, rng) = (*last_ref, &mut self.rng);
        if !std::mem::replace(has_said_hello, true) && rng.percent(95) {
            let hello = ClientFrame::Hello {
                token: Some(token.text()),
                client: None,
                domains: Fingerprints::default(),
            };
            return text(&hello);
        }
        let frame = match rng.below(100) {
            0..30 => {
                let since = rng.percent(70).then(|| any_position(&self.reference, rng));
                let more = rng.percent(20);
                *owes_more = more;
                ClientFrame::Subscribe { r#ref, topics: any_topics(&self.topics, rng), since, more }
            }
            30..45 => ClientFrame::Unsubscribe { r#ref, topics: any_topics(&self.topics, rng) },
            45..70 => {
                let key = if keys.is_empty() || rng.percent(70) { rng.uuid() } else { *rng.pick(keys) };
                keys.push(key);
                let number = rng.next() >> 20;
                let topics = Some(any_topics(&self.topics, rng));
                let event = event(token.tenant, number);
                let publish = Publish { event, topics, key: Some(key), origin: None };
                ClientFrame::Publish { r#ref, publish }
            }
            70..82 => {
                let mut fresh = Token { rights: rng.next(), ..token.issued_at(now) };
                if rng.percent(20) {
                    fresh.subject.push_str("-other");
                }
                ClientFrame::Token { r#ref, token: fresh.text() }
            }
            82..90 => ClientFrame::Ping { r#ref },
            90..95 => ClientFrame::Pong,
            95..97 => return r#"{"op":"dance","ref":1}"#.to_owned(),
            _ => return (*rng.pick(&GARBAGE)).to_owned(),
        };
        text(&frame)
    }

    pub(crate) fn raw_hears(&mut self, raw: usize, link: u64, message: &Message) {
        let ends = matches!(message, Message::Close(_) | Message::Lost);
        if self.raws[raw].link == Some(link) && ends {
            self.raws[raw].link = None;
        }
        if let Message::Text(text) = message
            && let Ok(ServerFrame::Ping { .. }) = ServerFrame::parse(text)
            && self.rng.percent(80)
        {
            self.send(link, Side::Server, Message::Text(r#"{"op":"pong"}"#.to_owned()));
        }
    }
}

fn text(frame: &ClientFrame) -> String {
    serde_json::to_string(frame).unwrap_or_default()
}

fn any_topics(topics: &[TopicName], rng: &mut Rng) -> Vec<String> {
    let mut names: Vec<String> = rng.some(topics, 4).iter().map(TopicName::to_string).collect();
    if rng.percent(10) {
        names.push("no topic".to_owned());
    }
    if rng.percent(10) {
        names.push("sim:63".to_owned());
    }
    names
}

/// Returns a position of any session at any time, or a text that looks like one.
fn any_position(reference: &crate::reference::Reference, rng: &mut Rng) -> String {
    let Some(last) = reference.entries.len().checked_sub(1) else { return "yesterday".to_owned() };
    // Mostly a late one, which the log still covers.
    let back = if rng.percent(70) { rng.below(8) } else { rng.below(last as u64 + 1) };
    let mut position = reference.entries[last.saturating_sub(back as usize)].position;
    match rng.below(10) {
        0 => position.offset += 1,
        1 => position.tag ^= 1,
        2 => position.epoch ^= 1,
        3 => (position.offset, position.tag) = (0, 0),
        _ => {}
    }
    position.to_string()
}
