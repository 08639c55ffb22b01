//! `cargo xtask demo`: builds the demo application on the packed npm package, and serves it.

use std::panic::resume_unwind;
use std::thread;

use anyhow::Result;

use crate::cmd::Cmd;
use crate::package;
use crate::project::Project;
use crate::setup;

/// Builds the demo and serves it in the foreground; `arguments` go to its server.
pub(crate) fn run(project: &Project, arguments: &[String]) -> Result<()> {
    setup::ensure(project, setup::DEMO)?;
    println!("demo   building the server and the page (usually 1 min the first time)");
    thread::scope(|scope| {
        let server = scope.spawn(|| build_server(project));
        build_page(project)?;
        if !server.is_finished() {
            println!("demo   the page is ready; the server is still being built");
        }
        server.join().unwrap_or_else(|panic| resume_unwind(panic))
    })?;
    server(project, "run").arg("--").args(arguments).exec()
}

/// Builds the package and, with it, the demo's page.
pub(crate) fn build_page(project: &Project) -> Result<()> {
    let tarball = package::build(project)?;
    let www = project.www();
    package::unpack_into(project, &tarball, &www)?;
    Cmd::new("npm").args(["run", "--silent", "build"]).dir(&www).run()
}

fn build_server(project: &Project) -> Result<()> {
    server(project, "build").quiet()
}

/// Without optimisation: a few windows do not notice, and the build takes half as long.
fn server(project: &Project, command: &str) -> Cmd {
    Cmd::new("cargo").args([command, "--locked", "--package", "tidings-demo"]).dir(&project.root)
}
