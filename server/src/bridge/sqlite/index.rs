//! Reads the expressions and the filter of an index out of its SQL. SQLite tells them in no other way.

/// The terms between the parentheses, and the condition after `WHERE`. Comments are blanks. `None`: this is no index.
pub(super) fn parts(sql: &str) -> Option<(Vec<String>, Option<String>)> {
    let sql = without_comments(sql);
    let (mut depth, mut terms, mut start) = (0_usize, Vec::new(), 0);
    for (at, character) in outside_quotes(&sql) {
        match character {
            '(' => {
                depth += 1;
                if depth == 1 {
                    start = at + 1;
                }
            }
            ',' if depth == 1 => {
                terms.push(term(&sql[start..at]));
                start = at + 1;
            }
            ')' if depth == 1 => {
                terms.push(term(&sql[start..at]));
                return Some((terms, filter(&sql[at + 1..])));
            }
            ')' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// A term without its direction, which is no part of the expression.
fn term(text: &str) -> String {
    let text = text.trim();
    let ends_with = |word: &str| {
        let (head, end) = text.split_at_checked(text.len().checked_sub(word.len())?)?;
        let goes_on = head.ends_with(|last: char| last.is_alphanumeric() || "_$".contains(last));
        (end.eq_ignore_ascii_case(word) && !goes_on).then(|| head.trim_end())
    };
    ends_with("ASC").or_else(|| ends_with("DESC")).unwrap_or(text).to_owned()
}

fn filter(text: &str) -> Option<String> {
    let text = text.trim();
    let (word, condition) = text.split_at_checked("WHERE".len())?;
    word.eq_ignore_ascii_case("WHERE").then(|| condition.trim().to_owned())
}

fn without_comments(sql: &str) -> String {
    let mut clean = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(next) = rest.chars().next() {
        let end = if rest.starts_with("--") {
            clean.push(' ');
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            clean.push(' ');
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else {
            let end = quoted(rest).unwrap_or(next.len_utf8());
            clean.push_str(&rest[..end]);
            end
        };
        rest = &rest[end..];
    }
    clean
}

/// The characters that are in no quotes, with their places.
fn outside_quotes(sql: &str) -> impl Iterator<Item = (usize, char)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = &sql[at..];
            let next = rest.chars().next()?;
            match quoted(rest) {
                Some(end) => at += end,
                None => {
                    at += next.len_utf8();
                    return Some((at - next.len_utf8(), next));
                }
            }
        }
    })
}

/// Returns the length of the quoted text that this text begins with. A doubled quote gives two texts side by side, which is
/// the same to the callers.
fn quoted(text: &str) -> Option<usize> {
    let close = match text.chars().next()? {
        quote @ ('\'' | '"' | '`') => quote,
        '[' => ']',
        _ => return None,
    };
    Some(text[1..].find(close).map_or(text.len(), |end| end + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_and_filters_are_found_between_quotes_and_comments() {
        let read = |sql: &str| {
            let (terms, filter) = parts(sql).expect("an index");
            (terms.join(" | "), filter.unwrap_or_default())
        };
        for (sql, terms, filter) in [
            ("CREATE UNIQUE INDEX i ON t(a)", "a", ""),
            ("CREATE UNIQUE INDEX i ON t(a desc, lower(b) ASC , \"desc\")", "a | lower(b) | \"desc\"", ""),
            ("CREATE UNIQUE INDEX \"i(\" ON [t)](coalesce(a, ','), b)", "coalesce(a, ',') | b", ""),
            ("CREATE UNIQUE INDEX i ON t(a -- ) the first\n, b /* , c */) where a > ')'", "a | b", "a > ')'"),
            (
                "CREATE UNIQUE INDEX i ON t(\"it's\", 'o''no,' || a)WHERE(a IS NULL)",
                "\"it's\" | 'o''no,' || a",
                "(a IS NULL)",
            ),
            (
                "CREATE UNIQUE INDEX i ON t(lower(a) COLLATE nocase DESC, sub_desc)",
                "lower(a) COLLATE nocase | sub_desc",
                "",
            ),
            ("CREATE UNIQUE INDEX i ON t(\"größe\"DESC)", "\"größe\"", ""),
        ] {
            assert_eq!(read(sql), (terms.to_owned(), filter.to_owned()), "{sql}");
        }
        assert_eq!(parts("CREATE UNIQUE INDEX i ON t(a"), None);
    }
}
