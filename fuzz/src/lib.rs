//! The bodies of the fuzz targets. libFuzzer calls them with inputs of its own, and `tests/tests/corpus.rs` with the seeds.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tidings_hub::{
    Answer, Awaited, Decoder, Host, Hub, HubSettings, Identity, LogLimits, Moment, Output, Rights, Session,
    SessionSettings, TenantId,
};
use tidings_shared::{
    Position, TopicName,
    frame::{ClientFrame, Publish, ServerFrame},
    limits::{MAX_TOPIC_BYTES, READ_BATCH},
};
use uuid::Uuid;

/// A target for text.
pub type Body = fn(&str);

/// A target for bytes.
pub type BytesBody = fn(&[u8]);

/// The targets for text, by their names.
pub const TARGETS: [(&str, Body); 5] = [
    ("client_frame", client_frame),
    ("server_frame", server_frame),
    ("topic", topic),
    ("position", position),
    ("session", session),
];

/// The targets for bytes, by their names.
pub const BYTES_TARGETS: [(&str, BytesBody); 1] = [("websocket", websocket)];

/// Reads a client's frame. A frame that can be read can be written, and the text reads the same.
pub fn client_frame(text: &str) {
    if let Ok(frame) = ClientFrame::parse(text) {
        let written = serde_json::to_string(&frame).expect("a frame can be written");
        let again = ClientFrame::parse(&written).expect("what was written can be read");
        assert_eq!(serde_json::to_string(&again).ok(), Some(written));
    }
    let _ = Publish::parse(text);
}

/// Reads a server's frame. It can be written and read again, except a frame of another version: nobody sends it.
pub fn server_frame(text: &str) {
    let Ok(frame) = ServerFrame::parse(text) else { return };
    if matches!(frame, ServerFrame::Unknown { .. }) {
        return;
    }
    let Ok(written) = serde_json::to_string(&frame) else { panic!("{frame:?} can't be written") };
    let again = ServerFrame::parse(&written).expect("what was written can be read");
    assert_eq!(serde_json::to_string(&again).ok(), Some(written));
}

/// Reads a topic. A topic has one spelling.
pub fn topic(text: &str) {
    if let Ok(topic) = TopicName::parse(text) {
        assert!(topic.as_str().len() <= MAX_TOPIC_BYTES && topic.as_str().eq_ignore_ascii_case(text));
        assert_eq!(TopicName::parse(topic.as_str()), Ok(topic.clone()));
        assert_eq!(topic.segments().next(), Some(topic.domain()));
    }
}

/// Reads a position. A position has one spelling.
pub fn position(text: &str) {
    if let Ok(position) = text.parse::<Position>() {
        assert_eq!(position.to_string(), text);
    }
}

/// A host with a fixed time. Its keys are numbers in order. Its epoch is always the one that the seeds name.
#[derive(Debug, Default)]
struct StillHost(AtomicU64);

impl Host for StillHost {
    fn now(&self) -> Moment {
        Moment { since_start: Duration::ZERO, unix_ms: 1_700_000_000_000 }
    }

    fn new_key(&self) -> Uuid {
        Uuid::from_u128(self.0.fetch_add(1, Ordering::Relaxed).into())
    }

    fn new_epoch(&self) -> u64 {
        7
    }
}

/// Sends each line to a session as a message, with time between them. The session answers with frames, it closes when it
/// says so, and it leaves nothing behind.
pub fn session(text: &str) {
    let tenant: TenantId = "fuzz".parse().expect("a tenant's name");
    let log = LogLimits::default().max_entries(4);
    let hub = Hub::new(HubSettings::new(tenant.clone()).log(log), StillHost::default());
    let identity = Identity::new("anybody", tenant.clone()).rights(Rights::all());
    let moment = |ms| Moment { since_start: Duration::from_millis(ms), unix_ms: 1_700_000_000_000 + ms };
    let mut session = Session::new(Uuid::from_u128(1), hub.clone(), SessionSettings::default(), moment(0));
    for (line, now) in text.lines().zip((0..).step_by(700)) {
        let was_closed = session.is_closed();
        session.handle_text(line, moment(now));
        while let Some((question, _)) = session.poll_question() {
            session.handle_answer(question, Answer::Identity(Ok(identity.clone())), moment(now));
        }
        if session.poll_timeout().is_some_and(|due| due <= Duration::from_millis(now)) {
            session.handle_timeout(moment(now));
        }
        let mut outputs = Vec::new();
        while let Some(output) = session.poll_output(moment(now)) {
            outputs.push(output);
        }
        assert!(outputs.len() <= READ_BATCH + 4, "{} outputs", outputs.len());
        for output in &outputs {
            if let Output::Frame(frame) = output {
                let text = std::str::from_utf8(frame.text()).expect("frames are text");
                assert!(ServerFrame::parse(text).is_ok(), "{text}");
            }
        }
        let closes = |output: &Output| matches!(output, Output::Close { .. });
        assert_eq!(outputs.iter().any(closes), session.is_closed() && !was_closed, "{outputs:?}");
        assert!(!was_closed || outputs.is_empty(), "after its end: {outputs:?}");
    }
    drop(session);
    let left = hub.counters();
    assert_eq!((left.followers, left.followed_topics, left.waiting), (0, 0, 0), "{left:?}");
}

/// Decodes a client's bytes in pieces of different sizes. The result does not depend on the cuts, although the limit changes
/// from message to message. The decoder never holds more bytes than a message may have.
pub fn websocket(bytes: &[u8]) {
    const MAX_MESSAGE_BYTES: usize = 300;
    const MAX_CONTROL_FRAME: usize = 139;
    let read = |pieces: Vec<&[u8]>| {
        let mut decoder = Decoder::new(MAX_MESSAGE_BYTES);
        let mut said = Vec::new();
        let fault = pieces.into_iter().find_map(|piece| {
            let heard = decoder.read(&mut piece.to_vec(), |incoming| {
                said.push(format!("{incoming:?}"));
                match said.len() {
                    told @ ..8 => Awaited::Messages(MAX_MESSAGE_BYTES - 30 * told),
                    _ => Awaited::Close,
                }
            });
            let most = if decoder.is_closed() { 0 } else { MAX_MESSAGE_BYTES + 2 * MAX_CONTROL_FRAME };
            assert!(decoder.held_bytes() <= most, "{decoder:?}");
            heard.err()
        });
        (said, fault, decoder.is_closed())
    };
    let whole = read(vec![bytes]);
    for size in [1, 2, 3, 7, 50] {
        assert_eq!(read(bytes.chunks(size).collect()), whole, "in pieces of {size}");
    }
    if let Some(cut) = bytes.first().map(|&first| usize::from(first).min(bytes.len())) {
        let (left, right) = bytes.split_at(cut);
        assert_eq!(read(vec![left, right]), whole, "cut at {cut}");
    }
}
