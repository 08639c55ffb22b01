//! Groups 9 and 10: large messages, in fragments and in small writes, and many small ones.

use tidings_tests::{Frame, Opcode, RawSocket, rounds};

use crate::{Case, Chop, check, close, fragments, server};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

fn kinds() -> [(usize, Opcode, &'static [u8]); 2] {
    [(0, Opcode::TEXT, b"BAsd7&jh23"), (1, Opcode::BINARY, b"\x00\xfe\x23\xfa\xf0")]
}

fn payload(pattern: &[u8], length: usize) -> Vec<u8> {
    let mut payload = pattern.repeat(length / pattern.len() + 1);
    payload.truncate(length);
    payload
}

#[test]
fn messages_up_to_the_limit_come_back() {
    let lengths = [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB];
    check(kinds().into_iter().flat_map(|(kind, opcode, pattern)| {
        lengths.into_iter().enumerate().map(move |(index, length)| {
            let name = format!("9.{}.{}, {length} bytes", 1 + kind, index + 1);
            Case::echo(name, opcode, payload(pattern, length)).chopped(&[Chop::Whole])
        })
    }));
}

#[test]
fn a_large_message_in_fragments_of_any_size_comes_back() {
    const LENGTH: usize = 4 * MIB;
    let sizes = [64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB];
    check(kinds().into_iter().flat_map(|(kind, opcode, pattern)| {
        let payload = payload(pattern, LENGTH);
        sizes.into_iter().enumerate().map(move |(index, size)| {
            let name = format!("9.{}.{}, fragments of {size} bytes", 3 + kind, index + 1);
            let frames = fragments(opcode, &payload, size);
            Case::new(name, frames).chopped(&[Chop::Whole]).answered(opcode, payload.clone())
        })
    }));
}

#[test]
fn a_message_in_writes_of_any_size_comes_back() {
    let sizes = [64, 128, 256, 512, KIB, 2 * KIB];
    check(kinds().into_iter().flat_map(|(kind, opcode, pattern)| {
        sizes.into_iter().enumerate().map(move |(index, size)| {
            let name = format!("9.{}.{}", 5 + kind, index + 1);
            Case::echo(name, opcode, payload(pattern, MIB)).chopped(&[Chop::Octets(size)])
        })
    }));
}

#[test]
fn each_of_many_messages_comes_back() {
    let server = server();
    let lengths = [0, 16, 64, 256, KIB, 4 * KIB];
    for (kind, opcode, pattern) in kinds() {
        for (index, length) in lengths.into_iter().enumerate() {
            let name = format!("9.{}.{}, {length} bytes", 7 + kind, index + 1);
            let payload = payload(pattern, length);
            let mut socket = RawSocket::echo(server.address());
            for round in 0..rounds(200) {
                socket.send(&Frame::new(opcode, payload.clone()));
                assert_eq!(socket.read(), Some((opcode, payload.clone())), "{name}, round {round}");
            }
            socket.send(&close(1000, ""));
            assert_eq!(socket.close_code(), Some(1000), "{name}");
        }
    }
}

#[test]
fn a_message_that_was_fragmented_on_its_way_comes_back() {
    let payload = vec![b'*'; 65_536];
    let frames = fragments(Opcode::TEXT, &payload, 1300);
    check([Case::new("10.1.1", frames).answered(Opcode::TEXT, payload)]);
}
