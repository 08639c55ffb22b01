//! The transcript in PROTOCOL.md is what a real session says, and its other examples are frames.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

use std::{cell::Cell, collections::BTreeSet, path::Path, time::Duration};

use serde_json::Value;
use tidings_hub::{
    AccessError, Answer, Host, Hub, HubSettings, Identity, Moment, Output, PublishOptions, Question, Rights,
    Session, SessionSettings, TenantId,
};
use tidings_shared::{
    RawEvent, TopicName,
    domains::staff,
    frame::{ClientFrame, ServerFrame},
    limits::{DEGRADED_AFTER, HEARTBEAT},
};
use tidings_tests::at_once;
use uuid::Uuid;

const FROM_CLIENT: &str = "→ ";
const FROM_SERVER: &str = "← ";

/// The text of PROTOCOL.md.
fn protocol() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../PROTOCOL.md")).unwrap()
}

/// The section with this heading.
fn section(heading: &str) -> String {
    let text = protocol();
    let (_, rest) = text.split_once(&format!("\n## {heading}\n")).expect("PROTOCOL.md has the section");
    rest.split("\n## ").next().unwrap().to_owned()
}

/// The blocks of code in a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let start = format!("```{language}\n");
    text.split(&start).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// What is said in a block, in order. A line that begins with spaces continues the one before.
fn said(block: &str) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    for line in block.lines() {
        if line.starts_with([' ', '\t']) {
            let last = said.last_mut().expect("a block begins with a frame");
            last.push('\n');
            last.push_str(line);
        } else {
            said.push(line.to_owned());
        }
    }
    said
}

/// Knows the two tokens of the transcript.
fn authenticate(token: Option<&str>, now: Moment) -> Result<Identity, AccessError> {
    let minutes = match token {
        Some("<a JWT>") => 10,
        Some("<a fresh JWT>") => 15,
        _ => return Err(AccessError::unauthorized("no such token")),
    };
    // The fresh token may publish nothing.
    let rights = if minutes == 10 { Rights::all() } else { Rights::all().publish(Vec::new()) };
    Ok(Identity::new("anna", tenant()).expires_at(now.unix_ms + minutes * 60_000).rights(rights))
}

fn tenant() -> TenantId {
    "acme".parse().unwrap()
}

/// When the transcript begins.
const START: Moment = Moment { since_start: Duration::ZERO, unix_ms: 1_767_258_000_000 };

thread_local! {
    /// The time of the hub.
    static NOW: Cell<Moment> = const { Cell::new(START) };
}

/// A client and a server, and the time.
struct Play {
    hub: Hub,
    session: Session,
    now: Moment,
    next: u128,
}

impl Play {
    fn new() -> Self {
        NOW.set(START);
        let hub = hub(0x1f0c_9a7b_e2d4);
        let session = session(&hub, START, uuid(1));
        Self { hub, session, now: START, next: 1 }
    }

    fn draw(&mut self) -> Uuid {
        self.next += 1;
        uuid(self.next)
    }

    fn connect(&mut self) {
        let id = self.draw();
        self.session = session(&self.hub, self.now, id);
    }

    fn wait(&mut self, time: Duration) {
        self.now.since_start += time;
        self.now.unix_ms += u64::try_from(time.as_millis()).unwrap();
        NOW.set(self.now);
        self.session.handle_timeout(self.now);
    }

    /// Somebody else publishes an event of a person.
    fn other_publishes(&mut self, event: fn(staff::Person) -> staff::Event) {
        let person = staff::Person { uuid: "0198c0de-0000-7000-8000-000000000002".parse().unwrap() };
        let event = RawEvent::from_event(&event(person)).unwrap();
        let options = PublishOptions::default().key(self.draw());
        at_once(self.hub.publish_raw(event, None, options)).unwrap();
    }

    /// What happens before the block of this number.
    fn happens(&mut self, block: usize) {
        let second = Duration::from_secs(1);
        match block {
            0 | 1 => self.wait(second),
            2 => self.wait(HEARTBEAT),
            3 => {
                self.wait(second);
                self.other_publishes(staff::Event::PersonCreated);
                self.connect();
            }
            4 => {
                self.wait(second);
                let key = self.draw();
                let people = TopicName::parse("staff:people").unwrap();
                self.hub.sync_raw(&[people], Some(key));
            }
            5 => {
                self.hub.journal_answered(self.now);
                self.wait(DEGRADED_AFTER);
                self.hub.handle_timeout(self.now);
                self.session.handle_health();
            }
            6 => {
                self.wait(second);
                self.other_publishes(staff::Event::PersonUpdated);
                self.hub.journal_answered(self.now);
                self.session.handle_health();
            }
            7 => {
                self.wait(second);
                self.session.handle_drain(Duration::from_millis(2_840));
            }
            8 => {
                self.wait(Duration::from_secs(3));
                self.hub = hub(0x77aa_03c5_91e6);
                self.connect();
            }
            _ => panic!("PROTOCOL.md has a block of the transcript that this test does not know"),
        }
    }

