//! The step `wasm`: the tests of the browser client, in headless Chromium against a real server.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::server::Server;
use crate::cmd::{Cmd, path_with_cargo_bin};
use crate::project::{Project, read_json};
use crate::setup;
use crate::setup::browser::{self, Browser};
use crate::setup::wasm;

/// Runs the tests. The server's address is compiled into them, because a browser has no environment variables.
pub(crate) fn run(project: &Project) -> Result<()> {
    super::require_tests(&project.root.join("client-wasm/tests"))?;
    let toolchain = wasm::find(project).context("no compiler for WebAssembly: run `cargo xtask setup`")?;
    let browser = browser::find()?;
    let capabilities = capabilities(project, &browser)?;
    let server = Server::start(project)?;
    println!("server for the tests: {}", server.url);
    toolchain
        .apply(Cmd::new(setup::tools::path_of("wasm-pack")?))
        .args(["test", "--headless", "--chrome", "--chromedriver"])
        .arg(&browser.driver)
        .args(["--mode", "no-install"])
        .arg(project.root.join("client-wasm"))
        .dir(&project.root)
        .env("PATH", path_with_cargo_bin()?)
        .env("TIDINGS_TEST_URL", &server.url)
        .env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", capabilities)
        .run()
}

/// Writes the browser's options: `client-wasm/webdriver.json`, and options for this machine.
fn capabilities(project: &Project, browser: &Browser) -> Result<PathBuf> {
    let mut capabilities = read_json(&project.root.join("client-wasm/webdriver.json"))?;
    let is_root = Cmd::new("id").arg("-u").read()?.trim() == "0";
    adapt(&mut capabilities, &browser.chrome.to_string_lossy(), is_root);
    let path = project.scratch("wasm-tests")?.join("webdriver.json");
    fs::write(&path, capabilities.to_string()).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Adds the browser's program. For root it disables the sandbox, with which Chromium does not start as root.
fn adapt(capabilities: &mut Value, chrome: &str, is_root: bool) {
    let options = &mut capabilities["goog:chromeOptions"];
    options["binary"] = json!(chrome);
    if let (true, Some(arguments)) = (is_root, options["args"].as_array_mut()) {
        arguments.push(json!("--no-sandbox"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_runs_without_the_sandbox() {
        let base = json!({"goog:chromeOptions": {"args": ["--headless=new"]}});
        let mut user = base.clone();
        adapt(&mut user, "/usr/bin/chromium", false);
        let expected =
            json!({"goog:chromeOptions": {"args": ["--headless=new"], "binary": "/usr/bin/chromium"}});
        assert_eq!(user, expected);

        let mut root = base;
        adapt(&mut root, "/usr/bin/chromium", true);
        assert_eq!(root["goog:chromeOptions"]["args"], json!(["--headless=new", "--no-sandbox"]));
    }
}
