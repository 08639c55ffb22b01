//! The guide to a domain of your own shows files. Each of them must be the tested file.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::path::Path;

#[test]
fn every_block_of_the_guide_that_names_a_file_is_that_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("own-domain");
    let guide = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let mut files = Vec::new();
    for block in guide.split("\n```").skip(1).step_by(2) {
        let mut lines = block.splitn(3, '\n').skip(1);
        let (first, text) = (lines.next().unwrap(), lines.next().unwrap_or_default());
        let Some(name) = ["// ", "# ", "<!-- "].iter().find_map(|start| first.strip_prefix(start)) else {
            continue;
        };
        let name = name.trim_end_matches(" -->");
        let file = std::fs::read_to_string(folder.join(name)).unwrap();
        // Cargo.toml has the path of Tidings, too.
        let file = file.split("\n# What the guide does not have").next().unwrap();
        assert_eq!(text.trim_end(), file.trim_end(), "{name}");
        files.push(name);
    }
    files.sort_unstable();
    let expected = [
        "Cargo.toml",
        "examples/types.rs",
        "src/lib.rs",
        "src/main.rs",
        "web/index.html",
        "web/src/main.ts",
        "web/tsconfig.json",
        "web/vite.config.mjs",
    ];
    assert_eq!(files, expected);
}
