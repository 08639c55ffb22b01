//! Random payloads of an event: good ones, near misses, and values of other types. The same seed gives the same payload.

use tidings_shared::schema::{EventSchema, Type};

/// Writes a payload as JSON text.
pub fn payload(event: &EventSchema, seed: u64) -> String {
    Random(seed).payload(event)
}

/// Values that a type may take for its own, or not.
const ODD: [&str; 33] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-0.0",
    "1.0",
    "1e0",
    "12e-1",
    "0.5",
    "-1",
    "127",
    "128",
    "-129",
    "255",
    "256",
    "65536",
    "2147483648",
    "-2147483649",
    "4294967295",
    "4294967296",
    "9007199254740992",
    "123456789012345678901234567890",
    "3.4028235677973362e38",
    "3.4028235677973366e38",
    "1.7976931348623157e308",
    "1e-400",
    r#""""#,
    r#""1""#,
    r#""\u00e9 \ud83d\ude00""#,
    "[]",
    "{}",
    r#"[["0198c0de-0000-7000-8000-00000000002a"]]"#,
];

/// Texts that look like a UUID, or nearly.
const UUIDS: [&str; 10] = [
    "0198c0de-0000-7000-8000-00000000002a",
    "FFFFFFFF-ffff-FFFF-ffff-FFFFFFFFFFFF",
    "00000000-0000-0000-0000-000000000000",
    "0198c0de00007000800000000000002a",
    "{0198c0de-0000-7000-8000-00000000002a}",
    "0198c0de-0000-7000-8000-00000000002g",
    "0198c0de-0000-7000-8000-00000000002a\\n",
    "0198c0d-e0000-7000-8000-00000000002a",
    "0198c0de-0000-7000-8000-0000000000\u{e9}",
    "0198c0de-0000-7000-8000-0000000000\u{ff41}\u{ff41}",
];

/// The alphabet of texts, as it stands in JSON. The last two are halves of a surrogate pair: apart they are no text.
const LETTERS: [&str; 16] = [
    "a",
    "Z",
    "9",
    "_",
    ".",
    "~",
    "-",
    " ",
    ":",
    "\\n",
    "\\u0000",
    "\u{e9}",
    "\u{212a}",
    "\u{1f600}",
    "\\ud83d",
    "\\ude00",
];

/// A generator of random numbers (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }

    fn one_in(&mut self, end: usize) -> bool {
        self.below(end) == 0
    }

    fn of<'a>(&mut self, some: &[&'a str]) -> &'a str {
        some[self.below(some.len())]
    }

    fn payload(&mut self, event: &EventSchema) -> String {
        if self.one_in(50) {
            return self.of(&ODD).to_owned();
        }
        let mut members = Vec::new();
        // Most payloads have one fault or none, so that each field has its turn.
        let faulty = self.below(event.payload.fields.len().max(1) + 1);
        for (index, field) in event.payload.fields.iter().enumerate() {
            let is_faulty = index == faulty || self.one_in(20);
            let is_absent = if field.ty.is_option() { self.one_in(3) } else { is_faulty && self.one_in(6) };
            if !is_absent {
                members.push(format!("{:?}:{}", field.name, self.value(&field.ty, is_faulty)));
            }
        }
        if self.one_in(4) {
            members.push(format!(r#""undeclared":{}"#, self.of(&ODD)));
        }
        let first = self.below(members.len().max(1));
        members.rotate_left(first);
        format!("{{{}}}", members.join(","))
    }

    fn value(&mut self, ty: &Type, is_faulty: bool) -> String {
        if is_faulty && self.one_in(2) {
            return self.of(&ODD).to_owned();
        }
        match ty {
            Type::Option(_) if self.one_in(4) => "null".to_owned(),
            Type::Option(inner) => self.value(inner, is_faulty),
            Type::List(inner) => {
                let length = self.below(4);
                let faulty = if is_faulty { self.below(4) } else { length };
                let elements: Vec<String> =
                    (0..length).map(|index| self.value(inner, index == faulty)).collect();
                format!("[{}]", elements.join(","))
            }
            Type::Any => self.of(&ODD).to_owned(),
            Type::Bool => self.of(&["true", "false"]).to_owned(),
            Type::Uuid if is_faulty => format!("{:?}", self.of(&UUIDS)).replace("\\\\n", "\\n"),
            Type::Uuid => format!("{:?}", self.of(&UUIDS[..3])),
            Type::String | Type::Choice { is_open: true, .. } => self.text(8, is_faulty),
            Type::Segment { max } if is_faulty => self.text(max + 2, true),
            Type::Segment { max } => {
                let length = 1 + self.below(*max);
                let letters: String = (0..length).map(|_| self.of(&LETTERS[..7])).collect();
                format!("\"{letters}\"")
            }
            Type::Choice { names, .. } => {
                let name = self.of(names).to_owned();
                let tail = if is_faulty { self.of(&["", "s", " ", "\\n"]) } else { "" };
                format!("\"{name}{tail}\"")
            }
            Type::Integer { min, max } if is_faulty => {
                let bound = [*min, *max][self.below(2)];
                format!("{}{}", bound + [-1, 0, 1][self.below(3)], self.of(&["", ".0", ".5", "e0", "e1"]))
            }
            Type::Integer { min, max } => {
                format!("{}{}", [*min, *max][self.below(2)], self.of(&["", ".0", "e0"]))
            }
            Type::Number | Type::Float32 => {
                let range = if is_faulty { &ODD[3..] } else { &ODD[3..24] };
                self.of(range).to_owned()
            }
        }
    }

    /// A text of fewer than `end` letters.
    fn text(&mut self, end: usize, is_faulty: bool) -> String {
        let letters = if is_faulty { &LETTERS[..] } else { &LETTERS[..14] };
        let length = if self.one_in(2) { end - 1 - self.below(3).min(end - 1) } else { self.below(end) };
        let text: String = (0..length).map(|_| self.of(letters)).collect();
        format!("\"{text}\"")
    }
}
