//! Group 5: messages in fragments, with control frames in between, and fragments out of order.

use tidings_tests::{Frame, Opcode};

use crate::{Case, check};

fn first(text: &str) -> Frame {
    Frame::text(text).unfinished()
}

fn more(text: &str) -> Frame {
    Frame::new(Opcode::CONTINUATION, text).unfinished()
}

fn last(text: &str) -> Frame {
    Frame::new(Opcode::CONTINUATION, text)
}

fn ping(text: &str) -> Frame {
    Frame::new(Opcode::PING, text)
}

#[test]
fn fragments_come_back_as_one_message_and_pings_in_between_at_once() {
    check([
        Case::new("5.3 to 5.5, two fragments", vec![first("fragment1"), last("fragment2")])
            .answered(Opcode::TEXT, "fragment1fragment2"),
        Case::new(
            "5.6 to 5.8, a ping in between",
            vec![first("fragment1"), ping("ping payload"), last("fragment2")],
        )
        .answered(Opcode::PONG, "ping payload")
        .answered(Opcode::TEXT, "fragment1fragment2"),
        Case::new(
            "5.19 and 5.20, five fragments and two pings",
            vec![
                first("fragment1"),
                more("fragment2"),
                ping("pongme 1!"),
                more("fragment3"),
                more("fragment4"),
                ping("pongme 2!"),
                last("fragment5"),
            ],
        )
        .answered(Opcode::PONG, "pongme 1!")
        .answered(Opcode::PONG, "pongme 2!")
        .answered(Opcode::TEXT, "fragment1fragment2fragment3fragment4fragment5"),
    ]);
}

#[test]
fn a_fragment_out_of_order_ends_the_connection_at_once() {
    let message = || Frame::text("Hello, world!");
    let twice = |frames: [Frame; 3]| [frames.clone(), frames].concat();
    let cases = [
        Case::new("5.1, a ping in fragments", vec![ping("fragment1").unfinished(), last("fragment2")]),
        Case::new(
            "5.2, a pong in fragments",
            vec![Frame::new(Opcode::PONG, "fragment1").unfinished(), last("fragment2")],
        ),
        Case::new("5.9 to 5.11, an end without a message", vec![last("non-continuation payload"), message()]),
        Case::new(
            "5.12 to 5.14, a continuation without a message",
            vec![more("non-continuation payload"), message()],
        ),
        Case::new(
            "5.15, a continuation after the end",
            vec![first("fragment1"), last("fragment2"), more("fragment3"), Frame::text("fragment4")],
        )
        .answered(Opcode::TEXT, "fragment1fragment2"),
        Case::new(
            "5.16, a continuation first",
            twice([more("fragment1"), first("fragment2"), last("fragment3")]),
        ),
        Case::new("5.17, an end first", twice([last("fragment1"), first("fragment2"), last("fragment3")])),
        Case::new("5.18, a message within a message", vec![first("fragment1"), Frame::text("fragment2")]),
    ];
    check(cases.map(|case| case.closed(1002)));
}
