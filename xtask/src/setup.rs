//! `cargo xtask setup`: everything that building and testing need, put there once.
//!
//! Each step looks first whether its thing is there, and so is a no-op the second time.

use std::time::Instant;

use anyhow::{Context, Result};

use crate::cmd::{Cmd, which};
use crate::project::Project;

pub(crate) mod browser;
pub(crate) mod npm;
mod programs;
mod tools;
pub(crate) use tools::tool;
pub(crate) mod wasm;

/// One thing that is looked for and, when missing, installed. It returns what is there in the end.
struct Step {
    name: &'static str,
    ensure: fn(&Project) -> Result<String>,
}

/// What building the npm package and the demo needs.
const BUILD: [Step; 4] = [
    Step { name: "wasm target", ensure: |project| Ok(wasm::ensure(project)?.to_string()) },
    Step { name: "wasm-bindgen", ensure: tools::wasm_bindgen },
    Step { name: "npm: client", ensure: |project| npm::ensure(&project.npm_package()) },
    Step { name: "npm: demo", ensure: |project| npm::ensure(&project.www()) },
];

/// What the tests need beyond that.
const TEST: [Step; 6] = [
    Step { name: "wasm-pack", ensure: tools::wasm_pack },
    Step { name: "browser", ensure: |_| Ok(browser::ensure()?.to_string()) },
    Step { name: "npm: tests", ensure: |project| npm::ensure(&project.browser_tests()) },
    Step { name: "npm: own", ensure: |project| npm::ensure(&project.own_domain().join("web")) },
    Step { name: "cargo-deny", ensure: tools::cargo_deny },
    Step { name: "programs", ensure: |_| programs::ensure() },
];

/// Makes sure of what building and the demo need.
pub(crate) fn for_build(project: &Project) -> Result<()> {
    run(project, &BUILD)
}

/// Makes sure of everything.
pub(crate) fn for_all(project: &Project) -> Result<()> {
    run(project, &BUILD)?;
    run(project, &TEST)
}

fn run(project: &Project, steps: &[Step]) -> Result<()> {
    for step in steps {
        let start = Instant::now();
        let found = (step.ensure)(project).with_context(|| format!("set-up stopped at `{}`", step.name))?;
        println!("setup  {:<13} {found}  ({:.1} s)", step.name, start.elapsed().as_secs_f32());
    }
    Ok(())
}

/// Says what a step is about to do that takes a while.
fn announce(text: &str) {
    println!("setup  {text}");
}

/// Installs Debian packages, never at the price of removing others.
fn apt_install(packages: &[&str]) -> Result<()> {
    which("apt-get").context("this system has no apt-get, the one package manager that the set-up knows")?;
    apt(&["update"])?;
    let options = ["install", "--yes", "--no-install-recommends", "--no-remove"];
    apt(&[&options[..], packages].concat())
}

fn apt(arguments: &[&str]) -> Result<()> {
    as_root("env")?
        .args(["DEBIAN_FRONTEND=noninteractive", "apt-get"])
        .args(arguments)
        .remedy("Install the packages by hand, or run the set-up as a user who may.")
        .work()
}

/// A command that runs as root: by itself, or through sudo.
fn as_root(program: &str) -> Result<Cmd> {
    if Cmd::new("id").arg("-u").read()?.trim() == "0" {
        return Ok(Cmd::new(program));
    }
    which("sudo")
        .context("installing packages needs root, and there is no sudo here: run the set-up as root")?;
    Ok(Cmd::new("sudo").arg(program))
}
