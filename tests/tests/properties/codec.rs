//! A frame that was written can be read, and means the same. Any other text is read or refused, without a panic.

use proptest::prelude::*;
use serde_json::value::RawValue;
use tidings_shared::{
    Position, RawEvent, TopicName,
    frame::{
        AnnouncedLimits, ClientFrame, Fingerprints, Outcome, Publish, ServerFrame, TopicOutcome,
        UnknownDomain,
    },
    limits::{MAX_CLIENT_BYTES, MAX_FINGERPRINT_BYTES, MAX_NAME_BYTES, MAX_ORIGIN_BYTES, MAX_REF},
};
use uuid::Uuid;

use crate::cases;

/// Any text, also with quotes, control characters and rare characters.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[ -~]{0,20}", Just("\"\\\u{0}\u{2028}\u{1F600}".to_owned())]
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(text(), 0..4)
}

fn short(bytes: usize) -> impl Strategy<Value = Option<String>> {
    prop::option::of(text().prop_filter("short", move |text| text.len() <= bytes))
}

fn event() -> impl Strategy<Value = RawEvent> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        text().prop_map(Into::into),
    ];
    let payload = leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::hash_map(text(), inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    });
    (text(), text(), payload).prop_map(|(domain, event, payload)| {
        let payload = RawValue::from_string(payload.to_string()).expect("a value is JSON");
        RawEvent { domain, event, payload }
    })
}

fn fingerprints() -> impl Strategy<Value = Fingerprints> {
    let short = |bytes| text().prop_filter("short", move |text| text.len() <= bytes);
    let domain = (short(MAX_NAME_BYTES), short(MAX_FINGERPRINT_BYTES));
    prop::collection::vec(domain, 0..4).prop_map(|domains| domains.into_iter().collect())
}

