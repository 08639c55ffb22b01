//! The tables of frames in PROTOCOL.md, from the definitions in `shared/src/frame`.
//!
//! Their text is in doc comments, which no Rust value has, so this reads the source. It relies on the layout that rustfmt
//! gives, and fails at a line that it does not understand. (syn would make this crate slower to compile.)

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};

use super::docs::first_paragraph;

/// A frame, or a value of an enum.
#[derive(Debug, PartialEq, Eq)]
struct Variant {
    name: String,
    docs: String,
    members: Vec<Member>,
}

#[derive(Debug, PartialEq, Eq)]
struct Member {
    name: String,
    is_optional: bool,
    r#type: String,
    docs: String,
}

/// A table of the frames that `declaration` (`pub enum ServerFrame`) declares: a row for each, and one for each member.
pub(super) fn frames_table(source: &str, declaration: &str) -> Result<String> {
    let mut table = "| `op` | member | type | |\n|---|---|---|---|\n".to_owned();
    for frame in variants(source, declaration)? {
        let _ = writeln!(table, "| `{}` | | | {} |", frame.name, frame.docs);
        push_members(&mut table, &frame.members);
    }
    Ok(table)
}

/// A table of objects within frames: the name that the page gives to each, and the struct that declares it.
pub(super) fn objects_table(source: &str, objects: &[(&str, &str)]) -> Result<String> {
    let mut table = "| object | member | type | |\n|---|---|---|---|\n".to_owned();
    for (name, declaration) in objects {
        let (docs, members) = object(source, declaration)?;
        let _ = writeln!(table, "| {name} | | | {docs} |");
        push_members(&mut table, &members);
    }
    Ok(table)
}

/// A table of the values of an enum.
pub(super) fn values_table(source: &str, declaration: &str, heading: &str) -> Result<String> {
    let mut table = format!("| {heading} | meaning |\n|---|---|\n");
    for value in variants(source, declaration)? {
        let _ = writeln!(table, "| `{}` | {} |", value.name, value.docs);
    }
    Ok(table)
}

fn push_members(table: &mut String, members: &[Member]) {
    for Member { name, is_optional, r#type, docs } in members {
        let optional = if *is_optional { "?" } else { "" };
        let _ = writeln!(table, "| | `{name}`{optional} | {} | {docs} |", r#type);
    }
}

fn variants(source: &str, declaration: &str) -> Result<Vec<Variant>> {
    parse(declared(source, declaration)?.1, source)
}

/// The docs and the members of a struct.
fn object(source: &str, declaration: &str) -> Result<(String, Vec<Member>)> {
    let (docs, lines) = declared(source, declaration)?;
    let object =
        parse(&format!("Object {{\n{lines}\n}}"), source)?.pop().context("an object has no members")?;
    Ok((docs, object.members))
}

/// The docs of a declaration, and the lines between its braces.
fn declared<'a>(source: &'a str, declaration: &str) -> Result<(String, &'a str)> {
    let find = || {
        let (before, rest) = source.split_once(&format!("\n{declaration}"))?;
        let (_, body) = rest.split_once("{\n")?;
        let above = before.lines().rev().take_while(|line| line.starts_with("///") || line.starts_with("#["));
        let mut docs: Vec<&str> = above.filter_map(|line| line.strip_prefix("///")).collect();
        docs.reverse();
        Some((first_paragraph(docs.into_iter()), body.split_once("\n}\n")?.0))
    };
    find().with_context(|| format!("the source does not declare `{declaration}`"))
}

