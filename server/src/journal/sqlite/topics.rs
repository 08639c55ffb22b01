//! Topics in one column.

use tidings_shared::TopicName;

use super::fault::{DAMAGED, Fault};

/// Joins topics in a column. No topic has a space.
const SEPARATOR: &str = " ";

/// Returns the column of these topics.
pub(super) fn joined(topics: &[TopicName]) -> String {
    let names: Vec<&str> = topics.iter().map(TopicName::as_str).collect();
    names.join(SEPARATOR)
}

/// Returns the topics of a column.
pub(super) fn parted(topics: &str) -> Result<Vec<TopicName>, Fault> {
    let names = topics.split(SEPARATOR).filter(|name| !name.is_empty());
    names.map(|name| name.parse().map_err(|_| Fault::said(DAMAGED))).collect()
}
