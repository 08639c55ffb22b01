use super::*;

#[test]
fn every_rule_of_the_grammar_has_its_own_error() {
    assert_eq!(TopicName::parse(""), Err(TopicError::Empty));
    for text in [":", "a:", ":a", "a::b"] {
        assert_eq!(TopicName::parse(text), Err(TopicError::EmptySegment), "{text}");
    }
    for (text, character) in
        [("a b", ' '), ("a/b", '/'), ("a*", '*'), ("ü", 'ü'), ("a:>", '>'), ("a%3ab", '%'), ("a\0", '\0')]
    {
        assert_eq!(TopicName::parse(text), Err(TopicError::Character { character }), "{text}");
    }
    assert!(TopicName::parse(&"a".repeat(255)).is_ok());
    assert_eq!(TopicName::parse(&"a".repeat(256)), Err(TopicError::TooLong { bytes: 256, max: 255 }));
    assert!(TopicName::parse("A-z_0.9~:x").is_ok());
}

#[test]
fn uuid_segments_are_lower_cased_and_other_segments_are_not() {
    let parsed = |text: &str| TopicName::parse(text).unwrap().to_string();
    assert_eq!(
        parsed("Staff:Person:FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"),
        "Staff:Person:ffffffff-ffff-ffff-ffff-ffffffffffff"
    );
    assert_eq!(parsed("a:DEADBEEF"), "a:DEADBEEF");
}

#[test]
fn only_the_hyphenated_form_is_a_uuid_segment() {
    assert_eq!(uuid_segment("00000000-0000-0000-0000-000000000000"), Some(Uuid::nil()));
    assert_eq!(uuid_segment("FFFFFFFF-ffff-FFFF-ffff-FFFFFFFFFFFF"), Some(Uuid::max()));
    for text in ["00000000000000000000000000000000", "0000000-00000-0000-0000-000000000000", "x", ""] {
        assert_eq!(uuid_segment(text), None, "{text}");
    }
}
