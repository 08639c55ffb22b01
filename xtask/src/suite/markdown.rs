//! Reads the blocks of code in a Markdown text, and follows them in an empty folder as a reader would.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::cmd::{Cmd, path_with_cargo_bin};
use crate::project::{Project, read};
use crate::setup::wasm::TARGET;
use crate::{crates, package};

/// A block of code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) language: String,
    /// The file that the first line names in a comment. The block is the whole file.
    pub(crate) path: Option<String>,
    pub(crate) text: String,
}

/// Returns the blocks of a text, in order.
pub(crate) fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let text: String =
            lines.by_ref().take_while(|line| *line != "```").flat_map(|line| [line, "\n"]).collect();
        let (language, _) = language.split_once(',').unwrap_or((language, ""));
        blocks.push(Block { language: language.to_owned(), path: named(&text), text });
    }
    blocks
}

/// Returns the file that the first line names.
fn named(text: &str) -> Option<String> {
    let line = text.lines().next()?;
    let comment = ["// ", "# ", "<!-- "].iter().find_map(|start| line.strip_prefix(start))?;
    let path = comment.trim_end_matches(" -->");
    let is_path = !path.contains(' ') && Path::new(path).extension().is_some();
    is_path.then(|| path.to_owned())
}

/// A folder outside the repository. Dropping it deletes the folder.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    /// The root, or the folder in it that `cargo new` made.
    pub(crate) path: PathBuf,
    target: PathBuf,
    /// The compiler of cargo commands, if it is not rustc itself.
    wrapper: Option<PathBuf>,
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

impl Folder {
    /// Creates the folder. Cargo uses the packed crates there instead of the registry's, and builds as [`crates::building`]
    /// says.
    pub(crate) fn new(project: &Project, name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("tidings-{name}-{}", std::process::id()));
        let target = crates::target(project);
        fs::create_dir_all(&target).with_context(|| format!("cannot create {}", target.display()))?;
        // An earlier process with this number may have been killed.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let folder = Self { root: path.clone(), path, target, wrapper: None };
        let mut config = format!("{}\n[patch.crates-io]\n", crates::PROFILE);
        for crates::Packed { name, folder, .. } in crates::pack(project)? {
            config += &format!("{name} = {{ path = {:?} }}\n", folder.display().to_string());
        }
        folder.write(".cargo/config.toml", &config)?;
        Ok(folder)
    }

    /// Lets every command that compiles for `wasm32` fail, as on a machine that has no compiler for it.
    pub(crate) fn refuse_wasm(&mut self) -> Result<()> {
        let wrapper = self.root.join("rustc.sh");
        fs::write(&wrapper, NO_WASM)?;
        #[cfg(unix)]
        fs::set_permissions(&wrapper, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let compile = |target: &str| {
            Cmd::new(&wrapper).args(["rustc", "--target", target, "--print", "cfg"]).read().is_ok()
        };
        ensure!(!compile(TARGET), "{} lets a command compile for {TARGET}", wrapper.display());
        self.wrapper = Some(wrapper);
        Ok(())
    }

    fn building(&self, project: &Project, cmd: Cmd) -> Cmd {
        let cmd = crates::building(project, cmd);
        match &self.wrapper {
            Some(wrapper) => cmd.env("RUSTC_WRAPPER", wrapper),
            None => cmd,
        }
    }

    /// Writes a file.
    pub(crate) fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.path.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&self.path))
            .with_context(|| format!("cannot create the folder of {}", path.display()))?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Returns a cargo command in the folder.
    pub(crate) fn cargo(&self, project: &Project, arguments: &[&str]) -> Cmd {
        self.building(project, Cmd::new("cargo").args(arguments).dir(&self.path))
    }

    /// Returns the path of a built file.
    pub(crate) fn built(&self, path: &str) -> PathBuf {
        self.target.join(path)
    }

    /// Runs the commands of a block as they are written, except those that need a registry or do not end.
    pub(crate) fn run(&mut self, project: &Project, commands: &str) -> Result<()> {
        let mut folder = self.path.clone();
        for line in commands.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match &words[..] {
                ["cd", path] => folder.push(path),
                ["npm", "install", names @ ..] => self.install(project, &folder, names)?,
                // Only builds it: the tests start it.
                ["cargo", "run", "--", ..] => self.cargo(project, &["build"]).run()?,
                _ => {
                    let cmd = Cmd::new("sh").args(["-ec", line]).dir(&folder);
                    self.building(project, cmd).env("PATH", path_with_cargo_bin()?).run()?;
                }
            }
            if let ["cargo", "new", .., name] = &words[..] {
                self.path.push(name);
            }
        }
        Ok(())
    }

    /// Does the work of `npm install` without a registry: unpacks our package, and links the others from the tests' folder.
    pub(crate) fn install(&self, project: &Project, folder: &Path, names: &[&str]) -> Result<()> {
        let modules = folder.join("node_modules");
        fs::create_dir_all(&modules).with_context(|| format!("cannot create {}", modules.display()))?;
        let there = project.own_domain().join("web/node_modules");
        for name in names.iter().filter(|name| !name.starts_with('-')) {
            if *name == "tidings" {
                package::unpack_into(project, &package::build(project)?, folder)?;
                continue;
            }
            let package = there.join(name);
            ensure!(package.is_dir(), "{} is missing: run `cargo xtask setup`", package.display());
            for link in [name, ".bin"] {
                let to = modules.join(link);
                #[cfg(unix)]
                if !to.exists() {
                    std::os::unix::fs::symlink(there.join(link), &to)
                        .with_context(|| format!("cannot link {}", to.display()))?;
                }
            }
        }
        Ok(())
    }
}

/// Stands between cargo and rustc.
const NO_WASM: &str = r#"#!/bin/sh
case "$*" in *"--target wasm32"* | *--target=wasm32*) echo "nothing here compiles for wasm32" >&2; exit 1 ;; esac
exec "$@"
"#;

/// Returns the blocks of a file.
pub(crate) fn blocks_of(path: &Path) -> Result<Vec<Block>> {
    let blocks = blocks(&read(path)?);
    ensure!(!blocks.is_empty(), "{} has no block of code", path.display());
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_a_language_and_the_file_that_their_first_line_names() {
        let text = "Text\n```rust,no_run\n// src/main.rs\nfn main() {}\n```\n\n```sh\n# not a file\nls\n```\n\
            ```html\n<!-- web/index.html -->\n```\n";
        let block = |language: &str, path: Option<&str>, text: &str| Block {
            language: language.to_owned(),
            path: path.map(str::to_owned),
            text: text.to_owned(),
        };
        let expected = [
            block("rust", Some("src/main.rs"), "// src/main.rs\nfn main() {}\n"),
            block("sh", None, "# not a file\nls\n"),
            block("html", Some("web/index.html"), "<!-- web/index.html -->\n"),
        ];
        assert_eq!(blocks(text), expected);
    }
}