/// Reads variants and their members, each on lines of its own. A member of the type `Publish` stands for that struct's members.
fn parse(body: &str, source: &str) -> Result<Vec<Variant>> {
    let mut variants: Vec<Variant> = Vec::new();
    let (mut docs, mut attributes) = (Vec::new(), String::new());
    for line in body.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            docs.push(text);
            continue;
        }
        if line.starts_with("#[") {
            attributes.push_str(line);
            continue;
        }
        let member = line.trim_start_matches("pub ").trim_end_matches(',').split_once(": ");
        let variant = line.strip_suffix(" {").or_else(|| line.strip_suffix(','));
        match (member, variant) {
            (Some((_, "Publish<P>")), _) => {
                docs.clear();
                let (_, members) = object(source, "pub struct Publish<P")?;
                variants.last_mut().context("a member stands outside of a variant")?.members.extend(members);
            }
            (Some((name, rust_type)), _) => {
                let member = Member {
                    name: name.trim_start_matches("r#").to_owned(),
                    is_optional: attributes.contains("skip_serializing_if")
                        || rust_type.starts_with("Option<"),
                    r#type: type_text(rust_type)?,
                    docs: first_paragraph(docs.drain(..)),
                };
                variants.last_mut().context("a member stands outside of a variant")?.members.push(member);
            }
            (None, Some(name)) if name != "}" => {
                let docs = first_paragraph(docs.drain(..));
                // This version reads such a variant, and never writes it.
                let is_sent = !attributes.contains("serde(skip)") && !attributes.contains("serde(other)");
                let name = if is_sent { snake_case(name) } else { String::new() };
                variants.push(Variant { name, docs, members: Vec::new() });
            }
            _ if line == "}" || line == "}," => {}
            _ => bail!("this line of a frame's definition is not understood: {line}"),
        }
        attributes.clear();
    }
    variants.retain(|variant| !variant.name.is_empty());
    Ok(variants)
}

/// A Rust type as PROTOCOL.md names it.
fn type_text(rust_type: &str) -> Result<String> {
    let inner = |start: &str| rust_type.strip_prefix(start).and_then(|rest| rest.strip_suffix('>'));
    if let Some(inner) = inner("Option<") {
        return type_text(inner);
    }
    if let Some(inner) = inner("Vec<") {
        return Ok(format!("list of {}s", type_text(inner)?));
    }
    Ok(match rust_type {
        "String" => "text",
        "u64" => "integer",
        "bool" => "boolean",
        "Uuid" => "UUID",
        "RawEvent<P>" => "event",
        "AnnouncedLimits" => "limits",
        "TopicOutcome" => "topic outcome",
        "Outcome" => "outcome",
        "UnknownDomain" => "unknown domain",
        "Fingerprints" => "fingerprints",
        _ => bail!("PROTOCOL.md has no name for the type `{rust_type}`: add one here"),
    }
    .to_owned())
}

fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for (index, character) in name.chars().enumerate() {
        if character.is_uppercase() && index > 0 {
            text.push('_');
        }
        text.extend(character.to_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"
/// Frames.
///
/// More.
#[derive(Debug)]
pub enum Frame<P = Box<RawValue>> {
    /// Answers `token`.
    TokenAccepted {
        /// The number.
        r#ref: u64,
        /// The topics.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        topics: Vec<TopicOutcome>,
    },
    /// Nothing else.
    Pong,
    /// Publishes.
    Publish {
        /// Its members.
        publish: Publish<P>,
    },
    /// Never sent.
    #[serde(skip)]
    Unknown {
        /// Its operation.
        op: String,
    },
}

/// A publish.
pub struct Publish<P = Box<RawValue>> {
    /// The key.
    pub key: Option<Uuid>,
}

/// An object.
pub struct Object {
    /// A name.
    pub name: String,
}
"#;

    #[test]
    fn a_table_has_a_row_for_each_frame_that_is_sent_and_for_each_member() -> Result<()> {
        let expected = "| `op` | member | type | |\n|---|---|---|---|\n\
            | `token_accepted` | | | Answers `token`. |\n\
            | | `ref` | integer | The number. |\n\
            | | `topics`? | list of topic outcomes | The topics. |\n\
            | `pong` | | | Nothing else. |\n\
            | `publish` | | | Publishes. |\n\
            | | `key`? | UUID | The key. |\n";
        assert_eq!(frames_table(SOURCE, "pub enum Frame")?, expected);
        let expected = "| object | member | type | |\n|---|---|---|---|\n\
            | `it` | | | An object. |\n| | `name` | text | A name. |\n";
        assert_eq!(objects_table(SOURCE, &[("`it`", "pub struct Object")])?, expected);
        Ok(())
    }

    #[test]
    fn a_line_that_is_not_understood_is_an_error() {
        assert!(frames_table(&SOURCE.replace("Pong,", "Pong = 7"), "pub enum Frame").is_err());
        assert!(frames_table(&SOURCE.replace("ref: u64", "ref: u63"), "pub enum Frame").is_err());
        assert!(frames_table(SOURCE, "pub enum Other").is_err());
    }
}
