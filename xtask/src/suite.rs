//! `cargo xtask test`: every check and test, cheap ones first. Each is a step that can be run alone.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::cmd::Cmd;
use crate::project::Project;
use crate::setup::wasm::{self, TARGET};
use crate::setup::{Need, browser};
use crate::{demo, generated, package, setup, stamp};

pub(crate) mod autobahn;
mod engines;
mod fuzz;
pub(crate) mod hosts;
mod layers;
mod markdown;
mod own_domain;
pub(crate) mod packaging;
mod packed;
mod planted;
mod readmes;
pub(crate) mod rust_version;
mod server;
mod wasm_tests;

/// A check or test of the suite.
struct Step {
    name: &'static str,
    /// Says what holds when the step passes.
    says: &'static str,
    /// Installed before the step runs.
    needs: &'static [Need],
    run: fn(&Project) -> Result<()>,
}

const STEPS: [Step; 23] = [
    Step {
        name: "setup",
        says: "everything that the tests need is installed",
        needs: setup::TEST,
        run: |_| Ok(()),
    },
    Step { name: "fmt", says: "Rust is formatted", needs: &[], run: fmt },
    Step {
        name: "layers",
        says: "crates and modules depend in one direction",
        needs: &[],
        run: layers::check,
    },
    Step {
        name: "generated",
        says: "generated files match the definitions",
        needs: &[],
        run: generated::check,
    },
    Step {
        name: "deny",
        says: "dependencies have known licences and sources",
        needs: &[setup::CARGO_DENY],
        run: deny,
    },
    Step { name: "clippy", says: "clippy has no warnings", needs: &[], run: clippy },
    Step {
        name: "clippy-wasm",
        says: "clippy has no warnings for the browser client, compiled for browsers",
        needs: &[setup::WASM_TARGET],
        run: clippy_wasm,
    },
    Step {
        name: "doc",
        says: "the documentation builds without broken links",
        needs: &[setup::WASM_TARGET],
        run: doc,
    },
    Step { name: "rust", says: "Rust tests", needs: &[setup::PROGRAMS, setup::POSTGRES], run: rust },
    Step {
        name: "hosts",
        says: "suites of the server hold in an application of axum",
        needs: &[],
        run: hosts::run,
    },
    Step {
        name: "crates",
        says: "the published crates are built from the packed files alone, and crates.io has what it shows of them",
        needs: &[],
        run: packed::run,
    },
    Step {
        name: "rust-version",
        says: "the published crates compile with the oldest Rust that they promise, with all features",
        needs: &[setup::WASM_TARGET],
        run: rust_version::run,
    },
    Step { name: "planted", says: "the simulation finds planted bugs", needs: &[], run: planted::run },
    Step {
        name: "fuzz",
        says: "a short run of each fuzz target, if a fuzzer is installed",
        needs: &[],
        run: fuzz::run,
    },
    Step {
        name: "package",
        says: "the npm package is built and within its size budget",
        needs: setup::BUILD,
        run: |p| package::build(p).map(drop),
    },
    Step {
        name: "typescript",
        says: "TypeScript is formatted, linted and typed",
        needs: &[
            setup::WASM_TARGET,
            setup::BINDGEN,
            setup::NPM_PACKAGE,
            setup::NPM_DEMO,
            setup::NPM_BROWSER_TESTS,
            setup::NPM_PACKAGING,
            setup::NPM_ENGINES,
        ],
        run: typescript,
    },
    Step { name: "npm", says: "tests of the npm package in Node", needs: setup::BUILD, run: npm },
    Step {
        name: "packaging",
        says: "the packed npm package works with bundlers, a framework, a test runner and versions of Node.js",
        needs: packaging::NEEDS,
        run: packaging::run,
    },
    Step {
        name: "wasm",
        says: "tests of the browser client in Chromium against a server",
        needs: &[setup::WASM_TARGET, setup::WASM_BINDGEN_CLI, setup::WASM_PACK, setup::BROWSER],
        run: wasm_tests::run,
    },
    Step {
        name: "own-domain",
        says: "the guide to an own domain works, and a core in Node and in Chromium checks as Rust does",
        needs: &[
            setup::WASM_TARGET,
            setup::BINDGEN,
            setup::NPM_PACKAGE,
            setup::NPM_OWN_DOMAIN,
            setup::BROWSER,
        ],
        run: own_domain::run,
    },
    Step {
        name: "readmes",
        says: "the examples of the READMEs compile with the packed crates and npm package",
        needs: &[setup::WASM_TARGET, setup::BINDGEN, setup::NPM_PACKAGE, setup::NPM_OWN_DOMAIN],
        run: readmes::run,
    },
    Step {
        name: "browser",
        says: "the demo's components hold, it converges in two windows, and event streams come back",
        needs: &[
            setup::WASM_TARGET,
            setup::BINDGEN,
            setup::NPM_PACKAGE,
            setup::NPM_DEMO,
            setup::NPM_BROWSER_TESTS,
            setup::BROWSER,
            setup::PROGRAMS,
        ],
        run: in_browser,
    },
    Step {
        name: "engines",
        says: "the npm package works in Chromium, Firefox and WebKit",
        needs: &[
            setup::WASM_TARGET,
            setup::BINDGEN,
            setup::NPM_PACKAGE,
            setup::NPM_ENGINES,
            setup::GECKODRIVER,
            setup::BROWSER,
            setup::FIREFOX,
            setup::WEBKIT,
        ],
        run: engines::run,
    },
];

