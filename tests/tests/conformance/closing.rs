//! Group 7: the closing handshake.

use tidings_tests::{Frame, Opcode};

use crate::{Case, check, close};

const TEXT: &str = "Hello World!";

/// κόσμε, a surrogate, and more text.
const INVALID: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited";

#[test]
fn a_close_is_answered_after_earlier_messages_and_later_ones_are_ignored() {
    let ping = || Frame::new(Opcode::PING, "");
    let long: Vec<u8> = b"BAsd7&jh23".iter().copied().cycle().take(256 * 1024).collect();
    let cases = [
        Case::new("7.1.1, a message before", vec![Frame::text(TEXT), close(1000, "")])
            .answered(Opcode::TEXT, TEXT),
        Case::new("7.1.2, two of them", vec![close(1000, ""), Frame::new(Opcode::CLOSE, "")]),
        Case::new("7.1.3, a ping after it", vec![close(1000, ""), ping()]),
        Case::new("7.1.4, a message after it", vec![close(1000, ""), Frame::text(TEXT)]),
        Case::new(
            "7.1.5, amid fragments",
            vec![
                Frame::text("fragment1").unfinished(),
                close(1000, ""),
                Frame::new(Opcode::CONTINUATION, "fragment2"),
            ],
        ),
        Case::new(
            "7.1.6, a long message before",
            vec![Frame::new(Opcode::TEXT, long.clone()), Frame::text(TEXT), close(1000, ""), ping()],
        )
        .answered(Opcode::TEXT, long)
        .answered(Opcode::TEXT, TEXT),
    ];
    check(cases.map(|case| case.closed(1000)));
}

#[test]
fn a_good_close_is_answered_with_its_code() {
    let of = |name: &str, frame| Case::new(name, vec![frame]);
    let codes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
    let coded = codes
        .into_iter()
        .enumerate()
        .map(|(index, code)| of(&format!("7.7.{}, code {code}", index + 1), close(code, "")).closed(code));
    let cases = [
        of("7.3.1, without a payload", Frame::new(Opcode::CLOSE, "")).closed(None),
        of("7.3.3, with a code", close(1000, "")).closed(1000),
        of("7.3.4, with a reason", close(1000, TEXT)).closed(1000),
        of("7.3.5, with the longest reason", close(1000, [b'*'; 123])).closed(1000),
    ];
    check(cases.into_iter().chain(coded));
}

#[test]
fn a_bad_close_is_answered_at_once_with_the_code_of_its_fault() {
    let of = |name: &str, frame| Case::new(name, vec![frame]);
    let codes = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];
    let coded = codes
        .into_iter()
        .enumerate()
        .map(|(index, code)| of(&format!("7.9.{}, code {code}", index + 1), close(code, "")).closed(1002));
    let cases = [
        of("7.3.2, with half a code", Frame::new(Opcode::CLOSE, "a")).closed(1002),
        of("7.3.6, with a reason that is too long", close(1000, [b'*'; 124])).closed(1002),
        of("7.5.1, with a reason that is no text", close(1000, INVALID)).closed(1007),
        of("7.13.1, code 5000", close(5000, "")).closed(1002),
        of("7.13.2, code 65535", close(65_535, "")).closed(1002),
    ];
    check(cases.into_iter().chain(coded));
}
