//! The step `engines`: the tests of the npm package in Chromium, Firefox and WebKit.

use anyhow::Result;

use super::server;
use crate::cmd::Cmd;
use crate::package;
use crate::project::Project;
use crate::setup::{browser, engines};

/// Bundles the tests' page with the packed package, and runs the tests in the three engines side by side.
pub(crate) fn run(project: &Project) -> Result<()> {
    let tests = project.engine_tests();
    super::require_tests(&tests)?;
    let chromium = browser::find()?;
    let webkit = engines::webkit()?;
    let server = server::binary(project, "tidings-server", "tidings")?;
    package::unpack_into(project, &package::build(project)?, &tests)?;
    Cmd::new("npm")
        .arg("test")
        .dir(tests)
        .env("TIDINGS_BIN", server)
        .env("CHROME", chromium.chrome)
        .env("CHROMEDRIVER", chromium.driver)
        .env("FIREFOX", engines::firefox()?)
        .env("GECKODRIVER", engines::geckodriver()?)
        .env("MINIBROWSER", webkit.browser)
        .env("WEBKIT_DRIVER", webkit.driver)
        .env("XVFB", webkit.display)
        // Each test starts a server. What servers say at their start would hide the results.
        .env("RUST_LOG", "warn")
        .run()
}
