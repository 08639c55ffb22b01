//! Which of the names that are known a misspelt one may stand for.

use crate::limits::{MAX_NAME_BYTES, MAX_NEAREST_EDITS};

/// The name that takes the fewest edits to come to: a letter more, less or another, or two that changed places. Names
/// that take more than [`MAX_NEAREST_EDITS`], or more than a third of the letters, are other names.
///
/// ```
/// use tidings_shared::nearest;
/// assert_eq!(nearest("staf", ["catalogue", "staff"]), Some("staff"));
/// assert_eq!(nearest("shop", ["catalogue", "staff"]), None);
/// ```
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let edits = |known: &'a str| Some((edits(name.as_bytes(), known.as_bytes())?, known));
    known.into_iter().filter_map(edits).min_by_key(|(edits, _)| *edits).map(|(_, known)| known)
}

/// How many edits it takes, if they are few enough.
fn edits(name: &[u8], known: &[u8]) -> Option<usize> {
    let longest = name.len().max(known.len());
    if longest > MAX_NAME_BYTES {
        return None;
    }
    // Rows of the table of distances between what both begin with: the last but one, the last, and the next.
    let mut rows = [[0; MAX_NAME_BYTES + 1]; 3];
    rows[1] = std::array::from_fn(|column| column);
    for row in 1..=name.len() {
        rows[2][0] = row;
        for column in 1..=known.len() {
            let is_same = name[row - 1] == known[column - 1];
            let mut least = (rows[1][column - 1] + usize::from(!is_same)).min(rows[1][column] + 1);
            least = least.min(rows[2][column - 1] + 1);
            let swaps = row > 1
                && column > 1
                && name[row - 1] == known[column - 2]
                && name[row - 2] == known[column - 1];
            if swaps {
                least = least.min(rows[0][column - 2] + 1);
            }
            rows[2][column] = least;
        }
        rows.rotate_left(1);
    }
    let edits = rows[1][known.len()];
    (edits <= MAX_NEAREST_EDITS.min(longest / 3)).then_some(edits)
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
