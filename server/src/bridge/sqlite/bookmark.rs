//! How far the reader of a bridge has read, and for whom: a file beside the database.
//!
//! The row of the bookmark stays in the table of changes. So if somebody puts an old copy of the database back, the row is not
//! there, and the reader knows that the subscribers have more than the table.
//!
//! The file has one line of a fixed length: the history, the number of the row, and its nonce.

use std::{fs, fs::File, io, io::Write as _, path::Path};

use crate::outbox::row::RowId;

/// The words of the line that stand for nothing.
const NONE: &str = "-";

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bookmark {
    /// The history that the reader publishes to.
    pub(super) history: Option<u64>,
    /// The newest row that it has read.
    pub(super) row: Option<RowId>,
}

impl Bookmark {
    /// Reads the file. Without one, nobody has read. Returns `None` if nobody can tell what it says.
    pub(super) fn read(path: &Path) -> Option<Self> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(Self::default()),
            Err(_) => None,
        }
    }

    /// Writes the file.
    ///
    /// # Errors
    /// It can't be written.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let mut options = File::options();
        // All lines have one length, so a crash leaves the old one or the new one, or one that nobody can read.
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path)?.write_all(self.line().as_bytes())
    }

    fn line(&self) -> String {
        let history = self.history.map_or_else(|| NONE.to_owned(), |history| format!("{history:x}"));
        let (id, nonce) = match &self.row {
            Some(row) => (row.id.to_string(), hex(&row.nonce)),
            None => (NONE.to_owned(), NONE.to_owned()),
        };
        format!("{history:>16} {id:>20} {nonce:>32}\n")
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_suffix('\n')?.split_ascii_whitespace();
        let [history, id, nonce] = [words.next()?, words.next()?, words.next()?];
        let history = if history == NONE { None } else { Some(u64::from_str_radix(history, 16).ok()?) };
        let row = if id == NONE { None } else { Some(RowId { id: id.parse().ok()?, nonce: bytes(nonce)? }) };
        Some(Self { history, row })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pairs = (0..hex.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_was_written_and_has_one_length() {
        let row = |id, nonce| Some(RowId { id, nonce });
        let all = [
            Bookmark::default(),
            Bookmark { history: Some(0), row: row(7, vec![0; 16]) },
            Bookmark { history: Some(u64::MAX), row: row(i64::MIN, vec![0xfe; 16]) },
        ];
        for bookmark in all {
            let line = bookmark.line();
            assert_eq!((Bookmark::parse(&line), line.len()), (Some(bookmark), 71), "{line:?}");
        }
        for torn in ["", "7 7", "7 7 0g\n", "7 7 0\n", "7 x 00\n", "x 7 00\n", "7 7 00"] {
            assert_eq!(Bookmark::parse(torn), None, "{torn:?}");
        }
    }
}
