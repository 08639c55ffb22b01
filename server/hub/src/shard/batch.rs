//! The frames of a few publications, and the connections that get each frame.
//!
//! A connection's frames are a list. A list is one frame and the list of the frames before it, so connections that get
//! the same frames share one list. With publications 1, 2 and 3, where 1 and 3 reach the connections A, B and C, and 2
//! reaches C:
//!
//! ```text
//! publication   reaches   lists                 A  B  C
//! 1             A B C     0: frame 1            0  0  0
//! 2             C         1: frame 2, after 0   0  0  1
//! 3             A B C     2: frame 3, after 0   2  2  1
//!                         3: frame 3, after 1   2  2  3
//! ```
//!
//! A and B get list 2, the frames 1 and 3, which the shard copies into one buffer once for both. C gets list 3.

use std::time::Duration;

use tidings_shared::{Position, limits::WRITE_BYTES};

use super::{
    connection::Mark,
    index::{ConnectionKey, FrameIndex, ListIndex},
    protocol::{Encoding, Frame},
};
use crate::publication::{Few, Publication};

/// Publications on their way to sockets.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The position in the log before the first publication.
    pub(super) after: Option<Position>,
    /// When the first publication was appended.
    pub(super) since: Duration,
    /// In the log's order: one frame for each publication and each set of matched topics.
    frames: Vec<Frame>,
    lists: Vec<List>,
    /// The list that was extended last, and its extension. Most connections extend the same list, and share the
    /// extension.
    extended: Option<(ListIndex, ListIndex)>,
    deliveries: usize,
    /// The connections that get a list.
    due: Vec<ConnectionKey>,
    /// The number of due connections that were served.
    served: usize,
}

/// A frame, and the list of the frames before it.
#[derive(Debug, Clone, Copy)]
struct List {
    frame: FrameIndex,
    before: ListIndex,
}

impl Batch {
    /// Adds a frame.
    pub(super) fn add(&mut self, publication: &Publication, matched: Few) -> FrameIndex {
        self.frames.push(Frame::new(publication.frame(&matched.into()), publication.position));
        FrameIndex::new(self.frames.len() - 1)
    }

    /// Adds a frame of the newest publication to a connection's list.
    pub(super) fn deliver(&mut self, connection: ConnectionKey, frame: FrameIndex, mark: &mut Mark) {
        let before = mark.list;
        if before == ListIndex::NONE {
            self.due.push(connection);
        }
        self.deliveries += 1;
        mark.list = match self.extended {
            Some((known, extension)) if known == before && self.lists[extension.slot()].frame == frame => {
                extension
            }
            _ => {
                let extension = ListIndex::new(self.lists.len());
                self.lists.push(List { frame, before });
                self.extended = Some((before, extension));
                extension
            }
        };
    }

    /// Returns how many frames it has for all connections together.
    pub(super) fn deliveries(&self) -> usize {
        self.deliveries
    }

    /// Returns whether every due connection was served.
    pub(super) fn is_served(&self) -> bool {
        self.served == self.due.len()
    }

    /// Takes the next connection to serve.
    pub(super) fn next_due(&mut self) -> Option<ConnectionKey> {
        let connection = self.due.get(self.served).copied()?;
        self.served += 1;
        Some(connection)
    }

    /// Writes the frames of a list to `frames`, in the log's order.
    fn frames_of(&self, mut list: ListIndex, frames: &mut Vec<FrameIndex>) {
        frames.clear();
        while let Some(&List { frame, before }) = self.lists.get(list.slot()) {
            frames.push(frame);
            list = before;
        }
        frames.reverse();
    }

    /// Returns a frame.
    pub(super) fn frame(&self, frame: FrameIndex) -> &Frame {
        &self.frames[frame.slot()]
    }

    /// Removes everything, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.frames.clear();
        self.lists.clear();
        self.extended = None;
        self.due.clear();
        (self.deliveries, self.served) = (0, 0);
    }
}

/// The bytes of one list of frames, for one write. Connections with the same list and encoding share them.
#[derive(Debug)]
pub(super) struct Gathered {
    /// The list of the current batch that `frames` and `bytes` hold.
    list: ListIndex,
    frames: Vec<FrameIndex>,
    bytes: Vec<u8>,
}

impl Default for Gathered {
    fn default() -> Self {
        Self { list: ListIndex::NONE, frames: Vec::new(), bytes: Vec::new() }
    }
}

impl Gathered {
    /// Returns the frames of a list, and their bytes. They are copied into one buffer, unless they are there already. A
    /// single frame is not copied.
    pub(super) fn gather<'a>(
        &'a mut self,
        batch: &'a Batch,
        list: ListIndex,
        encoding: Encoding,
    ) -> (&'a [FrameIndex], &'a [u8]) {
        let Self { list: known, frames, bytes } = self;
        let bytes_of = |frame| batch.frame(frame).bytes(encoding);
        if *known != list {
            *known = list;
            batch.frames_of(list, frames);
            bytes.clear();
            if frames.len() > 1 {
                frames.iter().for_each(|&frame| bytes.extend_from_slice(bytes_of(frame)));
            }
        }
        let bytes = match frames[..] {
            [only] => bytes_of(only),
            _ => bytes,
        };
        (frames, bytes)
    }

    /// Returns the buffer, empty, for other bytes.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        self.forget_list();
        self.bytes.clear();
        &mut self.bytes
    }

    /// Forgets the list. Another batch may have another list with the same index.
    pub(super) fn forget_list(&mut self) {
        self.list = ListIndex::NONE;
    }

    /// Frees a large buffer: an idle shard keeps little memory.
    pub(super) fn shrink(&mut self) {
        if self.bytes.capacity() > WRITE_BYTES {
            *self = Self::default();
        }
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}
