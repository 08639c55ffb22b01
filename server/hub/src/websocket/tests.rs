use super::*;

const MASK: [u8; 4] = [0x11, 0x82, 0x03, 0xf4];
const MAX: usize = 1_000;

/// Returns a client's frame.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ ..126 => frame.push(0x80 | short as u8),
        long @ ..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend((long as u16).to_be_bytes());
        }
        huge => {
            frame.push(0x80 | 127);
            frame.extend((huge as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().enumerate().map(|(index, byte)| byte ^ MASK[index % 4]));
    frame
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    masked(0x88, &[&code.to_be_bytes(), reason].concat())
}

/// Returns the output of a decoder for these pieces.
fn read_with(decoder: &mut Decoder, pieces: &[&[u8]]) -> Result<Vec<String>, Fault> {
    let mut said = Vec::new();
    let decoder_awaits = decoder.awaited;
    for piece in pieces {
        decoder.read(&mut piece.to_vec(), |incoming| {
            said.push(match incoming {
                Incoming::Text(text) => format!("text {text}"),
                Incoming::Binary(bytes) => format!("binary {}", bytes.len()),
                Incoming::Ping(payload) => format!("ping {}", payload.len()),
                other => format!("{other:?}"),
            });
            decoder_awaits
        })?;
    }
    Ok(said)
}

fn read(bytes: &[u8]) -> Result<Vec<String>, Fault> {
    read_with(&mut Decoder::new(MAX), &[bytes])
}

fn read_all(frames: &[Vec<u8>]) -> Result<Vec<String>, Fault> {
    read(&frames.concat())
}

#[test]
fn a_stream_says_the_same_however_it_is_cut() {
    let stream = [
        masked(0x81, "hellö".as_bytes()),
        masked(0x89, b"there?"),
        masked(0x01, b"fragments: \xe2\x82"),
        masked(0x8a, b""),
        masked(0x00, b""),
        masked(0x89, b""),
        masked(0x80, b"\xac"),
        masked(0x82, &[7; 300]),
        masked(0x81, b""),
        masked(0x02, &[8; 2]),
        masked(0x80, &[9; 3]),
        close(1000, b"bye"),
        b"whatever comes then".to_vec(),
    ]
    .concat();
    let expected = [
        "text hellö",
        "ping 6",
        "Fragment",
        "Pong",
        "Fragment",
        "ping 0",
        "text fragments: €",
        "binary 300",
        "text ",
        "Fragment",
        "binary 5",
        "Close(Some(1000))",
    ];
    for size in 1..stream.len() {
        let pieces: Vec<&[u8]> = stream.chunks(size).collect();
        assert_eq!(read_with(&mut Decoder::new(MAX), &pieces).unwrap(), expected, "in pieces of {size}");
    }
    for cut in 0..=stream.len() {
        let (left, right) = stream.split_at(cut);
        let mut decoder = Decoder::new(MAX);
        assert_eq!(read_with(&mut decoder, &[left, right]).unwrap(), expected, "cut at {cut}");
        assert!(decoder.is_closed());
    }
}

#[test]
fn a_payload_is_unmasked_whatever_its_length() {
    for length in 0..40 {
        let text = "abcdefghijklmnopqrstuvwxyzabcdefghijklmn".get(..length).unwrap();
        assert_eq!(read(&masked(0x81, text.as_bytes())).unwrap(), [format!("text {text}")]);
    }
}

#[test]
fn bytes_that_are_no_frame_and_frames_out_of_order_are_refused() {
    let begun = masked(0x01, b"begun");
    let cases = [
        ("without a mask", b"\x81\x02hi".to_vec()),
        ("an end without a begin", masked(0x80, b"")),
        ("a middle without a begin", masked(0x00, b"")),
        ("a message within a message", [begun.clone(), masked(0x81, b"")].concat()),
        ("a begin within a message", [begun.clone(), masked(0x02, b"")].concat()),
        ("a fragment of a ping", masked(0x09, b"")),
        ("a ping over 125 bytes", masked(0x89, &[0; 126])),
        ("a Close over 125 bytes", close(1000, &[b'a'; 124])),
        ("a Close of one byte", masked(0x88, b"\x03")),
    ];
    for (what, bytes) in cases {
        assert_eq!(read(&bytes), Err(Fault::Protocol), "{what}");
    }
    let reserved = [0xc1, 0xa1, 0x91, 0xf2, 0xc9].into_iter().chain(0x83..=0x87).chain(0x8b..=0x8f);
    for first in reserved {
        assert_eq!(read(&masked(first, b"")), Err(Fault::Protocol), "{first:x}");
    }
    assert_eq!(read(&masked(0x89, &[0; 125])).unwrap(), ["ping 125"]);
    assert_eq!(
        read_all(&[begun, masked(0x80, b" and ended")]).unwrap(),
        ["Fragment", "text begun and ended"]
    );
}

fn count(said: &mut usize) -> Awaited {
    *said += 1;
    Awaited::Messages(MAX)
}

#[test]
fn messages_before_a_fault_are_told_and_nothing_after_it() {
    let mut decoder = Decoder::new(MAX);
    let mut said = 0;
    let mut bytes = [masked(0x81, b"right"), masked(0x83, b"wrong")].concat();
    assert_eq!(decoder.read(&mut bytes, |_| count(&mut said)), Err(Fault::Protocol));
    assert_eq!((said, decoder.is_closed()), (1, true));
    assert_eq!(read_with(&mut decoder, &[&masked(0x81, b"right")]), Ok(vec![]));
}

#[test]
fn a_close_names_a_code_that_may_be_sent_or_none() {
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        assert_eq!(read(&close(code, b"why")).unwrap(), [format!("Close(Some({code}))")]);
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        assert_eq!(read(&close(code, b"")), Err(Fault::Protocol), "{code}");
    }
    assert_eq!(read(&masked(0x88, b"")).unwrap(), ["Close(None)"]);
    assert_eq!(read(&close(1000, b"\xff")), Err(Fault::InvalidText));
}

