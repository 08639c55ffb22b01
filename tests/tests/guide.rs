//! The guide to a domain of one's own shows the code that runs.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::path::Path;

/// The blocks of one language in a Markdown text.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(&fence as &str).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn every_rust_block_of_the_guide_stands_in_a_file_beside_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("own-domain");
    let read = |path: &str| std::fs::read_to_string(folder.join(path)).unwrap();
    let guide = read("README.md");
    let files = ["domain/src/lib.rs", "server/src/main.rs", "client/src/lib.rs"].map(read);
    let blocks = blocks(&guide, "rust");
    assert!(blocks.len() >= 5, "{}", blocks.len());
    for block in blocks {
        assert!(files.iter().any(|file| file.contains(block.trim_end())), "in no file:\n{block}");
    }
}
