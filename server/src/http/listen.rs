//! The query of a request for an event stream: its topics, and the position to resume from.

use tidings_shared::Code;

use tidings_hub::problem::Problem;

/// A refusal quotes this many characters of an unknown name: enough to find it in the query.
const MAX_QUOTED_CHARS: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) topics: Vec<String>,
    pub(super) last_event_id: Option<String>,
}

impl Asked {
    /// Reads a query. An unknown member is refused: the client would believe that the server had understood it.
    pub(super) fn parse(query: Vec<(String, String)>) -> Result<Self, Problem> {
        let (mut asked, mut unknown) = (Self::default(), None);
        for (name, value) in query {
            if name == "topic" {
                asked.topics.push(value);
            } else if is_last_event_id(&name) {
                // A polyfill appends its `lastEventId` after the page's own. So the last one counts.
                asked.last_event_id = Some(value);
            } else {
                unknown.get_or_insert(name);
            }
        }
        let Some(name) = unknown else { return Ok(asked) };
        let code = if asked.topics.is_empty() { Code::InvalidTopic } else { Code::InvalidFrame };
        let name: String = name.chars().take(MAX_QUOTED_CHARS).collect();
        let known = "`topic`, once for each topic, and `lastEventId`";
        Err(Problem::new(code, format!("the query has a member {name:?}; the known ones are {known}")))
    }
}

/// A polyfill that can't send the header sends `lastEventId`. Other spellings are accepted too: another case, hyphens,
/// underscores.
pub(super) fn is_last_event_id(name: &str) -> bool {
    let letters = name.bytes().filter(|byte| !matches!(byte, b'-' | b'_'));
    letters.map(|byte| byte.to_ascii_lowercase()).eq(*b"lasteventid")
}

/// Returns the last event id of a query, if it has only the characters of a position. So it is safe to write it into a
/// block of a stream.
pub(super) fn last_event_id(query: &str) -> Option<&str> {
    let mut members = query.split('&').filter_map(|member| member.split_once('='));
    let (_, id) = members.rfind(|(name, _)| is_last_event_id(name))?;
    let is_plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    is_plain.then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_a_query_counts_only_with_the_characters_of_a_position() {
        for (query, expected) in [
            ("topic=a&lastEventId=1a.2.3f", Some("1a.2.3f")),
            ("lastEventId=1.2.3&topic=a&last-event-id=4.5.6", Some("4.5.6")),
            ("lastEventId=1%0d%0adata:x", None),
            ("lastEventId=", None),
            ("lastEventId", None),
            ("topic=1.2.3", None),
            ("", None),
        ] {
            assert_eq!(last_event_id(query), expected, "{query}");
        }
    }

    fn parse(query: &[(&str, &str)]) -> Result<Asked, Problem> {
        Asked::parse(query.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
    }

    #[test]
    fn the_last_event_id_may_be_spelt_as_polyfills_and_people_do_and_the_last_one_counts() {
        for name in ["lastEventId", "lastEventID", "last-event-id", "Last-Event-ID", "last_event_id"] {
            let asked =
                parse(&[("lastEventId", "old"), ("topic", "a"), (name, "1.2.3"), ("topic", "b")]).unwrap();
            assert_eq!(
                (asked.topics.join(" "), asked.last_event_id.as_deref()),
                ("a b".to_owned(), Some("1.2.3"))
            );
        }
    }

    #[test]
    fn the_refusal_of_an_unknown_member_names_it_and_the_known_ones() {
        let long = "x".repeat(1000);
        for (query, code) in [
            (&[("topic", "a"), ("since", "1")][..], Code::InvalidFrame),
            (&[("since", "1"), ("topic", "a")], Code::InvalidFrame),
            (&[("topics", "a")], Code::InvalidTopic),
            (&[("", ""), ("topic", "a")], Code::InvalidFrame),
            (&[(&long, ""), ("topic", "a")], Code::InvalidFrame),
        ] {
            let Problem { code: found, message } = parse(query).unwrap_err();
            assert_eq!(found, code, "{message}");
            let name = query.iter().find(|(name, _)| *name != "topic").unwrap().0;
            let name = &name[..name.len().min(MAX_QUOTED_CHARS)];
            assert_eq!(
                message,
                format!(
                    "the query has a member {name:?}; the known ones are `topic`, once for each topic, and `lastEventId`"
                )
            );
        }
    }
}