#[test]
fn a_text_that_goes_wrong_is_refused_where_it_does() {
    assert_eq!(read(&masked(0x81, b"a\xc3\x28")), Err(Fault::InvalidText));
    assert_eq!(read(&masked(0x81, b"cut \xc3")), Err(Fault::InvalidText));
    // The end of the message has not come yet.
    let surrogate = masked(0x01, b"\xed\xa0");
    assert_eq!(read(&surrogate), Err(Fault::InvalidText));
    let half = masked(0x01, b"\xf0\x9f");
    assert_eq!(read_all(&[half.clone(), masked(0x00, b"\x98a")]), Err(Fault::InvalidText));
    assert_eq!(read_all(&[half.clone(), masked(0x80, b"\x98")]), Err(Fault::InvalidText));
    let whole = [half, masked(0x00, b"\x98"), masked(0x80, b"\x80")];
    assert_eq!(read_all(&whole).unwrap(), ["Fragment", "Fragment", "text \u{1f600}"]);
    assert_eq!(read(&masked(0x82, b"\xff")).unwrap(), ["binary 1"]);
}

#[test]
fn a_message_over_the_limit_is_refused_before_it_comes() {
    let (most, over) = (vec![b'a'; MAX], vec![b'a'; MAX + 1]);
    assert!(read(&masked(0x81, &most)).is_ok());
    let header_only = |frame: Vec<u8>| frame[..8].to_vec();
    assert_eq!(read(&header_only(masked(0x81, &over))), Err(Fault::TooLarge));
    let begun = masked(0x02, &most[1..]);
    assert_eq!(read_all(&[begun.clone(), masked(0x80, b"a")]).unwrap()[1], format!("binary {MAX}"));
    assert_eq!(read_all(&[begun.clone(), masked(0x00, b"aa")]), Err(Fault::TooLarge));
    // A control frame does not count.
    assert_eq!(read_all(&[begun, masked(0x89, &[0; 125])]).unwrap()[1], "ping 125");
    for huge in [1 << 20, 1 << 40, u64::MAX] {
        let frame = [&[0x82, 0xff], &huge.to_be_bytes()[..], &MASK].concat();
        assert_eq!(read(&frame), Err(Fault::TooLarge), "{huge}");
    }
}

