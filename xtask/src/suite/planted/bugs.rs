//! Reads the bugs that are to be planted. `tests/planted/README.md` describes their form.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::project::read;
use crate::stamp::sources;

/// A bug to plant.
#[derive(Debug, PartialEq)]
pub(super) struct Bug {
    pub(super) name: String,
    /// The file that describes it.
    pub(super) told_in: String,
    pub(super) found: Vec<Found>,
    pub(super) edits: Vec<Edit>,
}

/// Where the simulation must find a bug.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    /// The function of the simulation's `Config` that draws the runs.
    pub(super) runs: String,
    /// The invariants, one of which the bug must break.
    pub(super) by: Vec<String>,
}

/// A change of a source file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Edit {
    /// The file's path from the root of the repository.
    pub(super) file: String,
    /// The code right before, which stays.
    pub(super) before: String,
    /// The code to find.
    pub(super) find: String,
    /// The code in its place while the bug is planted.
    pub(super) replacement: String,
}

/// Reads all bugs of a folder, in the order of its files.
///
/// # Errors
/// When a file has another form than its README says.
pub(super) fn read_all(folder: &Path) -> Result<Vec<Bug>> {
    let mut bugs: Vec<Bug> = Vec::new();
    for file in sources(folder)? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name != "README.md" {
            bugs.extend(parse(&name, &read(&file)?)?);
        }
    }
    for (index, bug) in bugs.iter().enumerate() {
        let is_new = bugs[..index].iter().all(|other| other.name != bug.name);
        ensure!(is_new, "two bugs are named `{}`: rename the one in {}", bug.name, bug.told_in);
    }
    Ok(bugs)
}

fn parse(told_in: &str, text: &str) -> Result<Vec<Bug>> {
    let mut bugs: Vec<Bug> = Vec::new();
    let mut file = None;
    let mut is_diff = false;
    for (number, line) in text.lines().enumerate() {
        let at = || format!("{told_in}, line {}", number + 1);
        if let Some(name) = line.strip_prefix("## ") {
            let (name, told_in) = (name.trim().to_owned(), told_in.to_owned());
            bugs.push(Bug { name, told_in, found: Vec::new(), edits: Vec::new() });
        }
        // Before the first bug, a file says what it is about.
        let Some(bug) = bugs.last_mut() else { continue };
        if line.starts_with("```") {
            is_diff = line == "```diff";
            file = None;
        } else if let Some(found) = line.strip_prefix("Found ") {
            bug.found.push(parse_found(found).with_context(at)?);
        } else if let Some(path) = line.strip_prefix("--- ").filter(|_| is_diff) {
            file = Some(path.trim().to_owned());
        } else if is_diff {
            let file = file.as_ref().with_context(at).context("a diff begins with `--- ` and a file")?;
            parse_edit(&mut bug.edits, file, line).with_context(at)?;
        }
    }
    for bug in &bugs {
        check(bug).with_context(|| format!("the bug `{}` in {told_in}", bug.name))?;
    }
    Ok(bugs)
}

/// Parses `by: A, B` or `in RUNS by: A, B`.
fn parse_found(text: &str) -> Result<Found> {
    let (runs, by) = text.split_once("by: ").context("it must be `Found by: A, B`")?;
    let runs = match runs.trim() {
        "" => "draw",
        runs => runs.strip_prefix("in ").context("it must be `Found in RUNS by: A, B`")?,
    };
    Ok(Found { runs: runs.to_owned(), by: by.split(',').map(|one| one.trim().to_owned()).collect() })
}

