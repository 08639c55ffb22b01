//! Names that may stand in some files only, and the length of files. Neither a manifest nor clippy can check these.

use proc_macro2::{TokenStream, TokenTree};

use crate::rules::{Allowed, Words};

/// Longest source file, in lines: beyond it, two files are easier to read.
const MAX_LINES: usize = 500;

/// A source file: its path relative to the repository, with `/`, and its text.
pub(crate) type File = (String, String);

/// Returns one message for each file that breaks the rule.
pub(crate) fn breaches(files: &[File], rule: &Words) -> Vec<String> {
    let within = files.iter().filter(|(path, _)| path.ends_with(".rs") && is_under(path, rule.within));
    let naming: Vec<_> =
        within.filter_map(|(path, text)| Some((path, first_use(text, rule.words)?))).collect();
    let is_allowed = |path: &str| match rule.allowed {
        Allowed::Under(places) => is_under(path, places),
        Allowed::InOneFile => naming.len() == 1,
    };
    let bad = naming.iter().filter(|(path, _)| !is_allowed(path));
    let message = |(path, (word, line)): &(&String, (String, usize))| {
        let remedy = match rule.allowed {
            Allowed::Under([]) => "remove it, or take its value as an argument".to_owned(),
            Allowed::Under(places) => format!("move the code to {}", places.join(" or ")),
            Allowed::InOneFile => "keep it in one of these files".to_owned(),
        };
        format!("{path}:{line} names `{word}`\n  Rule: {}.\n  Remedy: {remedy}.", rule.says)
    };
    bad.map(message).collect()
}

/// Returns the first of these words that the code of `text` names, and the line. Comments and strings don't count.
fn first_use(text: &str, words: &[&str]) -> Option<(String, usize)> {
    // The compiler reports a file that is not Rust.
    find(text.parse().ok()?, words)
}

fn find(tokens: TokenStream, words: &[&str]) -> Option<(String, usize)> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) => {
            let name = ident.to_string();
            words.contains(&name.as_str()).then(|| (name, ident.span().start().line))
        }
        TokenTree::Group(group) => find(group.stream(), words),
        TokenTree::Punct(_) | TokenTree::Literal(_) => None,
    })
}

fn is_under(path: &str, places: &[&str]) -> bool {
    places
        .iter()
        .any(|place| path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Returns a message if the file is too long.
pub(crate) fn length_breach((path, text): &File) -> Option<String> {
    let lines = text.lines().count();
    // Nobody reads a generated file from top to bottom.
    let is_generated = text.lines().next().is_some_and(|line| line.starts_with("// Generated "));
    (lines > MAX_LINES && !is_generated).then(|| {
        format!("{path} has {lines} lines\n  Rule: a file has at most {MAX_LINES} lines.\n  Remedy: split it along its ideas.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        (path.to_owned(), text.to_owned())
    }

    fn rule(allowed: Allowed) -> Words {
        Words { says: "warp has its place", words: &["warp"], within: &["server/src"], allowed }
    }

    #[test]
    fn a_word_counts_as_a_whole_name_outside_of_comments_and_strings() {
        let names = |text: &str| first_use(text, &["warp"]).is_some();
        assert!(names("use warp::Filter;"));
        assert!(names("fn f() { g((warp)) }"));
        assert!(names("macro_rules! m { () => { let routes = (\"a\", warp::path(\"b\")); } }"));
        assert!(!names("// warp does routing"));
        assert!(!names("/// warp does routing\nfn f() {}"));
        assert!(!names("const MESSAGE: &str = \"warp does\n routing\";"));
        assert!(!names("fn f() { let warped = un_warp; }"));
    }

    #[test]
    fn a_forbidden_word_is_a_breach_only_within_the_folder_of_the_rule() {
        let files = [file("server/src/log.rs", "\nuse warp;"), file("server/srcs/a.rs", "use warp;")];
        let breaches = breaches(&files, &rule(Allowed::Under(&[])));
        assert_eq!(breaches.len(), 1, "{breaches:?}");
        assert!(breaches[0].starts_with("server/src/log.rs:2 names `warp`\n  Rule: warp has its place."));
    }

    #[test]
    fn a_word_with_one_home_may_stand_in_any_one_file() {
        let mut files = vec![file("server/src/http.rs", "use warp;"), file("server/src/log.rs", "")];
        assert!(breaches(&files, &rule(Allowed::InOneFile)).is_empty());
        files.push(file("server/src/main.rs", "fn main() { warp::serve() }"));
        assert_eq!(breaches(&files, &rule(Allowed::InOneFile)).len(), 2);
    }

    #[test]
    fn a_word_with_a_folder_may_stand_only_there() {
        let files = [file("server/src/http/a.rs", "use warp;"), file("server/src/http.rs", "use warp;")];
        assert_eq!(breaches(&files, &rule(Allowed::Under(&["server/src/http"]))).len(), 1);
    }

    #[test]
    fn a_file_of_501_lines_is_too_long() {
        assert_eq!(length_breach(&file("a.rs", &"x\n".repeat(MAX_LINES))), None);
        assert!(length_breach(&file("a.rs", &"x\n".repeat(MAX_LINES + 1))).is_some());
    }
}
