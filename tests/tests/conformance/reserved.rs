//! Group 3: reserved bits, to which no extension gives a meaning.

use tidings_tests::{Frame, Opcode};

use crate::{Case, check};

const TEXT: &str = "Hello, world!";

#[test]
fn a_reserved_bit_ends_the_connection_at_once() {
    let text = |reserved| Frame { reserved, ..Frame::text(TEXT) };
    let after_a_message = |name: &str, reserved| {
        let frames = vec![text(0), text(reserved), Frame::new(Opcode::PING, "")];
        Case::new(name, frames).answered(Opcode::TEXT, TEXT)
    };
    let alone = |name: &str, frame, reserved| Case::new(name, vec![Frame { reserved, ..frame }]);
    let cases = [
        alone("3.1, bits 1", Frame::text(TEXT), 1),
        after_a_message("3.2, bits 2", 2),
        after_a_message("3.3, bits 3", 3),
        after_a_message("3.4, bits 4", 4),
        alone("3.5, bits 5, binary", Frame::new(Opcode::BINARY, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), 5),
        alone("3.6, bits 6, ping", Frame::new(Opcode::PING, TEXT), 6),
        alone("3.7, bits 7, Close", Frame::new(Opcode::CLOSE, ""), 7),
    ];
    check(cases.map(|case| case.closed(1002)));
}