/// Adds a line of a diff to the last edit, or to a new one.
fn parse_edit(edits: &mut Vec<Edit>, file: &str, line: &str) -> Result<()> {
    let kind = line.chars().next().filter(|kind| [' ', '-', '+'].contains(kind));
    let kind = kind.context("a line of a diff begins with a space, `-` or `+`")?;
    let continues = |edit: &Edit| {
        let goes_back = kind != '+' && !edit.replacement.is_empty() || kind == ' ' && !edit.find.is_empty();
        edit.file == file && !goes_back
    };
    if !edits.last().is_some_and(continues) {
        edits.push(Edit { file: file.to_owned(), ..Edit::default() });
    }
    let edit = edits.last_mut().context("there is an edit")?;
    let text = match kind {
        ' ' => &mut edit.before,
        '-' => &mut edit.find,
        _ => &mut edit.replacement,
    };
    text.push_str(&line[1..]);
    text.push('\n');
    Ok(())
}

fn check(bug: &Bug) -> Result<()> {
    let is_name = bug.name.starts_with(char::is_uppercase) && bug.name.chars().all(char::is_alphanumeric);
    ensure!(is_name, "a name is like `TagSkipped`");
    ensure!(!bug.found.is_empty(), "no line `Found by: ` names the invariants that it breaks");
    ensure!(!bug.edits.is_empty(), "no block that begins with \"```diff\" says what to replace");
    for edit in &bug.edits {
        let find = edit.find.trim();
        ensure!(!find.is_empty(), "no line that begins with `-` says what to find in {}", edit.file);
        let is_statement = find.ends_with([';', '}']);
        ensure!(!find.starts_with("let "), "`{find}` is a `let`: name only the expression");
        ensure!(is_statement || !edit.replacement.trim().is_empty(), "nothing replaces `{find}`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# Bugs of a test

```diff
this is no bug
```

## TagSkipped
Tags are not compared.
Found by: NoHole, TruePosition
Found in pings by: NoHole

```diff
--- a.rs
- known == since
+ known.epoch ==
+     since.epoch
- gone();
  before();
- gone();
--- b.rs
- x
+ y
```
";

    #[test]
    fn a_bug_has_a_name_invariants_and_edits() -> Result<()> {
        let bugs = parse("hub.md", TEXT)?;
        let edit = |file: &str, before: &str, find: &str, replacement: &str| Edit {
            file: file.to_owned(),
            before: before.to_owned(),
            find: find.to_owned(),
            replacement: replacement.to_owned(),
        };
        let found = |runs: &str, by: &[&str]| Found {
            runs: runs.to_owned(),
            by: by.iter().map(|&one| one.to_owned()).collect(),
        };
        let expected = Bug {
            name: "TagSkipped".to_owned(),
            told_in: "hub.md".to_owned(),
            found: vec![found("draw", &["NoHole", "TruePosition"]), found("pings", &["NoHole"])],
            edits: vec![
                edit("a.rs", "", " known == since\n", " known.epoch ==\n     since.epoch\n"),
                edit("a.rs", "", " gone();\n", ""),
                edit("a.rs", " before();\n", " gone();\n", ""),
                edit("b.rs", "", " x\n", " y\n"),
            ],
        };
        assert_eq!(bugs, [expected]);
        Ok(())
    }

    #[test]
    fn another_form_is_refused_with_the_bugs_name_or_the_line() {
        let refused = |from: &str, to: &str| {
            let error = parse("hub.md", &TEXT.replace(from, to)).expect_err("the form is wrong");
            format!("{error:#}")
        };
        let cases = [
            ("TagSkipped", "a tag", "the bug `a tag` in hub.md: a name is like `TagSkipped`"),
            ("by: NoHole, T", "with: T", "hub.md, line 9: it must be `Found by: A, B`"),
            ("Found ", "It is ", "no line `Found by: `"),
            (
                "- gone();\n  ",
                "* gone();\n  ",
                "hub.md, line 17: a line of a diff begins with a space, `-` or `+`",
            ),
            ("- x", "- let x = 1;", "`let x = 1;` is a `let`: name only the expression"),
            ("+ y", "", "a line of a diff begins"),
            ("- gone();\n--", "- gone()\n--", "nothing replaces `gone()`"),
        ];
        for (from, to, says) in cases {
            let error = refused(from, to);
            assert!(error.contains(says), "{error}");
        }
    }
}
