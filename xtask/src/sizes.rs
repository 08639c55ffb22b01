//! Compares the brotli size of the files that a browser loads with budgets.
//!
//! The files of an entry are found by its imports, static and dynamic ones.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cmd::Cmd;
use crate::project::{Project, read, read_json};

/// Budgets in bytes after brotli.
const SHELL: usize = 10 * 1024;
const URL_CORE: usize = 47 * 1024;
const DEFAULT_ENTRY: usize = 57 * 1024;
/// An entry that binds a library of the page to a client. It comes on top of the client.
const HELPER: usize = 1024 + 512;

/// Compresses each file by brotli at its highest quality, which is Node's default, and prints its size.
const BROTLI: &str = "for (const file of process.argv.slice(1)) \
    console.log(require('node:zlib').brotliCompressSync(require('node:fs').readFileSync(file)).length)";

/// One line of the table.
struct Line {
    what: &'static str,
    files: BTreeSet<PathBuf>,
    budget: Option<usize>,
}

/// Prints the sizes. Fails if one exceeds its budget.
pub(crate) fn check(project: &Project) -> Result<()> {
    let mut over = Vec::new();
    println!("\nsize in brotli, KiB        is  budget");
    for line in lines(project)? {
        let size = brotli(&line.files)?;
        let budget = line.budget.map(kib).unwrap_or_default();
        println!("{:<22} {:>7} {budget:>7}", line.what, kib(size));
        if let Some(budget) = line.budget.filter(|budget| size > *budget) {
            over.push(format!("{}: {} KiB exceed the budget of {}", line.what, kib(size), kib(budget)));
        }
    }
    if !over.is_empty() {
        bail!("the npm package is too big:\n{}", over.join("\n"));
    }
    Ok(())
}

fn lines(project: &Project) -> Result<Vec<Line>> {
    let package = project.npm_package();
    let main = Graph::of(&package, ".")?;
    let url = Graph::of(&package, "./url")?;
    let helper = |entry| Ok::<_, anyhow::Error>(Graph::of(&package, entry)?.all);
    let beside = &url.all - &main.at_once;
    let is_wasm = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "wasm");
    let (wasm, glue) = beside.iter().cloned().partition(is_wasm);
    let line = |what, files, budget| Line { what, files, budget };
    Ok(vec![
        line("wasm", wasm, None),
        line("glue", glue, None),
        line("tidings/url: both", beside, Some(URL_CORE)),
        line("shell", main.at_once.clone(), Some(SHELL)),
        line("default entry, in all", main.all, Some(DEFAULT_ENTRY)),
        line("tidings/react", helper("./react")?, Some(HELPER)),
        line("tidings/query", helper("./query")?, Some(HELPER)),
    ])
}

fn kib(bytes: usize) -> String {
    format!("{}.{:02}", bytes / 1024, bytes % 1024 * 100 / 1024)
}

fn brotli(files: &BTreeSet<PathBuf>) -> Result<usize> {
    let sizes = Cmd::new("node").args(["--eval", BROTLI, "--"]).args(files).read()?;
    let sizes = sizes.lines().map(|line| line.parse::<usize>().context("node printed no size"));
    sizes.sum()
}

/// The files of one entry of the package.
#[derive(Debug, Default)]
struct Graph {
    /// The files that static imports load.
    at_once: BTreeSet<PathBuf>,
    /// The same, and the files that are loaded later.
    all: BTreeSet<PathBuf>,
}

impl Graph {
    fn of(package: &Path, entry: &str) -> Result<Self> {
        let path = package.join("package.json");
        let json = read_json(&path)?;
        let file = export(&json["exports"][entry]).with_context(|| {
            format!("{} does not say which file `exports[\"{entry}\"]` is", path.display())
        })?;
        let mut graph = Self::default();
        graph.follow(package.join(file), true)?;
        Ok(graph)
    }

    fn follow(&mut self, file: PathBuf, at_once: bool) -> Result<()> {
        let is_new = self.all.insert(file.clone());
        let is_new_at_once = at_once && self.at_once.insert(file.clone());
        let is_module = file.extension().is_some_and(|extension| extension == "js" || extension == "mjs");
        if !is_module || !(is_new || is_new_at_once) {
            return Ok(());
        }
        for (relative, imported_at_once) in imports(&read(&file)?) {
            let folder = file.parent().unwrap_or(Path::new(""));
            let target = folder.join(&relative);
            let target =
                target.canonicalize().with_context(|| format!("{} names {relative}", file.display()))?;
            self.follow(target, at_once && imported_at_once)?;
        }
        Ok(())
    }
}

/// Returns the file of `exports` that a bundler for browsers uses.
fn export(entry: &Value) -> Option<&str> {
    let condition = || ["browser", "import", "default"].iter().find_map(|name| entry.get(name));
    entry.as_str().or_else(|| export(condition()?))
}

/// Returns the relative files that a module imports, and whether the import is static.
fn imports(module: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for quote in ['"', '\''] {
        // Comments and texts may contain quotes: only a quote after an import counts.
        for (at, _) in module.match_indices(&format!("{quote}.")) {
            let before = module[..at].trim_end();
            let text = &module[at + 1..];
            let Some(end) = text.find(quote) else { continue };
            let at_once = before.ends_with("from") || before.ends_with("import");
            let later = before.ends_with("import(") || before.ends_with("new URL(");
            if at_once || later {
                found.push((text[..end].to_owned(), at_once));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_told_apart_by_when_they_load() {
        let module = r#"import{a}from"./a.js";import './b.js'; const c = () => import("./c.js");
            const d = new URL("../d.wasm", import.meta.url); const e = "./not.js"; import "other";"#;
        let mut found = imports(module);
        found.sort();
        let expected = [("../d.wasm", false), ("./a.js", true), ("./b.js", true), ("./c.js", false)];
        assert_eq!(found, expected.map(|(file, at_once)| (file.to_owned(), at_once)));
    }

    #[test]
    fn the_file_of_an_entry_is_the_one_for_browsers() {
        let entry =
            serde_json::json!({"types": "./a.d.ts", "workerd": "./w.js", "import": {"default": "./a.js"}});
        assert_eq!(export(&entry), Some("./a.js"));
        assert_eq!(export(&serde_json::json!("./b.js")), Some("./b.js"));
        assert_eq!(export(&serde_json::json!({"types": "./a.d.ts"})), None);
    }

    #[test]
    fn sizes_are_told_in_hundredths() {
        assert_eq!(kib(0), "0.00");
        assert_eq!(kib(5 * 1024 + 512), "5.50");
        assert_eq!(kib(1034), "1.00");
    }
}
