use super::*;

fn tag(lines: &[&str]) -> Option<String> {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append("tidings-origin", HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    tag_of(&headers)
}

#[test]
fn a_tag_is_a_few_visible_ascii_characters_and_anything_else_is_none() {
    let longest = "x".repeat(MAX_ORIGIN_BYTES);
    for good in ["tab-7", "!", "~", longest.as_str()] {
        assert_eq!(tag(&[good]).as_deref(), Some(good));
    }
    let longer = format!("{longest}x");
    for odd in [&[][..], &[""], &["a b"], &["a\tb"], &["é"], &[longer.as_str()], &["a", "b"]] {
        assert_eq!(tag(odd), None, "{odd:?}");
    }
}
