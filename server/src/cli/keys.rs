//! The file of keys, which is read again when it changes and at SIGHUP, so that keys are changed without a restart.

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

use crate::{JwtAccess, JwtAlgorithm, JwtKeys, text::fault_of};

/// Between two looks at the file. A change counts once two looks have found the same, so that a file is not read while it is
/// written.
const LOOK: Duration = Duration::from_millis(500);

/// What the file holds.
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

/// A file of keys, and which of its contents is in force.
#[derive(Debug)]
pub(super) struct KeyFile {
    flag: &'static str,
    path: PathBuf,
    holds: Holds,
    /// Of contents, which are not kept.
    hasher: RandomState,
    /// The content that was looked at last, and the one before that was taken or refused.
    seen: u64,
    judged: u64,
}

/// What came of a look.
#[derive(Debug)]
enum Look {
    /// Nothing that is new, or nothing that is sure.
    Same,
    New(JwtKeys),
    Bad(String),
}

impl KeyFile {
    /// Reads the file.
    ///
    /// # Errors
    /// A sentence that names the flag and the file.
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

    /// Looks again.
    fn look(&mut self, is_asked: bool) -> Look {
        // What is no file, a pipe for example, can't be read twice.
        let read = match fs::metadata(&self.path) {
            Ok(what) if !what.is_file() && !is_asked => return Look::Same,
            Ok(what) if !what.is_file() => {
                return Look::Bad(self.fault("it is no file that can be read again"));
            }
            _ => fs::read(&self.path).map_err(|error| error.to_string()),
        };
        self.judge(read, is_asked)
    }

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

    /// Watches the file for ever, and gives `access` the keys of each new content. A bad content changes nothing.
    pub(super) async fn watch(mut self, access: JwtAccess, mut hangup: Signal) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_asked = tokio::select! {
                asked = hangup.recv() => asked.is_some(),
                _ = looks.tick() => false,
            };
            // A file system may be slow.
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
                    tracing::warn!(reason, "the keys that were in force stay so")
                }
            }
        }
    }
}

/// Without a file that could be read again, SIGHUP ends nothing either.
pub(super) async fn pass_over(mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        tracing::info!("SIGHUP: there are no keys to read again, and settings are read at the start only");
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
    fn what_is_no_file_is_not_read_twice_and_says_so_if_it_is_asked_for() {
        let mut pipe = KeyFile { path: PathBuf::from("/dev/null"), ..file() };
        for _ in 0..4 {
            assert!(matches!(pipe.look(false), Look::Same));
        }
        assert!(matches!(pipe.look(true), Look::Bad(reason) if reason.contains("/dev/null: it is no file")));
    }

    #[test]
    fn a_content_counts_once_it_was_found_twice_or_at_once_if_it_is_asked_for_and_is_said_once() {
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
        assert!(judge(Some(b"short"), true).starts_with("--jwt-key-file a: a secret of HS256"));
        assert_eq!(judge(Some(one), true), "new");
    }
}
