//! `cargo xtask gen`: writes what follows from the Rust definitions of the shipped domains, and of one with every type for
//! tests. It is committed, and a test step fails when it is not what the definitions say.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail};
use tidings_generate::{Home, asyncapi, codes_table, domains_table, json_schema, typescript, vectors};
use tidings_shared::schema::{DomainSchema, SHIPPED};

use crate::project::Project;

/// Writes every generated file that differs.
pub(crate) fn write(project: &Project) -> Result<()> {
    for (path, text) in all(project)? {
        if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
            println!("wrote {}", path.display());
        }
    }
    Ok(())
}

/// Fails when a generated file is not what the definitions say.
pub(crate) fn check(project: &Project) -> Result<()> {
    for (path, text) in all(project)? {
        if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            bail!(
                "{} is not what the Rust definitions say: run `cargo xtask gen` and commit it",
                path.display()
            );
        }
    }
    Ok(())
}

/// The domain that tests hold every side to, `tests/vectors/types.json`.
const EVERY_TYPE: [DomainSchema; 1] = [DomainSchema::of::<every_type::Event>()];

/// Every generated file, whole.
fn all(project: &Project) -> Result<Vec<(PathBuf, String)>> {
    let root = &project.root;
    let protocol = root.join("PROTOCOL.md");
    let text = fs::read_to_string(&protocol).with_context(|| format!("reading {}", protocol.display()))?;
    let text = between(&text, "codes", &codes_table())?;
    let text = between(&text, "domains", &domains_table(&SHIPPED))?;
    Ok(vec![
        (root.join("client-wasm/npm/src/domains.ts"), typescript(&SHIPPED, Home::Package)),
        (root.join("shared/schema/events.schema.json"), json_schema(&SHIPPED)),
        (root.join("shared/schema/asyncapi.json"), asyncapi(&SHIPPED, env!("CARGO_PKG_VERSION"))),
        (root.join("tests/vectors/generated.json"), vectors(&SHIPPED)),
        (root.join("tests/own-domain/web/every-type.ts"), typescript(&EVERY_TYPE, Home::User)),
        (root.join("tests/every-type/events.schema.json"), json_schema(&EVERY_TYPE)),
        (protocol, text),
    ])
}

/// Puts `new` between the marks `<!-- generated: NAME -->` and `<!-- end of NAME -->`.
fn between(text: &str, name: &str, new: &str) -> Result<String> {
    let (start, end) = (format!("<!-- generated: {name} -->\n"), format!("<!-- end of {name} -->"));
    let parts = text.split_once(&start).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = parts.with_context(|| format!("PROTOCOL.md has no marks for `{name}`"))?;
    Ok(format!("{before}{start}{new}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_the_marks_is_replaced_and_nothing_else() {
        let text = "a\n<!-- generated: x -->\nold\n<!-- end of x -->\nb\n";
        let expected = "a\n<!-- generated: x -->\nnew\n<!-- end of x -->\nb\n";
        assert_eq!(between(text, "x", "new\n").unwrap(), expected);
        assert!(between(text, "y", "new\n").is_err());
    }
}
