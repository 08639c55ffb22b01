//! A database's outbox, as its reader and the command line use it. Each kind of database implements [`Store`].

use std::{fmt, time::Duration};

use tidings_shared::{
    Code,
    limits::{MAX_BODY_BYTES, MAX_TOPIC_BYTES, MAX_TOPICS_PER_PUBLICATION},
};

use super::row::{OutboxRow, RowId};

/// Rows that a store reads at a time. So many publications share one group of a journal.
pub(crate) const READ_ROWS: usize = 256;

/// Bytes of texts after which a store ends such a read. The last row may be over it.
pub(crate) const READ_BYTES: usize = 1024 * 1024;

/// Bytes of an event. A larger row becomes a dead letter, and the store does not read its text. A `POST` may have as many
/// by default.
pub(crate) const MAX_EVENT_BYTES: usize = MAX_BODY_BYTES;

/// Bytes of the list of topics: as many of the longest topics as one publication may reach, with quotes and commas. A
/// larger row becomes a dead letter.
pub(crate) const MAX_TOPICS_BYTES: usize = MAX_TOPICS_PER_PUBLICATION * (MAX_TOPIC_BYTES + 4);

/// Bytes of each other column. Every valid one is far shorter. A longer one makes the row a dead letter.
pub(crate) const MAX_SHORT_BYTES: usize = 1024;

/// Rows that [`Store::waiting`] counts, at most: a count reads each row.
pub(crate) const MAX_COUNTED: usize = 100_000;

/// The outbox of one database.
///
/// A store runs on a thread of its own, which has a runtime for this store alone. So a method may block the thread for a
/// bounded time. It holds no transaction open between two calls.
#[allow(async_fn_in_trait, reason = "a store stays on its thread, so its futures need not be `Send`")]
pub(crate) trait Store: Send + 'static {
    /// Takes the turn to read, if no other reader has it. A reader that shares the rows with the others needs no turn.
    ///
    /// # Errors
    /// The database does not answer.
    async fn turn(&mut self) -> Result<Look, StoreError>;

    /// Notes that this reader publishes to a history, for the reader after it. Only changes of a table need this.
    ///
    /// # Errors
    /// The note can't be written.
    async fn claim(&mut self, _history: u64) -> Result<(), StoreError> {
        Ok(())
    }

    /// Reads the next rows in the order of their ids, except those in `unsettled`, within [`READ_ROWS`] and
    /// [`READ_BYTES`]. `unsettled` has the rows that were read before and are still in the table, by ascending id. A row
    /// with a smaller id than the last of them may wait until `unsettled` is empty.
    ///
    /// # Errors
    /// The database does not answer.
    async fn read(&mut self, unsettled: &[RowId]) -> Result<Vec<OutboxRow>, StoreError>;

    /// Deletes rows that are done, and moves dead letters into their table, in one transaction. A row that is not there with
    /// this id and nonce is passed over.
    ///
    /// # Errors
    /// The database does not answer. Nothing has changed, or everything: the caller asks for the same again.
    async fn settle(&mut self, done: &[RowId], dead: &[Dead]) -> Result<(), StoreError>;

    /// Waits until somebody may have written since the last [`read`](Store::read) began. May be dropped before it is done.
    async fn changed(&mut self);

    /// Opens the database again, after an error that is not [busy](StoreError::is_busy).
    ///
    /// # Errors
    /// The database can't be opened, or has no outbox.
    async fn reopen(&mut self) -> Result<(), StoreError>;

    /// Counts the rows with a larger id than `after`, and the dead letters, at most [`MAX_COUNTED`] of each.
    ///
    /// # Errors
    /// The database does not answer.
    async fn waiting(&mut self, after: Option<i64>) -> Result<Waiting, StoreError>;
}

/// The dead letters of an outbox. People look at them, and move them back.
#[allow(async_fn_in_trait, reason = "a store stays on its thread, so its futures need not be `Send`")]
pub(crate) trait DeadLetters: Store {
    /// Returns the dead letters with a larger id than `after`, in the order of their ids, at most `max`.
    ///
    /// # Errors
    /// The database does not answer.
    async fn dead_letters(&mut self, after: i64, max: usize) -> Result<Vec<DeadLetter>, StoreError>;

    /// Moves dead letters back into the outbox. Each gets a new id and a new nonce, and keeps its key. Returns how many.
    ///
    /// # Errors
    /// The database does not answer, or a dead letter is not there. Then nothing has changed.
    async fn retry(&mut self, which: &Which) -> Result<u64, StoreError>;

    /// Deletes dead letters. Returns how many.
    ///
    /// # Errors
    /// The database does not answer, or a dead letter is not there. Then nothing has changed.
    async fn delete_dead_letters(&mut self, which: &Which) -> Result<u64, StoreError>;
}

/// A row that becomes a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dead {
    pub(crate) id: RowId,
    pub(crate) code: Code,
    /// A sentence for the writer.
    pub(crate) reason: String,
}

/// A dead letter, for people.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DeadLetter {
    /// The number of the dead letter.
    pub(crate) id: i64,
    /// The row as it was. Its id is that of the outbox.
    pub(crate) row: OutboxRow,
    /// The code of the refusal.
    pub(crate) code: String,
    /// The reason.
    pub(crate) reason: String,
    /// When the row was refused, in milliseconds since 1970, by the database's clock.
    pub(crate) at: i64,
}

/// Some dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "it serves the command line"))]
pub(crate) enum Which {
    All,
    These(Vec<i64>),
}

/// What waits in an outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Rows that are not published yet.
    pub(crate) rows: usize,
    /// The time since the oldest of them was written, by the database's clock.
    pub(crate) oldest: Duration,
    /// Dead letters.
    pub(crate) dead: usize,
}

/// Whose turn it is to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Look {
    /// This reader goes on.
    Own,
    /// This reader begins: nobody has had the turn any more.
    Begins(Last),
    /// Another reader has it.
    Others(Last),
}

/// What is known of the reader before, or of the one that reads now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Last {
    /// The history that it publishes to: the epoch. `None`: nobody knows.
    pub(crate) history: Option<u64>,
    /// Names the newest row that there ever was: another text means that there was a change. An outbox has none.
    pub(crate) newest: String,
    /// The subscribers must load again in any case: somebody has put an old copy back, or this reader may have published after
    /// the next one.
    pub(crate) must_load: bool,
}

/// What came of a try to take the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// This reader had it already.
    Before,
    Now,
    /// Another reader has it.
    Not,
}

/// Why a database does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreError {
    /// Somebody else holds a lock: the same call succeeds later.
    pub(crate) is_busy: bool,
    /// Another server reads the rows, and this one waits until it ends. This is busy, too.
    pub(crate) is_turn: bool,
    /// What went wrong, and the remedy. It has no password.
    pub(crate) message: String,
}

impl StoreError {
    /// Returns an error that needs [`Store::reopen`].
    pub(crate) fn away(message: impl Into<String>) -> Self {
        Self { is_busy: false, is_turn: false, message: message.into() }
    }

    /// Returns an error of a lock.
    #[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "only a file has such locks"))]
    pub(crate) fn busy(message: impl Into<String>) -> Self {
        Self { is_busy: true, is_turn: false, message: message.into() }
    }

    /// Returns the error of a reader that waits for its turn.
    pub(crate) fn turn() -> Self {
        let message = "another server reads the rows: this one waits until it ends".to_owned();
        Self { is_busy: true, is_turn: true, message }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StoreError {}
