//! A place in a tenant's log. Opaque to clients, which only hand it back.

use std::{fmt, str::FromStr};

use uuid::Uuid;

/// A place in a log: *epoch* says which history, *offset* how far into it, *tag* which entry was there.
///
/// The epoch is drawn at random whenever history is created, lost or rolled back. The tag detects a log that was
/// rolled back and grew again under the same epoch: it is the entry's key, folded to 32 bits.
///
/// On the wire: twelve hexadecimal digits, the offset in decimal, eight hexadecimal digits, joined by dots.
///
/// ```
/// use tidings_shared::Position;
/// let position = Position::new(0xabc, 7, 0x1f);
/// assert_eq!(position.to_string(), "000000000abc.7.0000001f");
/// assert_eq!("000000000abc.7.0000001f".parse(), Ok(position));
/// assert!("000000000ABC.07.1f".parse::<Position>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which history: 48 random bits.
    pub epoch: u64,
    /// How many publications this history had; 0 is the place before the first.
    pub offset: u64,
    /// The entry at that offset, folded; 0 where there is none.
    pub tag: u32,
}

/// A text that is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PositionError;

impl fmt::Display for PositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a position that a server gave out")
    }
}

impl std::error::Error for PositionError {}

impl Position {
    /// The bits that an epoch has.
    pub const EPOCH_BITS: u32 = 48;

    /// A place in the history `epoch`, of which the low 48 bits count.
    pub fn new(epoch: u64, offset: u64, tag: u32) -> Self {
        Self { epoch: epoch & ((1 << Self::EPOCH_BITS) - 1), offset, tag }
    }

    /// The tag of an entry with this key.
    pub fn tag_of(key: Uuid) -> u32 {
        let (high, low) = key.as_u64_pair();
        let folded = high ^ low;
        (folded >> 32) as u32 ^ folded as u32
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}.{}.{:08x}", self.epoch, self.offset, self.tag)
    }
}

impl FromStr for Position {
    type Err = PositionError;

    /// Reads exactly what `Display` writes, so that one place has one spelling.
    fn from_str(text: &str) -> Result<Self, PositionError> {
        let mut parts = text.split('.');
        let (Some(epoch), Some(offset), Some(tag), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(PositionError);
        };
        let position = Self {
            epoch: u64::from_str_radix(epoch, 16).map_err(|_| PositionError)?,
            offset: offset.parse().map_err(|_| PositionError)?,
            tag: u32::from_str_radix(tag, 16).map_err(|_| PositionError)?,
        };
        let canonical = position.epoch >> Self::EPOCH_BITS == 0 && position.to_string() == text;
        if canonical { Ok(position) } else { Err(PositionError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_has_one_spelling() {
        let good = Position::new(u64::MAX, u64::MAX, u32::MAX);
        assert_eq!(good.to_string().parse(), Ok(good));
        for text in [
            "",
            "1",
            "..",
            "000000000abc.7",
            "000000000abc.7.0000001f.",
            "000000000abc.+7.0000001f",
            "000000000abc.07.0000001f",
            "000000000ABC.7.0000001f",
            "1000000000abc.7.0000001f",
            "000000000abc.18446744073709551616.0000001f",
            "000000000abc.7.0000001f ",
        ] {
            assert_eq!(text.parse::<Position>(), Err(PositionError), "{text}");
        }
    }

    #[test]
    fn the_tag_depends_on_every_part_of_the_key() {
        let key = Uuid::from_u128(0x0123_4567_89ab_cdef_0f1e_2d3c_4b5a_6978);
        for bit in 0..128 {
            let other = Uuid::from_u128(key.as_u128() ^ (1 << bit));
            assert_ne!(Position::tag_of(key), Position::tag_of(other), "bit {bit}");
        }
    }
}
