//! Text files as editors and shells write them: with a byte order mark at the begin, and blank lines around the text.

/// Removes the byte order mark.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Removes the byte order mark, blank lines before and after the text, and the line end of its last line.
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

/// Returns whether this seems to be UTF-16, as some shells and editors of Windows write text.
pub(crate) fn is_utf_16(bytes: &[u8]) -> bool {
    let zeros = bytes.iter().filter(|byte| **byte == 0).count();
    matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) && zeros >= bytes.len() / 3
}

/// Says what is wrong with bytes that are not UTF-8, and the remedy.
pub(crate) fn fault_of(bytes: &[u8]) -> &'static str {
    match bytes {
        bytes if is_utf_16(bytes) => UTF_16,
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => "it is compressed: give it uncompressed",
        _ => "it is not UTF-8",
    }
}

pub(crate) const UTF_16: &str = "it is UTF-16: save it as UTF-8";

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "jwt")]
    #[test]
    fn only_blank_lines_around_a_text_are_removed() {
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
    fn the_first_bytes_say_what_a_text_is_that_is_not_utf_8() {
        assert!(fault_of(b"\x1f\x8b\x08").contains("compressed"));
        assert!(fault_of(b"\xff\xfe{\0}\0").contains("UTF-16"));
        assert!(fault_of(b"\xff\xfe{}{}{}{}{}{}").contains("not UTF-8"));
        assert!(fault_of(b"\xff").contains("not UTF-8"));
    }
}
