//! The file of keys. The server reads it again when it changes, and at SIGHUP, so keys change without a restart.

use std::{
    fs,
    hash::{BuildHasher, RandomState},
    path::PathBuf,
    time::Duration,
};

use tokio::{
    signal::unix::Signal,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

use crate::{
    jwt::{JwtAccess, JwtAlgorithm, JwtKeys},
    text::fault_of,
};

/// The time between two looks at the file. The server uses a new content only after two looks in a row have found it:
/// during the first look, another program may still be writing the file.
const LOOK: Duration = Duration::from_millis(500);

/// The format of the file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Holds {
    One(JwtAlgorithm),
    Set,
}

impl Holds {
    fn parse(self, bytes: &[u8]) -> Result<JwtKeys, String> {
        let keys = match self {
            Self::One(algorithm) => JwtKeys::one(algorithm, bytes),
            Self::Set => JwtKeys::set(str::from_utf8(bytes).map_err(|_| fault_of(bytes))?),
        };
        keys.map_err(|error| error.to_string())
    }
}

/// A file of keys, with the hashes of its last contents.
#[derive(Debug)]
pub(super) struct KeyFile {
    flag: &'static str,
    path: PathBuf,
    holds: Holds,
    /// Contents are kept as hashes only.
    hasher: RandomState,
    /// The hash of the content that the last look found.
    seen: u64,
    /// The hash of the content that was last accepted or refused.
    judged: u64,
}

/// The result of a look at the file.
#[derive(Debug)]
enum Look {
    /// The content is not new, or only one look has found it.
    Same,
    New(JwtKeys),
    Bad(String),
}

impl KeyFile {
    /// Reads the file.
    ///
    /// # Errors
    /// If the file can't be read or holds no usable keys. The message names the flag and the file.
    pub(super) fn open(flag: &'static str, path: PathBuf, holds: Holds) -> Result<(Self, JwtKeys), String> {
        let mut file = Self { flag, path, holds, hasher: RandomState::new(), seen: 0, judged: 0 };
        match file.judge(fs::read(&file.path).map_err(|error| error.to_string()), true) {
            Look::New(keys) => Ok((file, keys)),
            Look::Bad(reason) => Err(reason),
            Look::Same => Err(file.fault("it was not read")),
        }
    }

    fn fault(&self, reason: &str) -> String {
        format!("{} {}: {reason}", self.flag, self.path.display())
    }

    /// Looks at the file again. `is_asked` means that a SIGHUP asked for it.
    fn look(&mut self, is_asked: bool) -> Look {
        // A pipe, for example, can't be read twice.
        let read = match fs::metadata(&self.path) {
            Ok(what) if !what.is_file() && !is_asked => return Look::Same,
            Ok(what) if !what.is_file() => {
                return Look::Bad(self.fault("it is not a regular file, so it can't be read again"));
            }
            _ => fs::read(&self.path).map_err(|error| error.to_string()),
        };
        self.judge(read, is_asked)
    }

    /// Takes or refuses what a look has read.
    fn judge(&mut self, read: Result<Vec<u8>, String>, is_asked: bool) -> Look {
        let content = self.hasher.hash_one(&read);
        let was_seen = std::mem::replace(&mut self.seen, content) == content;
        if !is_asked && (content == self.judged || !was_seen) {
            return Look::Same;
        }
        self.judged = content;
        let keys = read.and_then(|bytes| self.holds.parse(&bytes));
        keys.map_or_else(|reason| Look::Bad(self.fault(&reason)), Look::New)
    }

    /// Watches the file for ever, and gives `access` the keys of each new content. After a bad content, the previous
    /// keys stay in force.
    pub(super) async fn watch(mut self, access: JwtAccess, mut hangup: Signal) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_asked = tokio::select! {
                asked = hangup.recv() => asked.is_some(),
                _ = looks.tick() => false,
            };
            // A slow file system must not block the runtime's threads.
            let looked = spawn_blocking(move || {
                let look = self.look(is_asked);
                (self, look)
            });
            let Ok((file, look)) = looked.await else { return };
            self = file;
            match look {
                Look::Same => {}
                Look::New(keys) => {
                    let count = keys.count();
                    access.replace_keys(keys);
                    tracing::info!(file = %self.path.display(), keys = count, "the keys were read again and are in force");
                }
                Look::Bad(reason) => {
                    tracing::warn!(reason, "the new keys can't be used; the previous keys stay in force")
                }
            }
        }
    }
}

/// Handles SIGHUP on a server without a key file. Without a handler, the signal would end the process.
pub(super) async fn pass_over(mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        tracing::info!("SIGHUP: there is no key file to read again, and settings are read at the start only");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> KeyFile {
        let (flag, path) = ("--jwt-key-file", PathBuf::from("a"));
        KeyFile {
            flag,
            path,
            holds: Holds::One(JwtAlgorithm::Hs256),
            hasher: RandomState::new(),
            seen: 0,
            judged: 0,
        }
    }

    #[test]
    fn a_pipe_is_not_read_twice_and_a_sighup_says_so() {
        let mut pipe = KeyFile { path: PathBuf::from("/dev/null"), ..file() };
        for _ in 0..4 {
            assert!(matches!(pipe.look(false), Look::Same));
        }
        assert!(
            matches!(pipe.look(true), Look::Bad(reason) if reason.contains("/dev/null: it is not a regular file"))
        );
    }

    #[test]
    fn a_new_content_counts_after_two_looks_or_at_once_after_a_sighup_and_is_reported_once() {
        let mut file = file();
        let mut judge = |bytes: Option<&[u8]>, is_asked| {
            let read = bytes.map(<[u8]>::to_vec).ok_or_else(|| "gone".to_owned());
            match file.judge(read, is_asked) {
                Look::Same => "same".to_owned(),
                Look::New(_) => "new".to_owned(),
                Look::Bad(reason) => reason,
            }
        };
        let (one, other) = (&[b'a'; 32][..], &[b'b'; 32][..]);
        assert_eq!(judge(Some(one), true), "new");
        assert_eq!([judge(Some(one), false), judge(Some(one), false)], ["same", "same"]);
        assert_eq!(
            [judge(Some(&other[..10]), false), judge(Some(other), false)],
            ["same", "same"],
            "half a file"
        );
        assert_eq!([judge(Some(other), false), judge(Some(other), false)], ["new", "same"]);
        assert_eq!([judge(None, false), judge(None, false)], ["same", "--jwt-key-file a: gone"]);
        assert_eq!(judge(None, false), "same", "it was said");
        assert_eq!([judge(Some(other), false), judge(Some(other), false)], ["same", "new"], "it is back");
        assert!(judge(Some(b"short"), true).starts_with("--jwt-key-file a: a secret for HS256"));
        assert_eq!(judge(Some(one), true), "new");
    }
}
