//! The step `own-domain`: follows the guide `tests/own-domain/README.md` in an empty folder, with the files and the commands
//! that the guide shows.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::markdown::{Folder, blocks_of};
use crate::cmd::Cmd;
use crate::project::{Project, read};
use crate::setup::browser;
use crate::setup::wasm::{self, TARGET};
use crate::{package, setup};

/// Follows the guide, compares its TypeScript with the committed file, and tests the result in a browser.
pub(crate) fn run(project: &Project) -> Result<()> {
    let (own, web) = (project.own_domain(), project.own_domain().join("web"));
    super::require_tests(&web)?;
    let folder = Folder::new(project, "own-domain")?;
    folder.write("Cargo.lock", &read(&own.join("Cargo.lock"))?)?;
    let (mut programs, mut modules) = (Vec::new(), Vec::new());
    for (index, block) in blocks_of(&own.join("README.md"))?.into_iter().enumerate() {
        let name = format!("block_{index}");
        match (&*block.language, &block.path) {
            ("sh", _) if block.text.starts_with("curl ") => {} // the tests publish
            ("sh", _) => folder.run(project, &block.text)?,
            (_, Some(path)) => folder.write(path, &block.text)?,
            ("rust", None) => programs.push((name, with_main(&block.text))),
            ("ts", None) => modules.push((name, block.text)),
            (language, None) => ensure!(language.is_empty(), "a block of {language} names no file"),
        }
    }
    for (name, text) in programs {
        folder.write(&format!("server/examples/{name}.rs"), &text)?;
        folder.cargo(project, &["build", "-p", "helpdesk-server", "--example", &name]).run()?;
    }
    for (name, text) in modules {
        folder.write(&format!("web/{name}.ts"), &text)?;
        Cmd::new("npx").arg("tsc").dir(folder.path.join("web")).run()?;
    }
    let (made, committed) = (folder.path.join("web/helpdesk.ts"), web.join("helpdesk.ts"));
    ensure!(
        read(&committed)? == read(&made)?,
        "{} is out of date: in {}, run `cargo run -p helpdesk --example types > web/helpdesk.ts`",
        committed.display(),
        own.display(),
    );
    // The pages of other bundlers use the same core.
    fs::create_dir_all(web.join("pkg"))?;
    for entry in fs::read_dir(folder.path.join("web/pkg")).context("the guide made no web/pkg")? {
        let entry = entry?;
        fs::copy(entry.path(), web.join("pkg").join(entry.file_name()))?;
    }
    every_type(project)?;
    package::unpack_into(project, &package::build(project)?, &web)?;
    let npm = |script: &str| Cmd::new("npm").args(["run", script]).dir(&web);
    npm("check").remedy("`cargo xtask fmt` formats.").run()?;
    npm("build").run()?;
    npm("test")
        .env("GUIDE_DIST", folder.path.join("web/dist"))
        .env("HELPDESK_SERVER", folder.built("debug/helpdesk-server"))
        .env("CHROME", browser::find()?.chrome)
        .run()
}

/// Builds the client of the domain with every type, for `tests/own-domain/web/every-type.test.mjs`.
fn every_type(project: &Project) -> Result<()> {
    let target = project.target.join("own-domain");
    let toolchain = wasm::find(project).context("no compiler for WebAssembly: run `cargo xtask setup`")?;
    toolchain
        .cargo(project)
        .args(["build", "--locked", "--package", "types-client", "--profile", "wasm", "--target", TARGET])
        .arg("--target-dir")
        .arg(&target)
        .dir(project.own_domain())
        .run()?;
    Cmd::new(setup::tools::path_of("wasm-bindgen")?)
        .args(["--target", "web", "--out-dir"])
        .arg(project.own_domain().join("web/pkg"))
        .arg(target.join(TARGET).join("wasm/types_client.wasm"))
        .run()
}

/// Makes a program of a block that shows only functions.
pub(super) fn with_main(block: &str) -> String {
    let main = if block.contains("fn main()") { "" } else { "\nfn main() {}\n" };
    format!("#![allow(dead_code)]\n{block}{main}")
}
