//! The step `own-domain`: follows the guide `tests/own-domain/README.md` in an empty folder, with the files and the commands
//! that the guide shows.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::markdown::{Folder, blocks_of};
use crate::cmd::Cmd;
use crate::package;
use crate::project::{Project, read};
use crate::setup::browser;

/// Follows the guide, compares its TypeScript with the committed file, and tests the result in a browser.
pub(crate) fn run(project: &Project) -> Result<()> {
    let (own, web) = (project.own_domain(), project.own_domain().join("web"));
    super::require_tests(&web)?;
    let mut folder = Folder::new(project, "own-domain")?;
    folder.refuse_wasm()?;
    let (mut programs, mut modules) = (Vec::new(), Vec::new());
    for (index, block) in blocks_of(&own.join("README.md"))?.into_iter().enumerate() {
        let name = format!("block_{index}");
        match (&*block.language, &block.path) {
            ("sh", _) if block.text.starts_with("curl ") => {} // the tests publish
            ("sh", _) => {
                folder.run(project, &block.text)?;
                folder.write("Cargo.lock", &read(&own.join("Cargo.lock"))?)?;
            }
            (_, Some(path)) => folder.write(path, &block.text)?,
            ("rust", None) => programs.push((name, with_main(&block.text))),
            ("ts", None) => modules.push((name, block.text)),
            (language, None) => ensure!(language.is_empty(), "a block of {language} names no file"),
        }
    }
    for (name, text) in programs {
        folder.write(&format!("examples/{name}.rs"), &text)?;
        folder.cargo(project, &["build", "--example", &name]).run()?;
    }
    for (name, text) in modules {
        folder.write(&format!("web/src/{name}.ts"), &text)?;
        Cmd::new("npx").arg("tsc").dir(folder.path.join("web")).run()?;
    }
    let (made, committed) = (folder.path.join("web/src/helpdesk.ts"), web.join("src/helpdesk.ts"));
    ensure!(
        read(&committed)? == read(&made)?,
        "{} is out of date: in {}, run `cargo run --example types > web/src/helpdesk.ts`",
        committed.display(),
        own.display(),
    );
    package::unpack_into(project, &package::build(project)?, &web)?;
    let npm = |script: &str| Cmd::new("npm").args(["run", script]).dir(&web);
    npm("check").remedy("`cargo xtask fmt` formats.").run()?;
    npm("test")
        .env("GUIDE_DIST", folder.path.join("web/dist"))
        .env("HELPDESK_SERVER", folder.built("debug/helpdesk"))
        .env("RANDOM_PAYLOADS", random_payloads(project)?)
        .env("CHROME", browser::find()?.chrome)
        .run()
}

/// Builds the program that prints random payloads, for `tests/own-domain/web/every-type.test.mjs`.
fn random_payloads(project: &Project) -> Result<PathBuf> {
    let build = ["build", "--locked", "--package", "every-type", "--example", "random", "--target-dir"];
    Cmd::new("cargo").args(build).arg(&project.target).dir(&project.root).run()?;
    Ok(project.target.join("debug/examples/random"))
}

/// Makes a program of a block that shows only functions.
pub(super) fn with_main(block: &str) -> String {
    let main = if block.contains("fn main()") { "" } else { "\nfn main() {}\n" };
    format!("#![allow(dead_code)]\n{block}{main}")
}
