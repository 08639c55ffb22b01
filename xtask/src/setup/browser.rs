//! Chromium and its driver, of one major version.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::debian;
use crate::cmd::{Cmd, which};
use crate::version::{major, version_in};

/// Program names of Chromium and Chrome.
const CHROMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// A browser and a driver of the same major version.
#[derive(Debug)]
pub(crate) struct Browser {
    /// The browser's program.
    pub(crate) chrome: PathBuf,
    /// The driver's program.
    pub(crate) driver: PathBuf,
    version: String,
}

impl fmt::Display for Browser {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {} and its driver", self.chrome.display(), self.version)
    }
}

/// Describes the browser and its driver, or returns `None` if one is missing.
pub(super) fn look() -> Result<Option<String>> {
    if locate_chrome().is_none() || locate_driver().is_none() {
        return Ok(None);
    }
    Ok(Some(find()?.to_string()))
}

/// Installs Debian's packages.
pub(super) fn install() -> Result<()> {
    debian::install(&["chromium", "chromium-driver"]).context(
        "the browser tests need Chromium and chromedriver.\n\
         Remedy: install both with the same major version. Name them by CHROME and CHROMEDRIVER if they are not on the path.",
    )
}

/// Finds the browser and its driver by CHROME and CHROMEDRIVER, or else on the path.
pub(crate) fn find() -> Result<Browser> {
    let chrome = locate_chrome().context("no Chromium here: run `cargo xtask setup`, or set CHROME")?;
    let driver =
        locate_driver().context("no chromedriver here: run `cargo xtask setup`, or set CHROMEDRIVER")?;
    let version = |program: &PathBuf| -> Result<String> {
        let said = Cmd::new(program).arg("--version").read()?;
        let version = version_in(&said).with_context(|| format!("{} tells no version", program.display()))?;
        Ok(version.to_owned())
    };
    let (chrome_version, driver_version) = (version(&chrome)?, version(&driver)?);
    ensure!(
        major(&chrome_version) == major(&driver_version),
        "{} is version {chrome_version}, but {} is {driver_version}: their major versions must be the same. \
         Upgrade the older one, or name a fitting pair by CHROME and CHROMEDRIVER",
        chrome.display(),
        driver.display()
    );
    Ok(Browser { chrome, driver, version: chrome_version })
}

fn locate_chrome() -> Option<PathBuf> {
    named_by("CHROME").or_else(|| CHROMES.iter().find_map(|name| which(name)))
}

fn locate_driver() -> Option<PathBuf> {
    named_by("CHROMEDRIVER").or_else(|| which("chromedriver"))
}

/// The path that a variable of the environment gives.
pub(super) fn named_by(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}
