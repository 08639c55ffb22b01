//! Patterns of topics, for rights.

use std::{fmt, str::FromStr};

use tidings_shared::{TopicError, TopicName};

/// A topic, or all topics that begin with some segments. `staff:*` matches every topic that begins with `staff:`, and
/// `*` matches every topic. The star stands for one or more whole segments. It can only be at the end.
///
/// ```
/// use tidings_hub::TopicPattern;
/// let staff: TopicPattern = "staff:*".parse()?;
/// assert!(staff.matches(&"staff:people".parse()?));
/// assert!(!staff.matches(&"staffing:people".parse()?));
/// assert!("staff:pe*".parse::<TopicPattern>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPattern(Pattern);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    All,
    Below(TopicName),
    Exactly(TopicName),
}

/// A text that is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPatternError {
    text: String,
    reason: TopicError,
}

impl fmt::Display for TopicPatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, reason } = self;
        write!(f, "{text:?} is not a pattern of topics (a topic, a topic and `:*`, or `*`): {reason}")
    }
}

impl std::error::Error for TopicPatternError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.reason)
    }
}

impl TopicPattern {
    /// Returns the pattern `*`, which matches every topic.
    pub fn all() -> Self {
        Self(Pattern::All)
    }

    /// Returns whether the pattern matches a topic.
    pub fn matches(&self, topic: &TopicName) -> bool {
        match &self.0 {
            Pattern::All => true,
            Pattern::Below(above) => {
                topic.as_str().strip_prefix(above.as_str()).is_some_and(|rest| rest.starts_with(':'))
            }
            Pattern::Exactly(only) => only == topic,
        }
    }
}

impl FromStr for TopicPattern {
    type Err = TopicPatternError;

    fn from_str(text: &str) -> Result<Self, TopicPatternError> {
        let pattern = match (text, text.strip_suffix(":*")) {
            ("*", _) => Ok(Pattern::All),
            (_, Some(above)) => TopicName::parse(above).map(Pattern::Below),
            (_, None) => TopicName::parse(text).map(Pattern::Exactly),
        };
        pattern.map(Self).map_err(|reason| TopicPatternError { text: text.to_owned(), reason })
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Pattern::All => f.write_str("*"),
            Pattern::Below(above) => write!(f, "{above}:*"),
            Pattern::Exactly(topic) => topic.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::topic;

    fn matches(pattern: &str, name: &str) -> bool {
        pattern.parse::<TopicPattern>().unwrap().matches(&topic(name))
    }

    #[test]
    fn a_star_stands_for_whole_segments_at_the_end() {
        for (pattern, name, is_match) in [
            ("*", "catalogue", true),
            ("*", "staff:people", true),
            ("staff:*", "staff:people", true),
            ("staff:*", "staff:person:0198c0de-0000-7000-8000-00000000000a", true),
            ("staff:*", "staff", false),
            ("staff:*", "staffing:people", false),
            ("staff:*", "Staff:people", false),
            ("staff:person:*", "staff:people", false),
            ("staff:person:*", "staff:personal:x", false),
            ("staff:people", "staff:people", true),
            ("staff:people", "staff:people:x", false),
            ("staff:people", "staff:peopl", false),
            ("catalogue", "catalogue", true),
            ("a:..:*", "a:b:c", false),
            ("a:0198C0DE-0000-7000-8000-00000000000A:*", "a:0198c0de-0000-7000-8000-00000000000a:b", true),
        ] {
            assert_eq!(matches(pattern, name), is_match, "{pattern} {name}");
        }
    }

    #[test]
    fn a_text_that_is_no_pattern_is_refused_and_quoted() {
        let long = format!("{}:*", "x".repeat(256));
        for text in
            ["", ":*", "**", "*:*", "*:staff", "staff:*:people", "staff:pe*", "staff:**", "staff*", "staff:"]
                .into_iter()
                .chain([
                    "staff:>",
                    ">",
                    "#",
                    "+",
                    "staff::*",
                    " *",
                    "* ",
                    "staff:%2a",
                    "ѕtaff:*",
                    long.as_str(),
                ])
        {
            let error = text.parse::<TopicPattern>().unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn a_pattern_is_written_as_it_is_read() {
        for text in ["*", "staff:*", "staff:people", "a:b:*"] {
            assert_eq!(text.parse::<TopicPattern>().unwrap().to_string(), text);
        }
    }
}
