//! A position in a tenant's log. Clients treat it as opaque text and send it back.

use std::{fmt, str::FromStr};

use uuid::Uuid;

/// A position in a log: the *epoch* names the history, the *offset* counts its entries, and the *tag* identifies the entry
/// at that offset.
///
/// A log draws a random epoch when its history is created, lost or rolled back. The tag is the entry's key, folded to 32
/// bits. It detects a log that was rolled back and grew again under the same epoch.
///
/// On the wire it has three parts, joined by dots: twelve hexadecimal digits, the offset in decimal, and eight hexadecimal
/// digits.
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
    /// The history: 48 random bits.
    pub epoch: u64,
    /// The number of publications that this history had. 0 is the position before the first.
    pub offset: u64,
    /// The folded key of the entry at that offset, or 0 if there is none.
    pub tag: u32,
}

/// The text is not a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PositionError;

impl fmt::Display for PositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a position of a Tidings server")
    }
}

impl std::error::Error for PositionError {}

impl Position {
    /// The number of bits of an epoch.
    pub const EPOCH_BITS: u32 = 48;

    /// Makes a position. It takes the low 48 bits of `epoch`.
    pub fn new(epoch: u64, offset: u64, tag: u32) -> Self {
        Self { epoch: epoch & ((1 << Self::EPOCH_BITS) - 1), offset, tag }
    }

    /// Returns the tag of an entry with this key.
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

    /// Accepts only the text that `Display` writes, so that a position has one spelling.
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
    fn a_position_has_one_spelling() {
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
