//! Group 1: messages of the lengths at which the header changes.

use tidings_tests::Opcode;

use crate::{Case, Chop, check};

#[test]
fn messages_of_each_length_encoding_come_back() {
    let lengths = [0, 125, 126, 127, 128, 65_535, 65_536];
    let kinds = [(1, Opcode::TEXT, b'*'), (2, Opcode::BINARY, 0xfe)];
    check(kinds.into_iter().flat_map(|(kind, opcode, byte)| {
        let echo = move |number: usize, length| {
            Case::echo(format!("1.{kind}.{number}, {length} bytes"), opcode, vec![byte; length])
        };
        let chopped = echo(8, 65_536).chopped(&[Chop::Octets(997)]);
        let whole = lengths.into_iter().enumerate().map(move |(index, length)| echo(index + 1, length));
        whole.chain([chopped])
    }));
}
