use super::SHIPPED;
use crate::Domains;

#[test]
fn each_shipped_topic_and_event_has_a_description() {
    for domain in SHIPPED {
        assert!(!domain.topic_docs.is_empty() && !domain.event_docs.is_empty(), "{}", domain.name);
        for topic in domain.topics {
            assert!(!topic.docs.is_empty(), "{}", topic.pattern);
        }
        for event in domain.events {
            assert!(!event.docs.is_empty() && !event.payload.docs.is_empty(), "{}", event.name);
            assert!(event.payload.fields.iter().all(|field| !field.docs.is_empty()), "{}", event.name);
            for reached in event.payload.reaches {
                assert!(domain.topics.iter().any(|topic| topic.name == reached.topic), "{reached:?}");
            }
        }
    }
}

#[test]
fn a_server_with_the_shipped_domains_has_exactly_those() {
    let shipped = SHIPPED.map(|domain| (domain.name, domain.fingerprint()));
    assert_eq!(Domains::shipped().fingerprints().collect::<Vec<_>>(), shipped);
}
