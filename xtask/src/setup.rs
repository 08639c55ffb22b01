//! `cargo xtask setup`: installs what building and testing need.
//!
//! Each command names its needs and calls [`ensure`], which installs only the missing ones.

use std::panic::resume_unwind;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Error, Result, bail};

use crate::project::Project;
use progress::Progress;

pub(crate) mod browser;
mod debian;
pub(crate) mod engines;
pub(crate) mod npm;
mod postgres;
mod programs;
mod progress;
pub(crate) mod tools;
pub(crate) mod wasm;

/// Something that a command needs and the set-up can install.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    pub(crate) name: &'static str,
    lane: Lane,
    /// Seconds that `install` usually takes on a machine with 2 cores.
    usually: u64,
    /// Says what `install` does.
    how: &'static str,
    /// Describes what is there. `None` means that it is missing; an error means that installing it would not help.
    find: fn(&Project) -> Result<Option<String>>,
    install: fn(&Project) -> Result<()>,
}

/// Lanes work side by side; each installs one need after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    /// rustup and cargo. Both lock their folders, and one compilation can use all cores.
    Rust,
    /// npm, which mostly waits for the network.
    Npm,
    /// apt-get, which allows only one installation at a time.
    Debian,
}

/// The number of lanes.
const LANES: usize = 3;

/// A compiler that builds for browsers.
pub(crate) const WASM_TARGET: Need = Need {
    name: "wasm target",
    lane: Lane::Rust,
    usually: 10,
    how: "adding it to the Rust toolchain",
    find: |project| Ok(wasm::find(project).map(|toolchain| toolchain.to_string())),
    install: wasm::install,
};

/// wasm-bindgen, for the npm package.
pub(crate) const BINDGEN: Need = Need {
    name: "wasm-bindgen",
    lane: Lane::Rust,
    usually: 20,
    how: "building its library",
    find: tools::find_bindgen,
    install: tools::build_bindgen,
};

/// wasm-bindgen's command line with its test runner.
pub(crate) const WASM_BINDGEN_CLI: Need = Need {
    name: "wasm-bindgen-cli",
    lane: Lane::Rust,
    usually: 40,
    how: "building it from source",
    find: |project| tools::WASM_BINDGEN_CLI.find(project),
    install: |project| tools::WASM_BINDGEN_CLI.install(project),
};

/// The program that runs the browser client's tests.
pub(crate) const WASM_PACK: Need = Need {
    name: "wasm-pack",
    lane: Lane::Rust,
    usually: 40,
    how: "building it from source",
    find: |project| tools::WASM_PACK.find(project),
    install: |project| tools::WASM_PACK.install(project),
};

/// The program that checks the licences of dependencies.
pub(crate) const CARGO_DENY: Need = Need {
    name: "cargo-deny",
    lane: Lane::Rust,
    usually: 30,
    how: "building it from source",
    find: |project| tools::CARGO_DENY.find(project),
    install: |project| tools::CARGO_DENY.install(project),
};

/// npm packages that build and test the npm package.
pub(crate) const NPM_PACKAGE: Need = Need {
    name: "npm: client",
    lane: Lane::Npm,
    usually: 6,
    how: "installing npm packages",
    find: |project| npm::find(&project.npm_package()),
    install: |project| npm::install(&project.npm_package()),
};

/// npm packages of the demo's page.
pub(crate) const NPM_DEMO: Need = Need {
    name: "npm: demo",
    lane: Lane::Npm,
    usually: 6,
    how: "installing npm packages",
    find: |project| npm::find(&project.www()),
    install: |project| npm::install(&project.www()),
};

/// npm packages of the tests that drive a browser.
pub(crate) const NPM_BROWSER_TESTS: Need = Need {
    name: "npm: tests",
    lane: Lane::Npm,
    usually: 3,
    how: "installing npm packages",
    find: |project| npm::find(&project.browser_tests()),
    install: |project| npm::install(&project.browser_tests()),
};

