//! `cargo xtask gen`: writes the files that are generated from Rust definitions: of the shipped domains, of the frames and
//! limits, and of a test domain with every type. The files are committed. The step `generated` fails if one is out of date.

mod docs;
mod frames;
mod limits;

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail};
use tidings_generate::{Home, asyncapi, codes_table, domains_table, json_schema, typescript, vectors};
use tidings_shared::domains::SHIPPED;
use tidings_shared::limits::{FIXED, SETTINGS};
use tidings_shared::schema::DomainSchema;

use crate::project::{Project, read};

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

/// Fails if a generated file is out of date.
pub(crate) fn check(project: &Project) -> Result<()> {
    for (path, text) in all(project)? {
        if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            bail!("{} is out of date: run `cargo xtask gen` and commit it", path.display());
        }
    }
    Ok(())
}

/// The test domain of `tests/vectors/types.json`.
const EVERY_TYPE: [DomainSchema; 1] = [DomainSchema::of::<every_type::Event>()];

/// Returns the path and the text of every generated file.
fn all(project: &Project) -> Result<Vec<(PathBuf, String)>> {
    let root = &project.root;
    let (protocol, core_limits) = (root.join("PROTOCOL.md"), root.join("client-wasm/core/src/limits.rs"));
    let text = tables(&read(&protocol)?, project)?;
    Ok(vec![
        (root.join("client-wasm/npm/src/domains.ts"), typescript(&SHIPPED, Home::Package)),
        (root.join("client-wasm/npm/src/limits.ts"), limits::shell_limits(&read(&core_limits)?)?),
        (root.join("shared/schema/events.schema.json"), json_schema(&SHIPPED)),
        (root.join("shared/schema/asyncapi.json"), asyncapi(&SHIPPED, env!("CARGO_PKG_VERSION"))),
        (root.join("tests/vectors/generated.json"), vectors(&SHIPPED)),
        (root.join("tests/own-domain/web/every-type.ts"), typescript(&EVERY_TYPE, Home::User)),
        (root.join("tests/every-type/events.schema.json"), json_schema(&EVERY_TYPE)),
        (protocol, text),
    ])
}

/// Returns PROTOCOL.md with current tables.
fn tables(text: &str, project: &Project) -> Result<String> {
    let client =
        ["client", "publish"].map(|file| read(&project.root.join(format!("shared/src/frame/{file}.rs"))));
    let client = client.into_iter().collect::<Result<String>>()?;
    let server = read(&project.root.join("shared/src/frame/server.rs"))?;
    let objects = [
        ("limits", "pub struct AnnouncedLimits"),
        ("topic outcome", "pub struct TopicOutcome"),
        ("unknown domain", "pub struct UnknownDomain"),
    ];
    let tables = [
        ("client frames", frames::frames_table(&client, "pub enum ClientFrame")?),
        ("server frames", frames::frames_table(&server, "pub enum ServerFrame")?),
        ("objects", frames::objects_table(&server, &objects)?),
        ("outcomes", frames::values_table(&server, "pub enum Outcome", "outcome")?),
        ("codes", codes_table()),
        ("fixed limits", limits::fixed_table(FIXED)),
        ("settings", limits::settings_table(SETTINGS)),
        ("domains", domains_table(&SHIPPED)),
    ];
    tables.iter().try_fold(text.to_owned(), |text, (name, table)| between(&text, name, table))
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
    fn only_the_text_between_the_marks_is_replaced() {
        let text = "a\n<!-- generated: x -->\nold\n<!-- end of x -->\nb\n";
        let expected = "a\n<!-- generated: x -->\nnew\n<!-- end of x -->\nb\n";
        assert_eq!(between(text, "x", "new\n").unwrap(), expected);
        assert!(between(text, "y", "new\n").is_err());
    }
}