/// Prints the names of the steps.
pub(crate) fn list() {
    for step in &STEPS {
        // A reader such as `head` may close the pipe early.
        let _ = writeln!(io::stdout(), "{:<12} {}", step.name, step.says);
    }
}

/// Runs the named steps, or all, each after its needs are installed. Stops at the first that fails.
pub(crate) fn run(project: &Project, names: &[String]) -> Result<()> {
    let chosen = choose(names)?;
    let mut times = Vec::new();
    let mut installed = Vec::new();
    for step in chosen {
        println!("\n=== {}: {}", step.name, step.says);
        let start = Instant::now();
        let needs: Vec<Need> =
            step.needs.iter().filter(|need| !installed.contains(&need.name)).copied().collect();
        installed.extend(needs.iter().map(|need| need.name));
        setup::ensure(project, &needs).and_then(|()| (step.run)(project)).with_context(|| {
            let name = step.name;
            format!("the step `{name}` failed; `cargo xtask test {name}` runs only it")
        })?;
        times.push((step.name, start.elapsed()));
    }
    println!("\n{}", summary(&times));
    Ok(())
}

fn choose(names: &[String]) -> Result<Vec<&'static Step>> {
    if names.is_empty() {
        return Ok(STEPS.iter().collect());
    }
    let known = || STEPS.map(|step| step.name).join(", ");
    if let Some(unknown) = names.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        bail!("there is no test step `{unknown}`; the steps are: {}", known());
    }
    Ok(STEPS.iter().filter(|step| names.iter().any(|name| name == step.name)).collect())
}

fn summary(times: &[(&str, Duration)]) -> String {
    let line = |name: &str, time: Duration| format!("{name:<12} ok {:>8.1} s\n", time.as_secs_f32());
    let steps: String = times.iter().map(|(name, time)| line(name, *time)).collect();
    steps + &line("together", times.iter().map(|(_, time)| *time).sum())
}

fn cargo(project: &Project) -> Cmd {
    Cmd::new("cargo").dir(&project.root)
}

fn fmt(project: &Project) -> Result<()> {
    cargo(project).args(["fmt", "--all", "--check"]).remedy("`cargo xtask fmt` formats.").run()
}

