//! Text as editors and shells leave it in files: with a mark of its encoding at the begin, and blank lines around.

/// A text without the mark of UTF-8 (a byte order mark).
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Without the mark, blank lines before it and after it, and the end of its last line.
#[cfg(feature = "jwt")]
pub(crate) fn without_blank_lines(text: &str) -> &str {
    let mut text = without_mark(text);
    while let Some((first, rest)) = text.split_once('\n')
        && first.trim().is_empty()
    {
        text = rest;
    }
    let mut has_ended = false;
    while let Some((rest, last)) = text.rsplit_once('\n')
        && last.trim().is_empty()
    {
        (text, has_ended) = (rest, true);
    }
    if has_ended { text.strip_suffix('\r').unwrap_or(text) } else { text }
}

/// Whether this is text as some shells and editors of Windows write it.
pub(crate) fn is_utf_16(bytes: &[u8]) -> bool {
    let zeros = bytes.iter().filter(|byte| **byte == 0).count();
    matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) && zeros >= bytes.len() / 3
}

/// What bytes that are not UTF-8 seem to be, as a sentence with the remedy.
pub(crate) fn fault_of(bytes: &[u8]) -> &'static str {
    match bytes {
        bytes if is_utf_16(bytes) => UTF_16,
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => "it is compressed, and taken only as it is",
        _ => "it is not UTF-8",
    }
}

pub(crate) const UTF_16: &str = "it is UTF-16: save it as UTF-8";

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "jwt")]
    #[test]
    fn blank_lines_are_around_a_text_and_not_in_it_or_in_its_lines() {
        for (text, expected) in [
            ("a b", "a b"),
            ("a\n", "a"),
            ("a\r\n", "a"),
            ("\u{feff}a\n\n", "a"),
            ("\n \t\r\n a \r\n\r\n \n", " a "),
            ("a\n\nb\n", "a\n\nb"),
            (" a ", " a "),
            ("a\r", "a\r"),
            ("\n\n", ""),
            ("", ""),
        ] {
            assert_eq!(without_blank_lines(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_utf_8_is_told_by_its_first_bytes() {
        assert!(fault_of(b"\x1f\x8b\x08").contains("compressed"));
        assert!(fault_of(b"\xff\xfe{\0}\0").contains("UTF-16"));
        assert!(fault_of(b"\xff\xfe{}{}{}{}{}{}").contains("not UTF-8"));
        assert!(fault_of(b"\xff").contains("not UTF-8"));
    }
}