#[test]
fn nothing_is_allocated_for_what_is_merely_announced_and_nothing_kept_when_idle() {
    let mut decoder = Decoder::new(1 << 20);
    let large = masked(0x82, &vec![0; 1 << 19]);
    read_with(&mut decoder, &[&large[..1], &large[1..20]]).unwrap();
    assert!(decoder.partial.capacity() < 100, "{}", decoder.partial.capacity());
    assert_eq!(read_with(&mut decoder, &[&large[20..]]).unwrap(), ["binary 524288"]);
    assert_eq!((decoder.partial.capacity(), decoder.message.is_none()), (0, true));
    read_with(&mut decoder, &[&masked(0x01, b"a"), &masked(0x80, b"b")]).unwrap();
    assert_eq!((decoder.partial.capacity(), decoder.message.is_none()), (0, true));
}

#[test]
fn a_fault_frees_the_buffer_and_later_bytes_are_not_kept() {
    let (begun, part) = (masked(0x01, &[b'a'; 600]), &masked(0x81, &[b'a'; 900])[..700]);
    let cases = [
        ("over the limit in one frame", masked(0x81, &[b'a'; MAX + 1])),
        ("over the limit in fragments", [begun.clone(), masked(0x00, &[b'a'; 600])].concat()),
        ("a message within a message", [begun.clone(), masked(0x81, b"")].concat()),
        ("compressed", [begun.clone(), masked(0xc0, &[b'a'; 300])].concat()),
        ("a long ping", [begun.clone(), masked(0x89, &[0; 126])].concat()),
        ("no UTF-8", [begun.clone(), masked(0x80, b"\xff")].concat()),
        ("a bad Close", [begun.clone(), close(1005, b"")].concat()),
        ("a good Close", [begun.clone(), close(1000, b"")].concat()),
    ];
    for (what, mut bytes) in cases {
        for cut in [bytes.len(), 1, bytes.len() / 2] {
            let mut decoder = Decoder::new(MAX);
            let (one, other) = bytes.split_at_mut(cut);
            let _ = decoder.read(&mut one.to_vec(), |_| Awaited::Messages(MAX));
            let _ = decoder.read(&mut other.to_vec(), |_| Awaited::Messages(MAX));
            for _ in 0..100 {
                decoder.read(&mut part.to_vec(), |_| unreachable!("{what}")).unwrap();
            }
            assert_eq!((decoder.is_closed(), decoder.held_bytes()), (true, 0), "{what}");
        }
    }
}

#[test]
fn no_more_is_held_than_a_message_may_have() {
    let overhead = MAX_CLIENT_HEADER_BYTES + 125;
    for (what, bytes) in [
        ("a frame", masked(0x81, &[b'a'; MAX])),
        ("fragments", [masked(0x01, &[b'a'; MAX - 1]), masked(0x00, b""), masked(0x80, b"a")].concat()),
        (
            "fragments of one byte",
            [vec![masked(0x01, b"a")], vec![masked(0x00, b"a"); MAX - 1]].concat().concat(),
        ),
        ("a ping between fragments", [masked(0x01, &[b'a'; MAX]), masked(0x89, &[0; 125])].concat()),
    ] {
        for size in [1, 7, 100, 999] {
            let mut decoder = Decoder::new(MAX);
            for piece in bytes.chunks(size) {
                read_with(&mut decoder, &[piece]).unwrap();
                let held = decoder.held_bytes();
                assert!(held <= MAX + overhead, "{what} in pieces of {size}: {held}");
            }
        }
    }
}

