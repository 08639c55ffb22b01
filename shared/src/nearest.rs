//! Finds the known name that a misspelt one may mean.

use crate::limits::{MAX_NAME_BYTES, MAX_NEAREST_EDITS};

/// Returns the known name with the fewest edits: an added, removed or replaced letter, or two swapped letters. It returns
/// `None` if each name takes more than [`MAX_NEAREST_EDITS`] edits, or more edits than a third of its letters.
///
/// ```
/// use tidings_shared::nearest;
/// assert_eq!(nearest("staf", ["catalogue", "staff"]), Some("staff"));
/// assert_eq!(nearest("shop", ["catalogue", "staff"]), None);
/// ```
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let edits = |known: &'a str| {
        let longest = name.len().max(known.len());
        // The name is a peer's. The bound keeps the work small.
        let edits = (longest <= MAX_NAME_BYTES).then(|| strsim::osa_distance(name, known))?;
        (edits <= MAX_NEAREST_EDITS.min(longest / 3)).then_some((edits, known))
    };
    known.into_iter().filter_map(edits).min_by_key(|(edits, _)| *edits).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["catalogue", "staff", "projects", "crm", "store"];

    #[test]
    fn a_slip_of_the_finger_is_recognised_and_another_name_is_not() {
        for (name, expected) in [
            ("staf", Some("staff")),
            ("sttaff", Some("staff")),
            ("satff", Some("staff")),
            ("stuff", Some("staff")),
            ("Staff", Some("staff")),
            ("project", Some("projects")),
            ("porject", Some("projects")),
            ("catalog", Some("catalogue")),
            ("cmr", Some("crm")),
            ("crn", Some("crm")),
            ("orders", None),
            ("a", None),
            ("", None),
            ("helpdesk", None),
        ] {
            assert_eq!(nearest(name, KNOWN), expected, "{name}");
        }
        assert_eq!(nearest("staf", []), None);
    }

    #[test]
    fn the_nearest_of_several_is_named_and_long_names_are_none() {
        assert_eq!(nearest("store", ["stores", "store"]), Some("store"));
        let long = "s".repeat(MAX_NAME_BYTES);
        assert_eq!(nearest(&long, [long.as_str()]), Some(long.as_str()));
        let longer = "s".repeat(MAX_NAME_BYTES + 1);
        assert_eq!(nearest(&longer, [long.as_str()]), None);
    }
}
