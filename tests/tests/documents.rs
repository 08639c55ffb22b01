//! The documents are right about the files that they name: links lead somewhere, and the code map knows every module.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const DOCUMENTS: [&str; 21] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "PROTOCOL.md",
    "SECURITY.md",
    "client-wasm/README.md",
    "client-wasm/core/README.md",
    "client-wasm/native/README.md",
    "client-wasm/npm/README.md",
    "deploy/README.md",
    "server/README.md",
    "server/hub/README.md",
    "shared/README.md",
    "shared/generate/README.md",
    "shared/macros/README.md",
    "tests/bench/README.md",
    "tests/own-domain/README.md",
    "tests/planted/README.md",
    "tests/vectors/README.md",
    "www/README.md",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A document without its blocks of code.
fn prose(document: &Path) -> String {
    read(document).split("\n```").step_by(2).collect()
}

/// The targets of the links and pictures of a document that are not on other sites.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).collect()
}

/// The anchors that GitHub gives to the headings of a document.
fn anchors(document: &Path) -> BTreeSet<String> {
    let text = prose(document);
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let slug = |heading: &str| -> String {
        let kept = heading.trim_start_matches('#').trim().chars();
        let kept = kept.filter(|character| character.is_alphanumeric() || " -_".contains(*character));
        kept.flat_map(char::to_lowercase)
            .map(|character| if character == ' ' { '-' } else { character })
            .collect()
    };
    headings.map(slug).collect()
}

/// The texts between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut broken = Vec::new();
    for name in DOCUMENTS {
        let document = root().join(name);
        let text = prose(&document);
        for link in links(&text) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if path.is_empty() { document.clone() } else { document.parent().unwrap().join(path) };
            let has_anchor = || anchor.is_empty() || anchors(&target).contains(anchor);
            if !target.exists() || !has_anchor() {
                broken.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "these links lead nowhere:\n{}", broken.join("\n"));
}

/// The sections of the code map: a heading names a folder, the first cells of its table name modules or folders.
#[test]
fn the_code_map_names_every_module_and_nothing_else() {
    let text = prose(&root().join("ARCHITECTURE.md"));
    let (_, map) = text.split_once("\n## Code map\n").unwrap();
    let (map, _) = map.split_once("\n## ").unwrap();
    let mut crates = 0;
    for section in map.split("\n### ").skip(1) {
        let (heading, body) = section.split_once('\n').unwrap();
        let cells = body
            .lines()
            .filter_map(|line| line.strip_prefix("| `"))
            .map(|line| line.split('|').next().unwrap());
        let named: BTreeSet<String> =
            cells.flat_map(|cell| code(&format!("`{cell}")).map(str::to_owned).collect::<Vec<_>>()).collect();
        let Some(folder) = code(heading).next() else {
            for name in &named {
                assert!(root().join(name).is_dir(), "there is no folder {name}");
            }
            continue;
        };
        crates += 1;
        let sources = fs::read_dir(root().join(folder).join("src")).unwrap();
        let names = sources.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let modules = names.filter_map(|name| name.strip_suffix(".rs").map(str::to_owned));
        let modules =
            modules.filter(|name| !["lib", "main", "test_support", "tests"].contains(&name.as_str()));
        assert_eq!(named, modules.collect(), "the modules of {folder}");
    }
    assert_eq!(crates, 5);
}

/// Whether a page can import this: an entry of the npm package, or a package that it knows.
fn is_import(name: &str) -> bool {
    let package = fs::read_to_string(root().join("client-wasm/npm/package.json")).unwrap();
    let is_entry =
        name.strip_prefix("tidings/").is_some_and(|entry| package.contains(&format!("\"./{entry}\": {{")));
    is_entry || name.starts_with('@') && package.contains(&format!("\"{name}\": "))
}

#[test]
fn every_path_that_the_guides_to_the_code_name_is_there() {
    for name in ["ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = prose(&root().join(name));
        let paths = code(&text).filter(|code| code.contains('/') && !code.contains([' ', '(', '*']));
        let missing: Vec<&str> =
            paths.filter(|path| !root().join(path).exists() && !is_import(path)).collect();
        assert!(missing.is_empty(), "{name}: {missing:?}");
    }
}
