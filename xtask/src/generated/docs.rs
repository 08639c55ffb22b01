//! Doc comments of Rust as texts of PROTOCOL.md.

/// The first paragraph of a doc comment, in one line and without links to Rust.
pub(super) fn first_paragraph<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let lines = lines.map(str::trim).skip_while(|line| line.is_empty());
    let words: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    without_links(&words.join(" "))
}

/// Replaces ``[`Name`]`` and `[text](path)` by what a reader sees of them.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, (label, after))) =
        rest.split_once('[').and_then(|(before, link)| Some((before, link.split_once(']')?)))
    {
        plain.push_str(before);
        plain.push_str(label);
        let target = after.strip_prefix('(').and_then(|target| target.split_once(')'));
        rest = target.map_or(after, |(_, rest)| rest);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_is_one_line_and_names_what_its_links_name() {
        let docs = "\n One of the [codes](Code)\n of [`Code`].\n\n More.";
        assert_eq!(first_paragraph(docs.lines()), "One of the codes of `Code`.");
    }
}
