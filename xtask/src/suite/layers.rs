//! Dependencies go in one direction: what ARCHITECTURE.md promises, checked over manifests and source text.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cmd::Cmd;
use crate::project::{Project, read};
use crate::stamp::sources;

/// A word of source code, and the only places where it may stand.
struct WordRule {
    says: &'static str,
    /// Any of these words, as code: comments don't count.
    words: &'static [&'static str],
    /// The files and folders that the rule is about.
    within: &'static [&'static str],
    allowed: Allowed,
}

enum Allowed {
    Nowhere,
    Under(&'static [&'static str]),
    InOneFile,
}

const WORDS: [WordRule; 8] = [
    WordRule {
        says: "what both sides speak imports no runtime and reads no clock",
        words: &["tokio", "warp", "hyper", "wasm_bindgen", "js_sys", "web_sys", "SystemTime", "Instant"],
        within: &["shared/src"],
        allowed: Allowed::Nowhere,
    },
    WordRule {
        says: "log, reader, session, shard and tokens of the server are pure",
        words: &["tokio", "warp", "hyper", "SystemTime", "Instant"],
        within: &[
            "server/src/access.rs",
            "server/src/events.rs",
            "server/src/events",
            "server/src/jwt.rs",
            "server/src/jwt",
            "server/src/keys.rs",
            "server/src/log.rs",
            "server/src/log",
            "server/src/pattern.rs",
            "server/src/publication.rs",
            "server/src/reader.rs",
            "server/src/session.rs",
            "server/src/session",
            "server/src/shard.rs",
            "server/src/shard",
            "server/src/tenant.rs",
            "server/src/websocket.rs",
        ],
        allowed: Allowed::Nowhere,
    },
    WordRule {
        says: "the client's state machine is pure",
        words: &["wasm_bindgen", "js_sys", "web_sys", "SystemTime", "Instant"],
        within: &["client-wasm/src/core.rs", "client-wasm/src/core"],
        allowed: Allowed::Nowhere,
    },
    WordRule {
        says: "the server's library does not know the client; its command line does",
        words: &["tidings_client_wasm"],
        within: &["server/src"],
        allowed: Allowed::Under(&["server/src/main.rs", "server/src/cli.rs", "server/src/cli"]),
    },
    WordRule {
        says: "the client does not know the server",
        words: &["tidings_server"],
        within: &["client-wasm/src"],
        allowed: Allowed::Nowhere,
    },
    WordRule {
        says: "warp is named in one module",
        words: &["warp"],
        within: &["server/src"],
        allowed: Allowed::Under(&["server/src/http.rs", "server/src/http"]),
    },
    WordRule {
        says: "the browser's WebSocket is named in one place",
        words: &["WebSocket"],
        within: &["client-wasm/src"],
        allowed: Allowed::InOneFile,
    },
    WordRule {
        says: "JavaScript values stay in the shell",
        words: &["JsValue"],
        within: &["client-wasm/src"],
        allowed: Allowed::Under(&["client-wasm/src/js.rs", "client-wasm/src/js"]),
    },
];

/// A package, and what its manifest must not name, for its tests either.
struct ManifestRule {
    package: &'static str,
    never: &'static [&'static str],
}

const MANIFESTS: [ManifestRule; 2] = [
    ManifestRule {
        package: "tidings-shared",
        never: &[
            "tokio",
            "warp",
            "hyper",
            "wasm-bindgen",
            "js-sys",
            "web-sys",
            "tidings-server",
            "tidings-client-wasm",
        ],
    },
    ManifestRule { package: "tidings-client-wasm", never: &["tidings-server", "tokio", "warp", "hyper"] },
];

/// Longest source file, in lines: beyond it, a reader is better served by two.
const MAX_LINES: usize = 500;

/// Checks all rules and reports every breach at once.
pub(crate) fn check(project: &Project) -> Result<()> {
    let metadata = Cmd::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .dir(&project.root)
        .read()?;
    let metadata = serde_json::from_str(&metadata).context("`cargo metadata` wrote no JSON")?;
    let mut breaches = Vec::new();
    for rule in &MANIFESTS {
        breaches.extend(manifest_breaches(&metadata, rule)?);
    }
    let files = source_files(project)?;
    for rule in &WORDS {
        breaches.extend(word_breaches(&files, rule));
    }
    breaches.extend(files.iter().filter_map(length_breach));
    if !breaches.is_empty() {
        bail!("{}", breaches.join("\n"));
    }
    println!("{} files keep {} rules", files.len(), WORDS.len() + MANIFESTS.len() + 1);
    Ok(())
}

/// A source file: its path relative to the repository, with `/`, and its text.
type File = (String, String);

fn source_files(project: &Project) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for folder in ["shared", "server", "client-wasm", "www", "tests", "fuzz", "xtask"] {
        for path in sources(&project.root.join(folder))? {
            let extension = path.extension().unwrap_or_default();
            if ["rs", "ts", "mts", "tsx", "js", "mjs"].iter().any(|known| extension == *known) {
                files.push((relative(&path, &project.root), read(&path)?));
            }
        }
    }
    Ok(files)
}

