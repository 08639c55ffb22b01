//! Group 4: reserved opcodes.

use tidings_tests::{Frame, Opcode};

use crate::{Case, check};

const TEXT: &str = "Hello, world!";

#[test]
fn a_reserved_opcode_ends_the_connection_at_once() {
    let alone =
        |name: &str, opcode, payload: &str| Case::new(name, vec![Frame::new(Opcode(opcode), payload)]);
    let after_a_message = |name: &str, opcode, payload: &str| {
        let frames =
            vec![Frame::text(TEXT), Frame::new(Opcode(opcode), payload), Frame::new(Opcode::PING, "")];
        Case::new(name, frames).answered(Opcode::TEXT, TEXT)
    };
    let cases = [
        alone("4.1.1", 3, ""),
        alone("4.1.2", 4, "reserved opcode payload"),
        after_a_message("4.1.3", 5, ""),
        after_a_message("4.1.4", 6, TEXT),
        after_a_message("4.1.5", 7, TEXT),
        alone("4.2.1", 11, ""),
        alone("4.2.2", 12, "reserved opcode payload"),
        after_a_message("4.2.3", 13, ""),
        after_a_message("4.2.4", 14, TEXT),
        after_a_message("4.2.5", 15, TEXT),
    ];
    check(cases.map(|case| case.closed(1002)));
}