fn deny(project: &Project) -> Result<()> {
    let program = setup::tools::path_of("cargo-deny")?;
    // Without `advisories`: not every machine reaches the host of their database.
    let checks = ["check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
    Cmd::new(program).arg("--locked").args(checks).dir(&project.root).run()
}

fn clippy(project: &Project) -> Result<()> {
    // With `bindgen`, which is built only where the real wasm-bindgen is not installed.
    cargo(project)
        .args(["clippy", "--workspace", "--all-targets", "--locked", "--features", "xtask/bindgen"])
        .args(["--", "--deny", "warnings"])
        .run()
}

fn clippy_wasm(project: &Project) -> Result<()> {
    let toolchain = wasm::find(project).context("no compiler for WebAssembly: run `cargo xtask setup`")?;
    let package = ["--package", "tidings-client-wasm", "--all-targets", "--locked", "--target", TARGET];
    // The tests read the server's address at compile time. Nothing runs them here.
    let cargo = |command| {
        let cargo = toolchain.apply(cargo(project)).env("TIDINGS_TEST_URL", "http://127.0.0.1:1");
        cargo.arg(command).args(package)
    };
    if toolchain.has_clippy() {
        return cargo("clippy").args(["--", "--deny", "warnings"]).run();
    }
    println!("(Debian's compiler has no clippy: this checks only the warnings of the compiler)");
    cargo("check").env("RUSTFLAGS", "-Dwarnings").run()
}

fn doc(project: &Project) -> Result<()> {
    let options = ["doc", "--no-deps", "--locked"];
    cargo(project).args(options).arg("--workspace").env("RUSTDOCFLAGS", "-Dwarnings").run()?;
    // docs.rs shows the browser client as it is compiled for browsers.
    let toolchain = wasm::find(project).context("no compiler for WebAssembly: run `cargo xtask setup`")?;
    let package = ["--package", "tidings-client-wasm", "--target", TARGET];
    toolchain.apply(cargo(project)).args(options).args(package).env("RUSTDOCFLAGS", "-Dwarnings").run()
}

fn rust(project: &Project) -> Result<()> {
    cargo(project).args(["test", "--workspace", "--locked"]).run()
}

fn typescript(project: &Project) -> Result<()> {
    let tarball = package::build(project)?;
    package::unpack_into(project, &tarball, &project.www())?;
    // The step `own-domain` checks its folder itself, after it has built the files there.
    let tests = [project.browser_tests(), project.engine_tests(), project.packaging_tests()];
    for folder in [project.npm_package(), project.www()].into_iter().chain(tests) {
        Cmd::new("npm")
            .args(["run", "check"])
            .dir(folder)
            .remedy("If only the format is wrong, `cargo xtask fmt` corrects it.")
            .run()?;
    }
    Ok(())
}

fn npm(project: &Project) -> Result<()> {
    require_tests(&project.npm_package().join("test"))?;
    let tarball = package::build(project)?;
    let server = server::binary(project, "tidings-server", "tidings")?;
    Cmd::new("npm")
        .arg("test")
        .dir(project.npm_package())
        .env("TIDINGS_TARBALL", tarball)
        .env("TIDINGS_BIN", server)
        .run()
}

fn in_browser(project: &Project) -> Result<()> {
    require_tests(&project.browser_tests())?;
    require_tests(&project.www().join("test"))?;
    demo::build_page(project)?;
    Cmd::new("npm").arg("test").dir(project.www()).run()?;
    let browser = browser::find()?;
    let server = server::binary(project, "tidings-server", "tidings")?;
    let demo = server::binary(project, "tidings-demo", "tidings-demo")?;
    Cmd::new("npm")
        .arg("test")
        .dir(project.browser_tests())
        .env("TIDINGS_BIN", server)
        .env("TIDINGS_DEMO_BIN", demo)
        .env("CHROME", browser.chrome)
        .run()
}

/// Fails if a folder contains no tests, because the test runners do not.
fn require_tests(folder: &Path) -> Result<()> {
    let files = stamp::sources(folder)?;
    let is_test = |file: &&PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.contains(".test.") || name.ends_with(".rs")
    };
    let held = files.iter().filter(is_test).count();
    ensure!(held > 0, "{} contains no tests", folder.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_names_choose_all_steps_and_names_keep_the_order_of_the_suite() -> Result<()> {
        assert_eq!(choose(&[])?.len(), STEPS.len());
        let chosen = choose(&["rust".to_owned(), "fmt".to_owned()])?;
        assert_eq!(chosen.iter().map(|step| step.name).collect::<Vec<_>>(), ["fmt", "rust"]);
        Ok(())
    }

    #[test]
    fn an_unknown_step_is_an_error_that_lists_the_known_ones() {
        let error = choose(&["rest".to_owned()]).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("`rest`") && error.contains("clippy-wasm"), "{error}");
    }
}
