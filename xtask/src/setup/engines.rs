//! Firefox and WebKit, each with its driver. Chromium is in [`super::browser`].

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::browser::named_by;
use super::{debian, tools};
use crate::cmd::which;
use crate::project::Project;

/// Program names of Firefox.
const FIREFOXES: [&str; 2] = ["firefox-esr", "firefox"];

/// Folders below which WebKitGTK's packages put its small browser, which is not on the path. Debian's has one more level,
/// the architecture.
const LIBRARIES: [&str; 3] = ["/usr/lib", "/usr/lib64", "/usr/libexec"];

/// Versions of WebKitGTK's interface, the best one first. The engine is the same.
const WEBKITS: [&str; 3] = ["webkit2gtk-4.1", "webkitgtk-6.0", "webkit2gtk-4.0"];

/// WebKit, its driver, and a display for it: WebKitGTK has no headless mode.
#[derive(Debug)]
pub(crate) struct WebKit {
    /// The small browser that comes with the library.
    pub(crate) browser: PathBuf,
    /// The driver's program.
    pub(crate) driver: PathBuf,
    /// The program of an X server without a screen.
    pub(crate) display: PathBuf,
}

impl fmt::Display for WebKit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { browser, driver, display } = self;
        write!(out, "{}, {}, {}", browser.display(), driver.display(), display.display())
    }
}

/// Finds Firefox by FIREFOX, or else on the path.
pub(crate) fn firefox() -> Result<PathBuf> {
    let found = named_by("FIREFOX").or_else(|| FIREFOXES.iter().find_map(|name| which(name)));
    found.context("no Firefox here: run `cargo xtask setup`, or set FIREFOX")
}

/// Finds geckodriver by GECKODRIVER, or else on the path.
pub(crate) fn geckodriver() -> Result<PathBuf> {
    let found = named_by("GECKODRIVER").or_else(|| which("geckodriver"));
    found.context("no geckodriver here: run `cargo xtask setup`, or set GECKODRIVER")
}

/// Describes geckodriver, or returns `None` if it is missing or has another version than the tests were written for. Nobody
/// checks the version of a program that GECKODRIVER names.
pub(super) fn look_for_geckodriver(project: &Project) -> Result<Option<String>> {
    match named_by("GECKODRIVER") {
        Some(program) => Ok(Some(program.display().to_string())),
        None => tools::GECKODRIVER.find(project),
    }
}

/// Finds the parts of WebKit by MINIBROWSER, WEBKIT_DRIVER and XVFB, or else where Debian puts them. The error names the
/// missing part.
pub(crate) fn webkit() -> Result<WebKit> {
    let browser =
        named_by("MINIBROWSER").or_else(|| LIBRARIES.iter().find_map(|folder| mini_browser(folder)));
    let driver = named_by("WEBKIT_DRIVER").or_else(|| which("WebKitWebDriver"));
    let display = named_by("XVFB").or_else(|| which("Xvfb"));
    let missing =
        |what: &str, variable: &str| format!("no {what} here: run `cargo xtask setup`, or set {variable}");
    Ok(WebKit {
        browser: browser.with_context(|| missing("MiniBrowser of WebKitGTK", "MINIBROWSER"))?,
        driver: driver.with_context(|| missing("WebKitWebDriver", "WEBKIT_DRIVER"))?,
        display: display.with_context(|| missing("Xvfb", "XVFB"))?,
    })
}

/// Installs Debian's Firefox.
pub(super) fn install_firefox() -> Result<()> {
    debian::install(&["firefox-esr"]).context(
        "the step `engines` tests the npm package in Firefox.\n\
         Remedy: install Firefox. Name it by FIREFOX if it is not on the path. Ubuntu's package is a snap, which geckodriver \
         cannot start in a container: use Mozilla's package there.",
    )
}

/// Installs Debian's WebKitGTK with its driver, and a display.
pub(super) fn install_webkit() -> Result<()> {
    debian::install(&["webkit2gtk-driver", "xvfb"]).context(
        "the step `engines` tests the npm package in WebKit.\n\
         Remedy: install WebKitGTK's MiniBrowser and WebKitWebDriver (Debian: webkit2gtk-driver) and Xvfb (xvfb). Name \
         them by MINIBROWSER, WEBKIT_DRIVER and XVFB if they are not on the path.",
    )
}

/// Looks for MiniBrowser in a folder of libraries, and in its folders.
fn mini_browser(libraries: &str) -> Option<PathBuf> {
    let folders = fs::read_dir(libraries).into_iter().flatten().flatten().map(|entry| entry.path());
    let places: Vec<PathBuf> = std::iter::once(PathBuf::from(libraries)).chain(folders).collect();
    let inside = |webkit: &str| {
        let program = Path::new(webkit).join("MiniBrowser");
        places.iter().map(|place| place.join(&program)).find(|program| program.is_file())
    };
    WEBKITS.into_iter().find_map(inside)
}
