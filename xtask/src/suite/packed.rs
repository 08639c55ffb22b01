//! The step `crates`: packs the published crates, checks what crates.io will show of them, and builds them from the packed
//! files alone.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cmd::{Cmd, cargo_home};
use crate::crates::{self, Packed};
use crate::project::{Project, read};
use crate::stamp;

/// Bytes of the largest packed crate. Today's largest, the server, has 207,000. A far larger one holds files that nobody
/// needs.
const LARGEST: u64 = 400_000;

/// The categories of crates.io that our crates are in. crates.io ignores a name that it does not know.
const CATEGORIES: [&str; 7] = [
    "asynchronous",
    "development-tools",
    "network-programming",
    "wasm",
    "web-programming",
    "web-programming::http-server",
    "web-programming::websocket",
];

/// Packs, checks and builds.
pub(crate) fn run(project: &Project) -> Result<()> {
    for package in crates::published(project)? {
        let name = package["name"].as_str().context("a package has no name")?;
        let faults = faults(&package);
        ensure!(faults.is_empty(), "the manifest of {name}: {}", faults.join("; "));
    }
    let packed = crates::pack(project)?;
    for each in &packed {
        check_files(project, each).with_context(|| format!("the packed crate {}", each.name))?;
    }
    build(project, &packed)
}

/// Says what crates.io or docs.rs would not like in a manifest.
fn faults(package: &Value) -> Vec<String> {
    let text = |key: &str| package[key].as_str().unwrap_or_default();
    let list = |key: &str| -> Vec<&str> {
        package[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let mut faults = Vec::new();
    let mut must = |holds: bool, fault: String| {
        if !holds {
            faults.push(fault);
        }
    };
    for key in ["description", "license", "repository", "rust_version"] {
        must(!text(key).is_empty(), format!("there is no `{key}`"));
    }
    must(text("readme") == "README.md", "there is no README.md beside it".to_owned());
    let documentation = format!("https://docs.rs/{}", text("name"));
    must(text("documentation") == documentation, format!("`documentation` is not {documentation}"));
    let (keywords, categories) = (list("keywords"), list("categories"));
    must((1..=5).contains(&keywords.len()), "there must be 1 to 5 keywords".to_owned());
    for keyword in keywords {
        let has_form = keyword.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
        must(has_form && keyword.len() <= 20, format!("crates.io refuses the keyword `{keyword}`"));
    }
    must((1..=5).contains(&categories.len()), "there must be 1 to 5 categories".to_owned());
    for category in categories {
        must(CATEGORIES.contains(&category), format!("the category `{category}` is not a known one"));
    }
    faults
}

/// Fails if a crate is large, or has a file that is none of its own sources, or that names a folder of this machine.
fn check_files(project: &Project, packed: &Packed) -> Result<()> {
    let size = fs::metadata(&packed.archive).context("it is missing")?.len();
    ensure!(size <= LARGEST, "it has {size} bytes, more than {LARGEST}");
    let here: Vec<String> = [Some(project.root.clone()), cargo_home()]
        .into_iter()
        .flatten()
        .map(|path| path.display().to_string())
        .collect();
    for file in stamp::sources(&packed.folder)? {
        let path = file.strip_prefix(&packed.folder)?;
        ensure!(is_wanted(path), "{} is not for users: does its manifest say `include`?", path.display());
        let text = read(&file)?;
        let named = here.iter().find(|folder| text.contains(*folder));
        ensure!(named.is_none(), "{} names {}", path.display(), named.map_or("", String::as_str));
    }
    println!("{}: {size} bytes", packed.name);
    Ok(())
}

/// Returns whether a user needs the file.
fn is_wanted(path: &Path) -> bool {
    let names: Vec<_> = path.iter().map(|name| name.to_string_lossy()).collect();
    match names.as_slice() {
        [name] => {
            matches!(&**name, "Cargo.toml" | "Cargo.toml.orig" | ".cargo_vcs_info.json" | "README.md")
                || name.starts_with("LICENSE-")
        }
        // The schema of the example that is a whole application.
        [first, last] if first == "examples" => last.ends_with(".rs") || last == "axum.sql",
        [first, .., last] => {
            first == "src"
                && (last.ends_with(".rs") || last.ends_with(".sql"))
                && !names.iter().any(|name| name == "tests" || name == "tests.rs")
        }
        [] => false,
    }
}

/// Builds the packed crates and their examples, and runs the examples of their documentation: each is a program that
/// depends on them. The folder is a workspace of its own, so nothing else of the repository is there.
fn build(project: &Project, packed: &[Packed]) -> Result<()> {
    let folder = crates::folder(project)?;
    let names = packed.iter().filter_map(|each| Some((&each.name, each.folder.file_name()?.to_str()?)));
    let (mut members, mut patches) = (String::new(), String::new());
    for (name, folder) in names {
        members += &format!("{folder:?}, ");
        patches += &format!("{name} = {{ path = {folder:?} }}\n");
    }
    let manifest =
        format!("[workspace]\nresolver = \"3\"\nmembers = [{members}]\n\n[patch.crates-io]\n{patches}");
    write(&folder.join("Cargo.toml"), &manifest)?;
    write(&folder.join("Cargo.lock"), &read(&project.root.join("Cargo.lock"))?)?;
    fs::create_dir_all(folder.join(".cargo"))?;
    write(&folder.join(".cargo/config.toml"), crates::PROFILE)?;
    let cargo = || crates::building(project, Cmd::new("cargo").dir(&folder));
    cargo().args(["build", "--workspace", "--lib", "--bins", "--examples"]).run()?;
    cargo().args(["test", "--workspace", "--doc"]).run()
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_manifest_without_faults_has_everything_that_crates_io_shows() {
        let good = json!({
            "name": "a", "description": "An A", "license": "MIT", "repository": "https://example.com", "rust_version": "1.89",
            "readme": "README.md", "documentation": "https://docs.rs/a", "keywords": ["a-1"], "categories": ["wasm"],
        });
        assert_eq!(faults(&good), [""; 0]);
        for (key, wrong) in [
            ("description", json!(null)),
            ("rust_version", json!(null)),
            ("readme", json!("../README.md")),
            ("documentation", json!("https://docs.rs/b")),
            ("keywords", json!([])),
            ("keywords", json!(["a", "b", "c", "d", "e", "f"])),
            ("keywords", json!(["twenty-one-characters"])),
            ("categories", json!(["websockets"])),
        ] {
            let mut bad = good.clone();
            bad[key] = wrong;
            assert_eq!(faults(&bad).len(), 1, "{bad}");
        }
    }

    #[test]
    fn users_get_sources_and_no_tests() {
        let wanted = |path: &str| is_wanted(Path::new(path));
        assert!(
            wanted("Cargo.toml")
                && wanted("LICENSE-MIT")
                && wanted("src/a/b.rs")
                && wanted("src/a.sql")
                && wanted("examples/a.rs")
        );
        for path in [
            "clippy.toml",
            "src/a/tests.rs",
            "src/a/tests/b.rs",
            "tests/a.rs",
            "src/key.pem",
            "npm/package.json",
        ] {
            assert!(!wanted(path), "{path}");
        }
    }
}
