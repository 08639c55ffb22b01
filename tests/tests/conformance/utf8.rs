//! Group 6: texts in valid UTF-8, and texts in invalid UTF-8, which the server refuses as early as it can.

use tidings_tests::{Frame, Opcode};

use crate::{Case, check, fragments};

const HELLO: &str = "Hello-µ@ßöäüàá-UTF-8!!";

/// κόσμε
const KOSME: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";

/// κόσμε, then a code point that is out of range. It is invalid from the byte after `\xf4` on.
const OUT_OF_RANGE: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited";

fn first(part: &[u8]) -> Frame {
    Frame::new(Opcode::TEXT, part).unfinished()
}

fn more(part: &[u8]) -> Frame {
    Frame::new(Opcode::CONTINUATION, part).unfinished()
}

fn last(part: &[u8]) -> Frame {
    Frame::new(Opcode::CONTINUATION, part)
}

#[test]
fn a_text_comes_back_wherever_it_is_cut() {
    let (begin, end) = HELLO.as_bytes().split_at(HELLO.find('ü').expect("it is there"));
    check([
        Case::new("6.1.1, empty", vec![Frame::text("")]).answered(Opcode::TEXT, ""),
        Case::new("6.1.2, of empty fragments", vec![first(b""), more(b""), last(b"")])
            .answered(Opcode::TEXT, ""),
        Case::new(
            "6.1.3, between empty fragments",
            vec![first(b""), more(b"middle frame payload"), last(b"")],
        )
        .answered(Opcode::TEXT, "middle frame payload"),
        Case::echo("6.2.1, in one piece", Opcode::TEXT, HELLO),
        Case::new("6.2.2, cut between characters", vec![first(begin), last(end)])
            .answered(Opcode::TEXT, HELLO),
        Case::new("6.2.3, in octets", fragments(Opcode::TEXT, HELLO.as_bytes(), 1))
            .answered(Opcode::TEXT, HELLO),
        Case::new("6.2.4, in octets", fragments(Opcode::TEXT, KOSME, 1)).answered(Opcode::TEXT, KOSME),
    ]);
}

#[test]
fn a_text_is_refused_in_the_fragment_that_makes_it_invalid() {
    let surrogate = [KOSME, b"\xed\xa0\x80edited"].concat();
    // The pong shows that the fragment before it was not refused. The end of the text is never sent.
    let refused_early = |name: &str, length: usize, spoilt: &[u8]| {
        Case::new(
            name,
            vec![first(&OUT_OF_RANGE[..length]), Frame::new(Opcode::PING, "still there"), more(spoilt)],
        )
        .answered(Opcode::PONG, "still there")
    };
    let cases = [
        Case::new("6.3.1, in one piece", vec![Frame::new(Opcode::TEXT, surrogate.clone())]),
        Case::new("6.3.2, in octets", fragments(Opcode::TEXT, &surrogate, 1)),
        Case::new("6.3.2, without its end", {
            let mut frames = fragments(Opcode::TEXT, &surrogate, 1);
            frames.truncate(KOSME.len() + 2);
            frames
        }),
        refused_early("6.4.1, a whole character", KOSME.len(), &OUT_OF_RANGE[11..15]),
        refused_early("6.4.2, the invalid byte", KOSME.len() + 1, &OUT_OF_RANGE[12..13]),
        // The server checks the text of a frame when it has the whole frame. Autobahn accepts that as "non-strict".
        Case::new("6.4.3 and 6.4.4, in one frame", vec![Frame::new(Opcode::TEXT, OUT_OF_RANGE)]),
    ];
    check(cases.map(|case| case.closed(1007)));
}