#[test]
fn each_message_sets_the_bound_for_the_very_next_byte() {
    let hello = masked(0x81, b"hello");
    let (small, large) = (masked(0x81, &[b'a'; 10]), masked(0x81, &[b'a'; 500]));
    let read = |frames: &[&[u8]], size: usize| {
        let (mut decoder, mut said) = (Decoder::new(10), 0);
        let bytes = frames.concat();
        let heard = bytes.chunks(size).try_for_each(|piece| {
            decoder.read(&mut piece.to_vec(), |incoming| {
                said += 1;
                Awaited::Messages(if incoming == Incoming::Text("hello") { 500 } else { 10 })
            })
        });
        (said, heard)
    };
    for size in [1, 3, 20, 10_000] {
        assert_eq!(read(&[&small, &hello, &large], size), (3, Ok(())));
        assert_eq!(read(&[&large], size), (0, Err(Fault::TooLarge)), "a stranger's, in pieces of {size}");
        assert_eq!(read(&[&hello, &large, &large], size), (2, Err(Fault::TooLarge)));
        // The header is enough: no byte of the payload has come.
        assert_eq!(read(&[&large[..8]], size), (0, Err(Fault::TooLarge)));
    }
}

#[test]
fn when_only_a_close_is_awaited_other_messages_are_skipped() {
    let huge = [&[0x82, 0xff], &(1_u64 << 20).to_be_bytes()[..], &MASK, &vec![7; 1 << 20]].concat();
    let stream = [
        masked(0x81, &[b'a'; 2 * MAX]),
        huge,
        masked(0x01, b"begun"),
        masked(0x81, b"within"),
        masked(0x89, b"there?"),
        masked(0x80, b"\xff"),
        close(1000, b"bye"),
    ]
    .concat();
    for size in [1, 2, 13, 1_000, stream.len()] {
        let (mut decoder, mut said) = (Decoder::new(MAX), Vec::new());
        decoder.expect(Awaited::Close);
        for piece in stream.chunks(size) {
            let tell = |incoming: Incoming<'_>| {
                said.push(format!("{incoming:?}"));
                Awaited::Close
            };
            decoder.read(&mut piece.to_vec(), tell).unwrap();
            assert!(decoder.held_bytes() <= 139, "{decoder:?}");
        }
        assert_eq!(said, ["Ping([116, 104, 101, 114, 101, 63])", "Close(Some(1000))"], "in pieces of {size}");
        assert!(decoder.is_closed());
    }
    let endless = [&[0x82, 0xff], &u64::MAX.to_be_bytes()[..], &MASK].concat();
    let mut decoder = Decoder::new(MAX);
    decoder.expect(Awaited::Close);
    for _ in 0..3 {
        // The parser may refuse this header or not.
        let _ = decoder.read(&mut endless.clone(), |_| Awaited::Close);
        assert!(decoder.held_bytes() <= 14);
    }
}

#[test]
fn buffered_bytes_are_freed_when_only_a_close_is_awaited() {
    let frame = masked(0x81, &[b'a'; 900]);
    for held in [3, 8, 9, 500, 907] {
        let mut decoder = Decoder::new(MAX);
        read_with(&mut decoder, &[&masked(0x01, &[b'a'; 50]), &masked(0x80, b""), &frame[..held]]).unwrap();
        decoder.expect(Awaited::Close);
        assert!(decoder.held_bytes() < 14, "{held}: {decoder:?}");
        let rest = [&frame[held..], &close(1000, b"")].concat();
        assert_eq!(read_with(&mut decoder, &[&rest]).unwrap(), ["Close(Some(1000))"]);
    }
    let mut decoder = Decoder::new(MAX);
    read_with(&mut decoder, &[&masked(0x01, &[b'a'; 900])]).unwrap();
    decoder.expect(Awaited::Close);
    assert_eq!(decoder.held_bytes(), 0);
}

#[test]
fn a_header_says_the_length_in_as_few_bytes_as_it_takes() {
    for (length, bytes) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
        let mut out = Vec::new();
        put(&mut out, Kind::Text, &vec![b'a'; length]);
        assert_eq!(out.len(), bytes + length);
        let (header, known) = FrameHeader::parse(&mut Cursor::new(&out)).unwrap().unwrap();
        assert_eq!((known, header.opcode), (length as u64, OpCode::Data(Data::Text)));
        assert!(header.is_final && header.mask.is_none());
    }
    let mut out = Vec::new();
    put_close(&mut out, Some(1001), "away");
    put_close(&mut out, None, "");
    assert_eq!(out, b"\x88\x06\x03\xe9away\x88\x00");
}