    /// Answers the session's questions.
    fn answer(&mut self) {
        while let Some((id, question)) = self.session.poll_question() {
            let answer = match &question {
                Question::Authenticate { token } => {
                    Answer::Identity(authenticate(token.as_deref(), self.now))
                }
                _ => panic!("the rights of a token are final: {question:?}"),
            };
            self.session.handle_answer(id, answer, self.now);
        }
    }

    /// What the server has to say, in the way of the transcript.
    fn poll(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(output) = self.session.poll_output(self.now) {
            said.push(
                FROM_SERVER.to_owned()
                    + &match output {
                        Output::Frame(frame) => str::from_utf8(frame.text()).unwrap().to_owned(),
                        Output::Ping => "WebSocket ping".to_owned(),
                        Output::Pong(_) => "WebSocket pong".to_owned(),
                        Output::Close { code, reason } => format!("close {} {reason}", code.unwrap()),
                    },
            );
        }
        said
    }
}

/// The publishers bring the keys; this brings the epoch of the log, and the time of the transcript.
#[derive(Debug)]
struct Epoch(u64);

impl Host for Epoch {
    fn now(&self) -> Moment {
        NOW.get()
    }

    fn new_key(&self) -> Uuid {
        panic!("each publish of the transcript has a key")
    }

    fn new_epoch(&self) -> u64 {
        self.0
    }
}

fn hub(epoch: u64) -> Hub {
    Hub::new(HubSettings::new(tenant()), Epoch(epoch))
}

fn session(hub: &Hub, now: Moment, id: Uuid) -> Session {
    Session::new(id, hub.clone(), SessionSettings::default(), now)
}

fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(0x019b_78c0_0000_7000_8000_0000_0000_0000 + number)
}

/// Frames compare as JSON, everything else to the letter.
fn is_same(found: &str, expected: &str) -> bool {
    let json = |line: &str| serde_json::from_str::<Value>(line.strip_prefix(FROM_SERVER)?).ok();
    found == expected || json(found).is_some_and(|found| json(expected) == Some(found))
}

#[test]
fn a_real_session_says_what_the_transcript_says() {
    let mut play = Play::new();
    let transcript = blocks(&section("A session, frame by frame"), "text");
    for (index, block) in transcript.iter().enumerate() {
        play.happens(index);
        let expected = said(block);
        let mut found = play.poll();
        for line in &expected {
            if let Some(frame) = line.strip_prefix(FROM_CLIENT) {
                ClientFrame::parse(frame).unwrap_or_else(|error| panic!("{frame}: {error}"));
                found.push(line.clone());
                play.session.handle_text(frame, play.now);
                play.answer();
                found.extend(play.poll());
            }
        }
        let is_right = found.len() == expected.len()
            && found.iter().zip(&expected).all(|(found, expected)| is_same(found, expected));
        assert!(is_right, "block {index} of the transcript is:\n{}", found.join("\n"));
    }
}

#[test]
fn every_frame_is_in_the_transcript() {
    let transcript = section("A session, frame by frame");
    let said: Vec<String> = blocks(&transcript, "text").iter().flat_map(|block| said(block)).collect();
    let shown = |from: &str| -> BTreeSet<String> {
        let frames =
            said.iter().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix(from)?).ok());
        frames.map(|frame| frame["op"].as_str().unwrap().to_owned()).collect()
    };
    // The tables are generated from the definitions.
    let declared = |heading: &str| -> BTreeSet<String> {
        let rows = section(heading);
        let (table, _) = rows.split_once("<!-- end of").unwrap();
        let rows = table.lines().filter(|row| !row.starts_with("| `op`"));
        rows.filter_map(|row| Some(row.strip_prefix("| `")?.split_once('`')?.0.to_owned())).collect()
    };
    assert_eq!(shown(FROM_CLIENT), declared("Frames from the client"));
    assert_eq!(shown(FROM_SERVER), declared("Frames from the server"));
}

#[test]
fn the_examples_of_frames_are_frames() {
    for heading in ["Connection", "Frames from the client"] {
        for block in blocks(&section(heading), "json") {
            for frame in block.lines() {
                ClientFrame::parse(frame).unwrap_or_else(|error| panic!("{frame}: {error}"));
            }
        }
    }
    let streams = blocks(&section("HTTP"), "text");
    let data: Vec<&str> = streams
        .iter()
        .flat_map(|block| block.lines())
        .filter_map(|line| line.strip_prefix("data: "))
        .collect();
    assert!(!data.is_empty(), "PROTOCOL.md shows no block of an event stream");
    for frame in data {
        // The `ref` is missing in a stream: nobody asked with one.
        let with_ref = frame.replacen('{', r#"{"ref":0,"#, 1);
        ServerFrame::parse(&with_ref).unwrap_or_else(|error| panic!("{frame}: {error}"));
    }
}
