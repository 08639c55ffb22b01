//! Plants bugs in the text of a source file: each edit becomes an `if` between the bug's code and the true one.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::bugs::{Bug, Edit};
use crate::project::read;

/// Returns the changed files by their path, with all bugs in them.
///
/// # Errors
/// When a bug cannot be planted. The error names every such bug.
pub(super) fn plant_all(root: &Path, bugs: &[Bug]) -> Result<BTreeMap<String, String>> {
    let mut edits_of: BTreeMap<&str, Vec<(&Bug, &Edit)>> = BTreeMap::new();
    for bug in bugs {
        for edit in &bug.edits {
            edits_of.entry(&edit.file).or_default().push((bug, edit));
        }
    }
    let mut planted = BTreeMap::new();
    let mut failures = Vec::new();
    for (file, edits) in edits_of {
        let names = || edits.iter().map(|(bug, _)| &*bug.name).collect::<Vec<_>>().join(", ");
        let text = read(&root.join(file)).with_context(|| format!("a file of the planted bugs {}", names()));
        match text.and_then(|text| plant(&text, &edits)) {
            Ok(text) => drop(planted.insert(file.to_owned(), text)),
            Err(error) => failures.push(format!("{error:#}")),
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(planted)
}

/// An edit, and the part of the text that it replaces.
#[derive(Debug)]
struct Located<'a> {
    range: Range<usize>,
    bug: &'a Bug,
    edit: &'a Edit,
}

fn plant(text: &str, edits: &[(&Bug, &Edit)]) -> Result<String> {
    let mut located = Vec::new();
    let mut failures = Vec::new();
    for &(bug, edit) in edits {
        match locate(text, bug, edit) {
            Ok(range) => located.push(Located { range, bug, edit }),
            Err(error) => failures.push(error.to_string()),
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    // An edit comes before the edits within it.
    located.sort_by_key(|edit| (edit.range.start, usize::MAX - edit.range.end));
    render(text, 0..text.len(), &located)
}

/// Finds the one place in the text that an edit means.
fn locate(text: &str, bug: &Bug, edit: &Edit) -> Result<Range<usize>> {
    // White space does not count, so that code may be formatted anew.
    let solid: Vec<(usize, char)> = text.char_indices().filter(|(_, one)| !one.is_whitespace()).collect();
    let code = |code: &str| code.chars().filter(|one| !one.is_whitespace()).collect::<Vec<char>>();
    let (before, find) = (code(&edit.before), code(&edit.find));
    let whole = [&*before, &*find].concat();
    let is_there = |part: &&[(usize, char)]| part.iter().map(|(_, one)| one).eq(&whole);
    let places: Vec<_> =
        solid.windows(whole.len()).filter(is_there).map(|part| &part[before.len()..]).collect();
    let (Bug { name, told_in, .. }, Edit { file, .. }) = (bug, edit);
    let code = format!("{}{}", edit.before, edit.find);
    match *places {
        [[(start, _), .., (last, one)]] => Ok(*start..last + one.len_utf8()),
        [[(start, one)]] => Ok(*start..start + one.len_utf8()),
        [] => bail!(
            "the bug `{name}` cannot be planted: {file} does not hold this code:\n{code}  \
             Was that code changed? Write the new code into tests/planted/{told_in}, so that the bug is the same as before."
        ),
        _ => bail!(
            "the bug `{name}` cannot be planted: {file} holds this code {} times:\n{code}  \
             Write more of it into tests/planted/{told_in}, so that it occurs once. Code right before it has a space for a `-`.",
            places.len()
        ),
    }
}

/// Returns a part of the text with these edits, which are all within it.
fn render(text: &str, part: Range<usize>, mut edits: &[Located<'_>]) -> Result<String> {
    let mut planted = String::new();
    let mut at = part.start;
    while let [edit, others @ ..] = edits {
        let Range { start, end } = edit.range;
        let within = others.iter().take_while(|other| other.range.end <= end).count();
        let (inner, after) = others.split_at(within);
        if let Some(other) = after.first().filter(|other| other.range.start < end) {
            bail!(
                "the bugs `{}` and `{}` overlap in {}: let one replace a part of what the other replaces",
                edit.bug.name,
                other.bug.name,
                edit.edit.file,
            );
        }
        planted.push_str(&text[at..start]);
        planted.push_str(&guarded(edit, &render(text, start..end, inner)?));
        (at, edits) = (end, after);
    }
    planted.push_str(&text[at..part.end]);
    Ok(planted)
}

/// Returns the code that decides at run time whether the bug is there.
fn guarded(edit: &Located<'_>, code: &str) -> String {
    let name = &edit.bug.name;
    let bug = edit.edit.replacement.trim();
    let chosen = format!(
        "if tidings_shared::planted::is(tidings_shared::planted::Bug::{name}) {{ {bug} }} else {{ {code} }}"
    );
    let is_statement = edit.edit.find.trim().ends_with([';', '}']);
    if is_statement { chosen } else { format!("({chosen})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bug(name: &str, find: &str, replacement: &str) -> Bug {
        let edit = Edit {
            file: "log.rs".to_owned(),
            before: String::new(),
            find: find.to_owned(),
            replacement: replacement.to_owned(),
        };
        Bug { name: name.to_owned(), told_in: "hub.md".to_owned(), found: Vec::new(), edits: vec![edit] }
    }

    fn planted(text: &str, bugs: &[Bug]) -> Result<String> {
        let edits: Vec<_> =
            bugs.iter().flat_map(|bug| bug.edits.iter().map(move |edit| (bug, edit))).collect();
        let planted = plant(text, &edits)?;
        Ok(planted.replace("tidings_shared::planted::is(tidings_shared::planted::Bug::", "is("))
    }

    fn refused(text: &str, bugs: &[Bug]) -> String {
        planted(text, bugs).expect_err("the bugs cannot be planted").to_string()
    }

    #[test]
    fn an_expression_and_a_statement_become_a_choice() -> Result<()> {
        let bugs = [bug("A", "known == since", "true"), bug("B", "self.push(one);", "")];
        let text = "let same = known\n    == since;\nself.push(one);\n";
        let expected = "let same = (if is(A) { true } else { known\n    == since });\n\
            if is(B) {  } else { self.push(one); }\n";
        assert_eq!(planted(text, &bugs)?, expected);
        Ok(())
    }

    #[test]
    fn bugs_within_one_expression_are_all_planted() -> Result<()> {
        let bugs = [bug("Inner", "b", "c"), bug("Outer", "a == b", "true"), bug("Same", "a == b", "false")];
        let expected = "x((if is(Outer) { true } else { (if is(Same) { false } else { a == (if is(Inner) { c } else { b }) }) }))";
        assert_eq!(planted("x(a == b)", &bugs)?, expected);
        Ok(())
    }

    #[test]
    fn code_before_an_edit_tells_it_from_others_and_stays() -> Result<()> {
        let mut bug = bug("A", "wake();", "");
        bug.edits[0].before = "end();\n".to_owned();
        assert_eq!(
            planted("wake();\nend();\n    wake();", &[bug])?,
            "wake();\nend();\n    if is(A) {  } else { wake(); }"
        );
        Ok(())
    }

    #[test]
    fn code_that_is_not_there_once_is_an_error_that_says_what_to_do() {
        let bugs = [bug("A", "gone", "x"), bug("B", "twice", "x")];
        let error = refused("twice(); twice();", &bugs);
        assert!(error.contains("`A` cannot be planted: log.rs does not hold this code:\ngone"), "{error}");
        assert!(error.contains("Write the new code into tests/planted/hub.md"), "{error}");
        assert!(error.contains("`B` cannot be planted: log.rs holds this code 2 times:\ntwice"), "{error}");
    }

    #[test]
    fn bugs_that_overlap_are_refused() {
        let error = refused("a + b + c", &[bug("A", "a + b", "x"), bug("B", "b + c", "x")]);
        assert!(error.contains("the bugs `A` and `B` overlap in log.rs"), "{error}");
    }
}