/// npm packages of the tests in three engines.
pub(crate) const NPM_ENGINES: Need = Need {
    name: "npm: engines",
    lane: Lane::Npm,
    usually: 3,
    how: "installing npm packages",
    find: |project| npm::find(&project.engine_tests()),
    install: |project| npm::install(&project.engine_tests()),
};

/// npm packages of the own domain's page.
pub(crate) const NPM_OWN_DOMAIN: Need = Need {
    name: "npm: own",
    lane: Lane::Npm,
    usually: 6,
    how: "installing npm packages",
    find: |project| npm::find(&project.own_domain().join("web")),
    install: |project| npm::install(&project.own_domain().join("web")),
};

/// Bundlers, frameworks, test runners and versions of Node.js, for the tests of the packed npm package.
pub(crate) const NPM_PACKAGING: Need = Need {
    name: "npm: packaging",
    lane: Lane::Npm,
    usually: 25,
    how: "installing npm packages",
    find: |project| npm::find(&project.packaging_tests()),
    install: |project| npm::install(&project.packaging_tests()),
};

/// More of them, for the soak.
pub(crate) const NPM_PACKAGING_SOAK: Need = Need {
    name: "npm: soak",
    lane: Lane::Npm,
    usually: 50,
    how: "installing npm packages",
    find: |project| npm::find(&project.packaging_tests().join("soak")),
    install: |project| npm::install(&project.packaging_tests().join("soak")),
};

/// npm packages of the benchmarks: the peers ws and bun.
pub(crate) const NPM_BENCH_PEERS: Need = Need {
    name: "npm: peers",
    lane: Lane::Npm,
    usually: 6,
    how: "installing npm packages",
    find: |project| npm::find(&project.bench_peers()),
    install: |project| npm::install(&project.bench_peers()),
};

/// Chromium and its driver.
pub(crate) const BROWSER: Need = Need {
    name: "browser",
    lane: Lane::Debian,
    usually: 30,
    how: "installing Debian's Chromium and its driver",
    find: |_| browser::look(),
    install: |_| browser::install(),
};

/// Firefox.
pub(crate) const FIREFOX: Need = Need {
    name: "Firefox",
    lane: Lane::Debian,
    usually: 25,
    how: "installing Debian's Firefox",
    find: |_| Ok(engines::firefox().ok().map(|program| program.display().to_string())),
    install: |_| engines::install_firefox(),
};

/// Firefox's driver, which Debian does not have.
pub(crate) const GECKODRIVER: Need = Need {
    name: "geckodriver",
    lane: Lane::Rust,
    usually: 40,
    how: "building it from source",
    find: engines::look_for_geckodriver,
    install: |project| tools::GECKODRIVER.install(project),
};

/// WebKit with its driver, and a display for it.
pub(crate) const WEBKIT: Need = Need {
    name: "WebKit",
    lane: Lane::Debian,
    usually: 30,
    how: "installing Debian's WebKitGTK with its driver, and Xvfb",
    find: |_| Ok(engines::webkit().ok().map(|webkit| webkit.to_string())),
    install: |_| engines::install_webkit(),
};

/// Programs that the Rust tests run, and those of the demo.
pub(crate) const PROGRAMS: Need = Need {
    name: "programs",
    lane: Lane::Debian,
    usually: 15,
    how: "installing Debian's nginx, Caddy, pgbouncer, curl, Python and sqlite3",
    find: |_| Ok(programs::find()),
    install: |_| programs::install(),
};

/// A database server that the Rust tests start.
pub(crate) const POSTGRES: Need = Need {
    name: "PostgreSQL",
    lane: Lane::Debian,
    usually: 20,
    how: "installing Debian's PostgreSQL, without a running server",
    find: |_| Ok(postgres::find()),
    install: |_| postgres::install(),
};

/// The needs of the npm package.
pub(crate) const BUILD: &[Need] = &[WASM_TARGET, BINDGEN, NPM_PACKAGE];

/// The needs of the demo.
pub(crate) const DEMO: &[Need] = &[WASM_TARGET, BINDGEN, NPM_PACKAGE, NPM_DEMO];

