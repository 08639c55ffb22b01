//! Stamps: a stamp is a file with a digest of the inputs of a result. While the digest is the same, the result is up to date.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Folders of results, which are not inputs.
const NOT_SOURCES: [&str; 5] = ["node_modules", "dist", "pkg", "target", ".git"];

/// Computes a digest of texts and of files, by path and content.
#[derive(Debug, Default)]
pub(crate) struct Inputs(DefaultHasher);

impl Inputs {
    /// Adds a text.
    pub(crate) fn text(mut self, text: &str) -> Self {
        text.hash(&mut self.0);
        self
    }

    /// Adds a file, or all sources of a folder. `path` is relative to `root`.
    pub(crate) fn path(mut self, root: &Path, path: &str) -> Result<Self> {
        for file in sources(&root.join(path))? {
            file.strip_prefix(root).unwrap_or(&file).hash(&mut self.0);
            let content = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            content.hash(&mut self.0);
        }
        Ok(self)
    }

    /// Returns the digest as text.
    pub(crate) fn digest(self) -> String {
        format!("{:016x}", self.0.finish())
    }
}

/// Returns whether the stamp at `path` holds this digest.
pub(crate) fn is_fresh(path: &Path, digest: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|stamp| stamp == digest)
}

/// Writes the stamp at `path`.
pub(crate) fn write(path: &Path, digest: &str) -> Result<()> {
    fs::write(path, digest).with_context(|| format!("cannot write the stamp {}", path.display()))
}

/// Returns the file itself, or all files of a folder except results, in a fixed order.
pub(crate) fn sources(path: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    collect(path, &mut files)?;
    files.sort();
    Ok(files)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", path.display()))?.path();
        let is_result = path.file_name().is_some_and(|name| NOT_SOURCES.iter().any(|result| name == *result));
        if !is_result {
            collect(&path, files)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("tidings-xtask-{name}-{}", std::process::id()));
        fs::create_dir_all(folder.join("src")).expect("the temporary folder can be written");
        fs::write(folder.join("src/a.rs"), "a").expect("the temporary folder can be written");
        folder
    }

    fn digest(folder: &Path) -> String {
        Inputs::default().path(folder, "src").expect("the folder can be read").digest()
    }

    #[test]
    fn a_digest_changes_with_content_and_with_new_files_but_not_with_results() {
        let folder = folder("digest");
        let first = digest(&folder);
        assert_eq!(digest(&folder), first);

        fs::create_dir_all(folder.join("src/dist")).expect("the temporary folder can be written");
        fs::write(folder.join("src/dist/a.js"), "made").expect("the temporary folder can be written");
        assert_eq!(digest(&folder), first);

        fs::write(folder.join("src/b.rs"), "").expect("the temporary folder can be written");
        let second = digest(&folder);
        assert_ne!(second, first);

        fs::write(folder.join("src/a.rs"), "b").expect("the temporary folder can be written");
        assert_ne!(digest(&folder), second);
        fs::remove_dir_all(folder).expect("the temporary folder can be removed");
    }

    #[test]
    fn a_stamp_is_fresh_only_for_the_digest_that_was_written() {
        let folder = folder("stamp");
        let stamp = folder.join("stamp");
        assert!(!is_fresh(&stamp, "1"));
        write(&stamp, "1").expect("the temporary folder can be written");
        assert!(is_fresh(&stamp, "1"));
        assert!(!is_fresh(&stamp, "2"));
        fs::remove_dir_all(folder).expect("the temporary folder can be removed");
    }

    #[test]
    fn a_missing_input_is_an_error_that_names_it() {
        let error =
            Inputs::default().path(Path::new("/nowhere"), "src").expect_err("there is no such folder");
        assert!(error.to_string().contains("/nowhere/src"), "{error}");
    }
}
