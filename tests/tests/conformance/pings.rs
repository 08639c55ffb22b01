//! Group 2: pings and pongs.

use tidings_tests::{Frame, Opcode};

use crate::{Case, check};

const BINARY: &[u8] = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff";

#[test]
fn a_ping_is_answered_with_its_payload_and_a_pong_is_not_answered() {
    let ping = |name: &str, payload: &[u8]| {
        Case::new(name, vec![Frame::new(Opcode::PING, payload)]).answered(Opcode::PONG, payload)
    };
    let pong = |payload: &str| Frame::new(Opcode::PONG, payload);
    check([
        ping("2.1, without payload", b""),
        ping("2.2, text", b"Hello, world!"),
        ping("2.3, binary", BINARY),
        ping("2.4 and 2.6, the longest payload", &[0xfe; 125]),
        Case::new("2.5, a payload that is too long", vec![Frame::new(Opcode::PING, [0xfe; 126])])
            .closed(1002),
        Case::new("2.7, a pong", vec![pong("")]),
        Case::new("2.8, a pong with a payload", vec![pong("unsolicited pong payload")]),
        Case::new(
            "2.9, a pong and a ping",
            vec![pong("unsolicited pong payload"), Frame::new(Opcode::PING, "ping payload")],
        )
        .answered(Opcode::PONG, "ping payload"),
        many("2.10 and 2.11, ten pings", 10),
        many("a flood of pings", 300),
    ]);
}

fn many(name: &str, count: usize) -> Case {
    let payloads = || (0..count).map(|number| format!("payload-{number}"));
    let frames = payloads().map(|payload| Frame::new(Opcode::PING, payload)).collect();
    payloads().fold(Case::new(name, frames), |case, payload| case.answered(Opcode::PONG, payload))
}
