//! The packages that a package reaches through Cargo.toml, direct or not.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::rules::Reach;

/// Asks cargo for the tree of a rule's package, and returns one message for each package that must not be in it.
pub(crate) fn breaches(root: &Path, rule: &Reach) -> Result<Vec<String>> {
    let mut cargo = Command::new("cargo");
    cargo.args(["tree", "--locked", "--prefix", "depth", "--format", " {p}", "--package", rule.package]);
    cargo.args(rule.options).current_dir(root);
    let output = cargo.output().context("cannot start `cargo tree`")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`cargo tree --package {}` failed:\n{errors}", rule.package);
    let tree = String::from_utf8_lossy(&output.stdout);
    Ok(breaches_of(&tree, rule))
}

/// Reads lines such as `2 tokio v1.0.0`: the depth, the name, the version.
fn breaches_of(tree: &str, rule: &Reach) -> Vec<String> {
    let mut above: Vec<&str> = Vec::new();
    let mut breaches: Vec<(&str, String)> = Vec::new();
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        let (Some(depth), Some(name)) = (words.next().and_then(|depth| depth.parse().ok()), words.next())
        else {
            continue;
        };
        above.truncate(depth);
        above.push(name);
        let is_new = breaches.iter().all(|(known, _)| *known != name);
        if is_new && rule.never.iter().any(|names| names.contains(&name)) {
            breaches.push((name, above.join(" → ")));
        }
    }
    let message = |(name, chain)| {
        let Reach { package, options, says, .. } = rule;
        format!(
            "{package} reaches {name}: {chain}\n  Rule: {says}.\n  Remedy: take the dependency out of the manifest, \
             or turn off the feature that brings it. See `cargo tree -p {package} {} -i {name}`.",
            options.join(" ")
        )
    };
    breaches.into_iter().map(message).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Reach = Reach {
        package: "tidings-hub",
        options: &["--edges", "normal"],
        never: &[&["tokio"], &["warp"]],
        says: "the hub does no I/O",
    };

    #[test]
    fn a_package_that_is_reached_through_another_is_a_breach_and_the_message_shows_the_way() {
        let tree = "0 tidings-hub v0.1.0\n1 serde v1\n1 bytes v1\n2 loom v1\n3 tokio v1\n1 tokio v1 (*)\n";
        let breaches = breaches_of(tree, &RULE);
        assert_eq!(breaches.len(), 1, "{breaches:?}");
        assert!(breaches[0].contains("tidings-hub → bytes → loom → tokio\n"), "{breaches:?}");
        assert!(breaches[0].contains("cargo tree -p tidings-hub --edges normal -i tokio"), "{breaches:?}");
    }

    #[test]
    fn a_name_that_only_begins_like_a_forbidden_one_is_none() {
        assert!(breaches_of("0 tidings-hub v0.1.0\n1 tokio-like v1\n", &RULE).is_empty());
    }
}
