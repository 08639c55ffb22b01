//! `cargo xtask demo`: the demo application, built as a user would build it, and served.

use anyhow::Result;

use crate::cmd::Cmd;
use crate::package;
use crate::project::Project;

/// Builds the demo and serves it in the foreground; `arguments` go to its server.
pub(crate) fn run(project: &Project, arguments: &[String]) -> Result<()> {
    build_page(project)?;
    Cmd::new("cargo")
        .args(["run", "--release", "--package", "tidings-demo", "--"])
        .args(arguments)
        .dir(&project.root)
        .become_it()
}

/// Builds the package and, on it, the demo's page.
pub(crate) fn build_page(project: &Project) -> Result<()> {
    let tarball = package::build(project)?;
    let www = project.www();
    package::unpack_into(project, &tarball, &www)?;
    Cmd::new("npm").args(["run", "--silent", "build"]).dir(&www).run()
}