fn client_frame() -> impl Strategy<Value = ClientFrame> {
    let key = || prop::option::of(any::<u128>().prop_map(Uuid::from_u128));
    prop_oneof![
        (prop::option::of(text()), short(MAX_CLIENT_BYTES), fingerprints())
            .prop_map(|(token, client, domains)| ClientFrame::Hello { token, client, domains }),
        (0..=MAX_REF, texts(), prop::option::of(text()), any::<bool>())
            .prop_map(|(r#ref, topics, since, more)| ClientFrame::Subscribe { r#ref, topics, since, more }),
        (0..=MAX_REF, texts()).prop_map(|(r#ref, topics)| ClientFrame::Unsubscribe { r#ref, topics }),
        (0..=MAX_REF, event(), prop::option::of(texts()), key(), short(MAX_ORIGIN_BYTES)).prop_map(
            |(r#ref, event, topics, key, origin)| {
                let publish = Publish { event, topics, key, origin };
                ClientFrame::Publish { r#ref, publish }
            }
        ),
        (0..=MAX_REF, text()).prop_map(|(r#ref, token)| ClientFrame::Token { r#ref, token }),
        (0..=MAX_REF).prop_map(|r#ref| ClientFrame::Ping { r#ref }),
        Just(ClientFrame::Pong),
    ]
}

fn outcome() -> impl Strategy<Value = TopicOutcome> {
    let outcomes = [Outcome::Live, Outcome::Resumed, Outcome::Sync, Outcome::Refused];
    (text(), prop::sample::select(outcomes.to_vec()), prop::option::of(text()))
        .prop_map(|(topic, outcome, code)| TopicOutcome { topic, outcome, code })
}

fn unknown_domains() -> impl Strategy<Value = Vec<UnknownDomain>> {
    let unknown =
        (text(), prop::option::of(text())).prop_map(|(domain, nearest)| UnknownDomain { domain, nearest });
    prop::collection::vec(unknown, 0..3)
}

fn server_frame() -> impl Strategy<Value = ServerFrame> {
    let maybe = || prop::option::of(any::<u64>());
    let limits = any::<[u64; 4]>().prop_map(|[message, session, frame, second]| AnnouncedLimits {
        max_message_bytes: message,
        max_topics_per_session: session,
        max_topics_per_frame: frame,
        frames_per_second: second,
    });
    prop_oneof![
        (text(), text(), text(), any::<u64>(), maybe(), maybe(), texts(), limits).prop_map(
            |(session, tenant, position, heartbeat_ms, expires_at, expires_in_ms, domains, limits)| {
                ServerFrame::Welcome {
                    session,
                    tenant,
                    position,
                    heartbeat_ms,
                    expires_at,
                    expires_in_ms,
                    domains,
                    limits,
                }
            }
        ),
        (any::<u64>(), text(), prop::collection::vec(outcome(), 0..4), unknown_domains()).prop_map(
            |(r#ref, position, topics, unknown_domains)| ServerFrame::Subscribed {
                r#ref,
                position,
                topics,
                unknown_domains
            }
        ),
        (maybe(), texts(), prop::option::of(text()))
            .prop_map(|(r#ref, topics, code)| ServerFrame::Unsubscribed { r#ref, topics, code }),
        (text(), text(), any::<u64>(), prop::option::of(text()), texts(), event()).prop_map(
            |(position, key, at, origin, topics, event)| ServerFrame::Event {
                position,
                key,
                at,
                origin,
                topics,
                event
            }
        ),
        (text(), texts()).prop_map(|(position, topics)| ServerFrame::Sync { position, topics }),
        (any::<u64>(), text(), text(), texts()).prop_map(|(r#ref, key, position, topics)| {
            ServerFrame::Published { r#ref, key, position, topics }
        }),
        (any::<u64>(), maybe(), maybe()).prop_map(|(r#ref, expires_at, expires_in_ms)| {
            ServerFrame::TokenAccepted { r#ref, expires_at, expires_in_ms }
        }),
        any::<u64>().prop_map(|r#ref| ServerFrame::Pong { r#ref }),
        prop::option::of(text()).prop_map(|position| ServerFrame::Ping { position }),
        any::<u64>().prop_map(|since| ServerFrame::Degraded { since }),
        text().prop_map(|position| ServerFrame::Restored { position }),
        any::<u64>().prop_map(|retry_after_ms| ServerFrame::Goaway { retry_after_ms }),
        (maybe(), text(), text()).prop_map(|(r#ref, code, message)| ServerFrame::Error {
            r#ref,
            code,
            message
        }),
    ]
}

/// Returns a text that differs from a frame in a few bytes.
fn nearly(text: &str, at: usize, put: &str) -> String {
    let at = (0..=at % (text.len() + 1)).rev().find(|&at| text.is_char_boundary(at)).unwrap_or_default();
    let rest = text[at..].chars().skip(1).collect::<String>();
    format!("{}{put}{rest}", &text[..at])
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn a_client_frame_is_read_as_it_was_written(frame in client_frame()) {
        let written = serde_json::to_string(&frame).expect("a frame can be written");
        let read = ClientFrame::parse(&written);
        prop_assert!(read.is_ok(), "{} is {:?}", written, read);
        prop_assert_eq!(format!("{:?}", read.expect("it is")), format!("{frame:?}"));
    }

    #[test]
    fn a_server_frame_is_read_as_it_was_written(frame in server_frame()) {
        let written = serde_json::to_string(&frame).expect("a frame can be written");
        let read = ServerFrame::parse(&written);
        prop_assert!(read.is_ok(), "{} is {:?}", written, read);
        prop_assert_eq!(format!("{:?}", read.expect("it is")), format!("{frame:?}"));
    }

    #[test]
    fn any_text_is_read_or_refused(text in text(), ours in client_frame(), theirs in server_frame(), at: usize) {
        let ours = serde_json::to_string(&ours).expect("a frame can be written");
        let theirs = serde_json::to_string(&theirs).expect("a frame can be written");
        for text in [text.clone(), nearly(&ours, at, &text), nearly(&theirs, at, &text)] {
            let _ = ClientFrame::parse(&text);
            let _ = Publish::parse(&text);
            let _ = ServerFrame::parse(&text);
            let _ = RawEvent::parse(&text);
            let _ = TopicName::parse(&text);
            let _ = text.parse::<Position>();
        }
    }

    #[test]
    fn a_position_is_read_as_it_was_written(epoch: u64, offset: u64, tag: u32) {
        let position = Position::new(epoch, offset, tag);
        prop_assert_eq!(position.to_string().parse(), Ok(position));
    }

    #[test]
    fn a_topic_has_one_spelling(text in "[A-Za-z0-9_.~:-]{1,60}", uuid: u128) {
        let uuid = Uuid::from_u128(uuid).to_string();
        for text in [text.clone(), format!("a:{}:b", uuid.to_uppercase()), format!("{text}:{uuid}")] {
            let is_good = text.split(':').all(|segment| !segment.is_empty());
            let topic = TopicName::parse(&text);
            prop_assert_eq!(topic.is_ok(), is_good, "{}", text);
            if let Ok(topic) = topic {
                prop_assert_eq!(TopicName::parse(topic.as_str()), Ok(topic.clone()));
                prop_assert!(topic.as_str().eq_ignore_ascii_case(&text));
            }
        }
    }
}
