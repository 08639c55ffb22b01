//! `cargo xtask autobahn`: runs Autobahn's fuzzing client against the server's echo. It is not a step of the tests, because it
//! needs CPython 2.7; `tests/tests/conformance` has its cases for every machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::server::Server;
use crate::cmd::Cmd;
use crate::project::{Project, read_json};

/// Any CPython 2.7 on the path.
const PYTHON: &str = "python2.7";

/// The suite, which pins the versions of its dependencies.
const PACKAGE: &str = "autobahntestsuite==25.10.1";

/// All groups except 12 and 13, which test compression: the server does not offer it.
const GROUPS: [&str; 9] = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"];

/// Runs the suite. Fails if a case fails or a close is not clean.
pub(crate) fn run(project: &Project) -> Result<()> {
    let remedy = "The suite runs only in CPython 2.7 with pip; under pyenv, set PYENV_VERSION to a 2.7.";
    Cmd::new(PYTHON).arg("--version").remedy(remedy).read()?;
    let site = site(project)?;
    let build = ["build", "--release", "--locked", "--package", "tidings-server"];
    Cmd::new("cargo").args(build).dir(&project.root).work()?;
    let program = project.target.join("release").join(format!("tidings{}", std::env::consts::EXE_SUFFIX));
    let server = Server::run(project, &program, &["--echo", "--max-message-bytes", "16777216"])?;

    let folder = project.scratch("autobahn")?;
    let report = folder.join("report");
    let url = format!("{}/v1/echo", server.url.replacen("http", "ws", 1));
    let spec = json!({
        "outdir": report,
        "servers": [{ "agent": "tidings", "url": url }],
        "cases": GROUPS,
        "exclude-cases": [],
        "exclude-agent-cases": {},
    });
    fs::write(folder.join("spec.json"), spec.to_string())
        .context("cannot write the suite's specification")?;
    // Otherwise an old report could pass for the new one.
    let _ = fs::remove_dir_all(&report);
    Cmd::new(PYTHON)
        .args(["-c", "from autobahntestsuite.wstest import run; run()", "-m", "fuzzingclient"])
        .args(["-s", "spec.json"])
        .env("PYTHONPATH", site)
        .dir(&folder)
        .work()?;
    let failed = judge(&read_json(&report.join("index.json"))?["tidings"])?;
    ensure!(failed.is_empty(), "these cases failed; {} tells more:\n{}", report.display(), failed.join("\n"));
    Ok(())
}

/// Returns the folder of the suite. Installs the suite if it is missing.
fn site(project: &Project) -> Result<PathBuf> {
    let site = project.scratch("autobahn")?.join("site");
    // Python needs this file to find the package zope here. It is written last, so it also marks a complete installation.
    let namespace = site.join("zope/__init__.py");
    if !namespace.exists() {
        Cmd::new(PYTHON)
            .args(["-m", "pip", "install", "--upgrade", "--target"])
            .arg(&site)
            .arg(PACKAGE)
            .work()?;
        fs::write(&namespace, "").with_context(|| format!("cannot write {}", namespace.display()))?;
    }
    Ok(site)
}

/// Prints how many cases had which result, and returns the failed ones.
fn judge(cases: &Value) -> Result<Vec<String>> {
    let cases = cases.as_object().filter(|cases| !cases.is_empty()).context("the suite reports no case")?;
    let mut counts = BTreeMap::new();
    let mut failed = Vec::new();
    for (number, case) in cases {
        let [behavior, close] = ["behavior", "behaviorClose"].map(|key| case[key].as_str().unwrap_or("?"));
        *counts.entry((behavior, close)).or_insert(0) += 1;
        let is_passed = ["OK", "NON-STRICT", "INFORMATIONAL"].contains(&behavior);
        if !is_passed || !["OK", "INFORMATIONAL"].contains(&close) {
            failed.push(format!("{number}: {behavior}, close {close}"));
        }
    }
    for ((behavior, close), count) in counts {
        println!("{count:>4} {behavior}, close {close}");
    }
    Ok(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_fails_by_its_answer_or_by_its_close() {
        let case = |behavior: &str, close: &str| json!({ "behavior": behavior, "behaviorClose": close });
        let report = json!({
            "1.1.1": case("OK", "OK"),
            "6.4.3": case("NON-STRICT", "OK"),
            "7.13.1": case("INFORMATIONAL", "INFORMATIONAL"),
            "7.3.2": case("OK", "FAILED BY CLIENT"),
            "9.1.1": case("FAILED", "OK"),
            "9.1.2": {},
        });
        let failed = judge(&report).unwrap_or_default();
        let expected = ["7.3.2: OK, close FAILED BY CLIENT", "9.1.1: FAILED, close OK", "9.1.2: ?, close ?"];
        assert_eq!(failed, expected);
        assert!(judge(&json!({})).is_err(), "a suite that ran nothing has shown nothing");
    }
}