/// All npm packages.
pub(crate) const NPM: &[Need] =
    &[NPM_PACKAGE, NPM_DEMO, NPM_BROWSER_TESTS, NPM_ENGINES, NPM_OWN_DOMAIN, NPM_PACKAGING];

/// The needs of all tests.
pub(crate) const TEST: &[Need] = &[
    WASM_TARGET,
    WASM_BINDGEN_CLI,
    WASM_PACK,
    CARGO_DENY,
    GECKODRIVER,
    NPM_PACKAGE,
    NPM_DEMO,
    NPM_BROWSER_TESTS,
    NPM_ENGINES,
    NPM_OWN_DOMAIN,
    NPM_PACKAGING,
    BROWSER,
    FIREFOX,
    WEBKIT,
    PROGRAMS,
    POSTGRES,
];

/// Installs the missing ones of `needs`.
///
/// # Errors
/// The error names each need that could not be installed, and the remedy. After a failure no further installation begins.
pub(crate) fn ensure(project: &Project, needs: &[Need]) -> Result<()> {
    let mut lanes: [Vec<&Need>; LANES] = Default::default();
    for need in needs {
        match (need.find)(project).with_context(|| need.failed())? {
            Some(found) => println!("setup  {:<16}  {found}", need.name),
            None => lanes[need.lane as usize].push(need),
        }
    }
    let progress = Progress::new(&lanes);
    let install = |needs: Vec<&Need>| needs.into_iter().try_for_each(|need| need.install(project, &progress));
    let install = &install;
    let results = thread::scope(|scope| {
        let lanes = lanes.map(|needs| scope.spawn(move || install(needs)));
        lanes.map(|lane| lane.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    tools::remove_build_folder(project);
    let mut errors: Vec<Error> = results.into_iter().filter_map(Result::err).collect();
    match errors.len() {
        0 => Ok(()),
        1 => Err(errors.remove(0)),
        _ => bail!(errors.iter().map(|error| format!("{error:#}")).collect::<Vec<_>>().join("\n\n")),
    }
}

impl Need {
    fn install(&self, project: &Project, progress: &Progress) -> Result<()> {
        let Some(mark) = progress.begin(self) else { return Ok(()) };
        let start = Instant::now();
        let found = (self.install)(project).and_then(|()| {
            (self.find)(project)?.context("its installation succeeded, but it is still not found")
        });
        progress.end(self, found.is_ok());
        let seconds = start.elapsed().as_secs();
        match &found {
            Ok(found) => println!("setup {mark}  {}: {found} (took {seconds} s)", self.name),
            Err(_) => println!("setup {mark}  {}: FAILED after {seconds} s", self.name),
        }
        found.map(drop).with_context(|| self.failed())
    }

    fn failed(&self) -> String {
        format!("the set-up stopped at `{}`", self.name)
    }
}

/// Says what an installation is about to do.
fn announce(text: &str) {
    println!("setup  {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    const MISSING: Need = Need {
        name: "missing",
        lane: Lane::Npm,
        usually: 1,
        how: "installing it",
        find: |_| Ok(None),
        install: |_| bail!("no network"),
    };

    fn error_of(needs: &[Need]) -> String {
        let project = Project { root: "/nowhere".into(), target: "/nowhere".into() };
        ensure(&project, needs).err().map(|error| format!("{error:#}")).unwrap_or_default()
    }

    #[test]
    fn a_need_that_is_there_is_not_installed() {
        let there = Need { find: |_| Ok(Some("1.0".to_owned())), ..MISSING };
        assert_eq!(error_of(&[there]), "");
    }

    #[test]
    fn an_error_names_the_need_and_the_reason() {
        assert_eq!(error_of(&[MISSING]), "the set-up stopped at `missing`: no network");
        let useless = Need { install: |_| Ok(()), ..MISSING };
        assert!(error_of(&[useless]).contains("still not found"));
    }

    #[test]
    fn nothing_is_installed_if_one_of_the_needs_cannot_be() {
        let impossible = Need { name: "node", find: |_| bail!("too old"), ..MISSING };
        assert_eq!(error_of(&[MISSING, impossible]), "the set-up stopped at `node`: too old");
    }
}