/// A group of Markus Kuhn's stress test: its name, its texts, and whether each is valid UTF-8.
type Group = (&'static str, Vec<(bool, Vec<u8>)>);

fn valid(texts: &[&[u8]]) -> Vec<(bool, Vec<u8>)> {
    texts.iter().map(|text| (true, text.to_vec())).collect()
}

fn invalid(texts: &[&[u8]]) -> Vec<(bool, Vec<u8>)> {
    texts.iter().map(|text| (false, text.to_vec())).collect()
}

#[rustfmt::skip]
const CUT_SHORT: [&[u8]; 10] = [
    b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xfc\x80\x80\x80\x80",
    b"\xdf", b"\xef\xbf", b"\xf7\xbf\xbf", b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf",
];

/// The groups from 6.5 on.
#[rustfmt::skip]
fn groups() -> Vec<Group> {
    let starts = |bytes: std::ops::Range<u8>| (false, bytes.flat_map(|byte| [byte, b' ']).collect());
    let planes = (0..=16).flat_map(|plane| [plane << 16 | 0xfffe, plane << 16 | 0xffff]);
    let non_characters = planes.filter_map(char::from_u32).map(|c| (true, c.to_string().into_bytes()));
    vec![
        ("valid", valid(&[
            b"hello\x24world", b"hello\xc2\xa2world", b"hello\xe2\x82\xacworld", b"hello\xf0\xa4\xad\xa2world", KOSME,
        ])),
        ("prefixes", (1..=KOSME.len()).map(|end| ([2, 5, 7, 9, 11].contains(&end), KOSME[..end].to_vec())).collect()),
        ("first of a length", valid(&[b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"])),
        ("first of length 5 and 6", invalid(&[b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"])),
        ("last of a length", valid(&[b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"])),
        ("last of length 4 to 6", invalid(&[b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"])),
        ("other bounds", [
            valid(&[b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf"]),
            invalid(&[b"\xf4\x90\x80\x80"]),
        ].concat()),
        ("unexpected continuations", [
            invalid(&[
                b"\x80", b"\xbf", b"\x80\xbf", b"\x80\xbf\x80", b"\x80\xbf\x80\xbf", b"\x80\xbf\x80\xbf\x80",
                b"\x80\xbf\x80\xbf\x80\xbf",
            ]),
            vec![(false, (0x80..0xbf).collect())],
        ].concat()),
        ("lone start bytes", vec![
            starts(0xc0..0xdf), starts(0xe0..0xef), starts(0xf0..0xf7), starts(0xf8..0xfb), starts(0xfc..0xfd),
        ]),
        ("last continuation missing", invalid(&CUT_SHORT)),
        ("incomplete ones together", invalid(&[&CUT_SHORT.concat()])),
        ("impossible bytes", invalid(&[b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"])),
        ("overlong ASCII", invalid(&[
            b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf", b"\xfc\x80\x80\x80\x80\xaf",
        ])),
        ("the longest overlong", invalid(&[
            b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf", b"\xfc\x83\xbf\xbf\xbf\xbf",
        ])),
        ("overlong NUL", invalid(&[
            b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x80\x80\x80\x80", b"\xfc\x80\x80\x80\x80\x80",
        ])),
        ("single surrogates", invalid(&[
            b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf", b"\xed\xb0\x80", b"\xed\xbe\x80",
            b"\xed\xbf\xbf",
        ])),
        ("paired surrogates", invalid(&[
            b"\xed\xa0\x80\xed\xb0\x80", b"\xed\xa0\x80\xed\xbf\xbf", b"\xed\xad\xbf\xed\xb0\x80",
            b"\xed\xad\xbf\xed\xbf\xbf", b"\xed\xae\x80\xed\xb0\x80", b"\xed\xae\x80\xed\xbf\xbf",
            b"\xed\xaf\xbf\xed\xb0\x80", b"\xed\xaf\xbf\xed\xbf\xbf",
        ])),
        ("non-characters", non_characters.collect()),
        ("specials", valid(&[
            b"\xef\xbf\xb9", b"\xef\xbf\xba", b"\xef\xbf\xbb", b"\xef\xbf\xbc", b"\xef\xbf\xbd", b"\xef\xbf\xbe",
            b"\xef\xbf\xbf",
        ])),
    ]
}

#[test]
fn valid_utf_8_comes_back_and_invalid_utf_8_is_refused() {
    let mut cases = Vec::new();
    for (group, (title, rows)) in groups().into_iter().enumerate() {
        for (row, (is_valid, text)) in rows.into_iter().enumerate() {
            let name = format!("6.{}.{}, {title}", group + 5, row + 1);
            let octets = Case::new(format!("{name}, in octets"), fragments(Opcode::TEXT, &text, 1));
            let whole = Case::new(name, vec![Frame::new(Opcode::TEXT, text.clone())]);
            cases.extend([whole, octets].map(|case| {
                if is_valid { case.answered(Opcode::TEXT, text.clone()) } else { case.closed(1007) }
            }));
        }
    }
    check(cases);
}