fn relative(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

fn manifest_breaches(metadata: &Value, rule: &ManifestRule) -> Result<Vec<String>> {
    let packages = metadata["packages"].as_array().context("`cargo metadata` lists no packages")?;
    let package = packages.iter().find(|package| package["name"] == rule.package);
    let package = package.with_context(|| format!("the workspace has no package {}", rule.package))?;
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    let names = dependencies.filter_map(|dependency| dependency["name"].as_str());
    let bad = names.filter(|name| rule.never.contains(name));
    Ok(bad.map(|name| format!("{} must not depend on {name}", rule.package)).collect())
}

fn word_breaches(files: &[File], rule: &WordRule) -> Vec<String> {
    let within = files.iter().filter(|(path, _)| is_under(path, rule.within));
    let naming = within.filter_map(|(path, text)| {
        let word = rule.words.iter().find(|word| names(text, word))?;
        Some((path.as_str(), *word))
    });
    let bad: Vec<_> = match rule.allowed {
        Allowed::Nowhere => naming.collect(),
        Allowed::Under(places) => naming.filter(|(path, _)| !is_under(path, places)).collect(),
        Allowed::InOneFile => {
            let all: Vec<_> = naming.collect();
            if all.len() > 1 { all } else { Vec::new() }
        }
    };
    bad.iter().map(|(path, word)| format!("{path} names `{word}`: {}", rule.says)).collect()
}

fn is_under(path: &str, places: &[&str]) -> bool {
    places
        .iter()
        .any(|place| path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Does the code of `text` name `word`, as a whole word outside of line comments and of strings in one line?
fn names(text: &str, word: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    text.lines().map(|line| without_strings(line.split("//").next().unwrap_or_default())).any(|code| {
        code.match_indices(word).any(|(at, _)| {
            let before = code[..at].chars().next_back();
            let after = code[at + word.len()..].chars().next();
            !before.is_some_and(is_part) && !after.is_some_and(is_part)
        })
    })
}

/// A line without the contents of its strings. A message may name what code may not.
fn without_strings(line: &str) -> String {
    line.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

fn length_breach((path, text): &File) -> Option<String> {
    let lines = text.lines().count();
    // Nobody reads what is generated top down.
    let is_generated = text.lines().next().is_some_and(|line| line.starts_with("// Generated "));
    (lines > MAX_LINES && !is_generated)
        .then(|| format!("{path} has {lines} lines; {MAX_LINES} are the most: split it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        (path.to_owned(), text.to_owned())
    }

    fn rule(allowed: Allowed) -> WordRule {
        WordRule { says: "warp has its place", words: &["warp"], within: &["server/src"], allowed }
    }

    #[test]
    fn a_word_counts_whole_and_outside_of_comments() {
        assert!(names("use warp::Filter;", "warp"));
        assert!(names("let x = (warp);", "warp"));
        assert!(!names("// warp does routing", "warp"));
        assert!(!names("let message = \"warp does routing\";", "warp"));
        assert!(names("let routes = (\"a\", warp::path(\"b\"));", "warp"));
        assert!(!names("let warped = un_warp;", "warp"));
    }

    #[test]
    fn a_forbidden_word_is_a_breach_only_within_the_rules_folder() {
        let files = [file("server/src/log.rs", "use warp;"), file("server/srcs/a.rs", "use warp;")];
        let breaches = word_breaches(&files, &rule(Allowed::Nowhere));
        assert_eq!(breaches, ["server/src/log.rs names `warp`: warp has its place"]);
    }

    #[test]
    fn a_word_with_one_home_may_stand_in_any_one_file() {
        let mut files = vec![file("server/src/http.rs", "use warp;"), file("server/src/log.rs", "")];
        assert!(word_breaches(&files, &rule(Allowed::InOneFile)).is_empty());
        files.push(file("server/src/main.rs", "warp::serve()"));
        assert_eq!(word_breaches(&files, &rule(Allowed::InOneFile)).len(), 2);
    }

    #[test]
    fn a_word_with_a_folder_may_stand_only_there() {
        let files = [file("server/src/http/a.rs", "use warp;"), file("server/src/http.rs", "use warp;")];
        assert_eq!(word_breaches(&files, &rule(Allowed::Under(&["server/src/http"]))).len(), 1);
    }

    #[test]
    fn a_manifest_that_names_a_runtime_is_a_breach() -> Result<()> {
        let metadata = serde_json::json!({"packages": [
            {"name": "tidings-shared", "dependencies": [{"name": "serde"}, {"name": "tokio"}]}
        ]});
        assert_eq!(manifest_breaches(&metadata, &MANIFESTS[0])?, ["tidings-shared must not depend on tokio"]);
        assert!(manifest_breaches(&metadata, &MANIFESTS[1]).is_err());
        Ok(())
    }

    #[test]
    fn a_file_of_501_lines_is_too_long() {
        assert_eq!(length_breach(&file("a.rs", &"x\n".repeat(MAX_LINES))), None);
        assert!(length_breach(&file("a.rs", &"x\n".repeat(MAX_LINES + 1))).is_some());
    }
}
