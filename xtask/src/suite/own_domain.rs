//! A domain of one's own, by the means that its guide names: `tests/own-domain/README.md`.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::cmd::Cmd;
use crate::project::{Project, read};
use crate::setup::browser;
use crate::setup::wasm::{self, TARGET};
use crate::{package, setup};

/// Builds its server and its core, compares its types with the committed ones, and tests it in a browser.
pub(crate) fn run(project: &Project) -> Result<()> {
    let (own, web) = (project.own_domain(), project.own_domain().join("web"));
    super::require_tests(&web)?;
    let target = project.target.join("own-domain");
    let toolchain = wasm::find(project).context("no compiler for WebAssembly: run `cargo xtask setup`")?;
    let cargo = |arguments: &[&str]| {
        Cmd::new("cargo").args(arguments.iter().copied()).arg("--target-dir").arg(&target).dir(&own)
    };
    cargo(&["build", "--locked", "--package", "helpdesk-server"]).run()?;
    let types =
        cargo(&["run", "--locked", "--quiet", "--package", "helpdesk", "--example", "types"]).read()?;
    let committed = web.join("helpdesk.ts");
    ensure!(
        read(&committed)? == types,
        "{} is not what the domain says: in {}, run `cargo run --example types > web/helpdesk.ts`",
        committed.display(),
        own.display(),
    );
    toolchain
        .cargo(project)
        .args(["build", "--locked", "--package", "helpdesk-client", "--package", "types-client"])
        .args(["--profile", "wasm", "--target", TARGET])
        .arg("--target-dir")
        .arg(&target)
        .dir(&own)
        .run()?;
    fs::create_dir_all(web.join("pkg"))?;
    for core in ["helpdesk_client", "types_client"] {
        Cmd::new(setup::tool("wasm-bindgen")?)
            .args(["--target", "web", "--out-dir"])
            .arg(web.join("pkg"))
            .arg(target.join(TARGET).join(format!("wasm/{core}.wasm")))
            .run()?;
    }
    let tarball = package::build(project)?;
    package::unpack_into(project, &tarball, &web)?;
    let npm = |script: &str| Cmd::new("npm").args(["run", script]).dir(&web);
    npm("check").remedy("`cargo xtask fmt` formats.").run()?;
    npm("build").run()?;
    npm("test")
        .env("HELPDESK_SERVER", target.join("debug/helpdesk-server"))
        .env("CHROME", browser::find()?.chrome)
        .run()
}
