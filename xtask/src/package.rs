//! `cargo xtask build`: builds the npm tarball from the Rust client. The demo and the tests use the tarball.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::cmd::Cmd;
use crate::project::{Project, read_json};
use crate::setup::tools;
use crate::setup::wasm::{self, TARGET, WasmToolchain};
use crate::sizes;
use crate::stamp::{self, Inputs};

/// The crate that is compiled into the package, and the file that cargo writes.
const CRATE: &str = "tidings-client-wasm";
const CRATE_FILE: &str = "tidings_client_wasm.wasm";

/// The name of the files that wasm-bindgen writes.
const CORE: &str = "tidings_core";

/// The sources of the package, relative to the repository.
const INPUTS: [&str; 6] =
    ["Cargo.toml", "Cargo.lock", "shared", "client-wasm", tools::BINDGEN_SOURCE, "xtask/src/package.rs"];

/// Builds the tarball if a source has changed, checks its size, and returns its path. Needs [`crate::setup::BUILD`].
pub(crate) fn build(project: &Project) -> Result<PathBuf> {
    let toolchain = wasm::find(project).context("no compiler for WebAssembly: run `cargo xtask setup`")?;
    let tarball = tarball(project)?;
    let folder = project.target.join("npm");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;

    let stamp = folder.join("stamp");
    let digest = digest(project, &toolchain)?;
    let dist = project.npm_package().join("dist");
    if stamp::is_fresh(&stamp, &digest) && tarball.is_file() && dist.is_dir() {
        println!("package up to date: {}", tarball.display());
    } else {
        // First, so that the result of a failed build does not look up to date.
        let _ = fs::remove_file(&stamp);
        let wasm = compile(project, &toolchain)?;
        bind(project, &wasm)?;
        optimise(project)?;
        assemble(project, &folder)?;
        ensure!(tarball.is_file(), "`npm pack` wrote no {}", tarball.display());
        stamp::write(&stamp, &digest)?;
        println!("package built: {}", tarball.display());
    }
    sizes::check(project)?;
    Ok(tarball)
}

/// Unpacks the package into the `node_modules` of `folder`.
///
/// npm does not install it, because its digest changes with every build and must not reach a lock file.
pub(crate) fn unpack_into(project: &Project, tarball: &Path, folder: &Path) -> Result<()> {
    let modules = folder.join("node_modules");
    ensure!(modules.is_dir(), "{} is missing: run `cargo xtask setup`", modules.display());
    let package = modules.join(package_json(project)?.0);
    if package.exists() {
        fs::remove_dir_all(&package).with_context(|| format!("cannot replace {}", package.display()))?;
    }
    fs::create_dir_all(&package).with_context(|| format!("cannot create {}", package.display()))?;
    Cmd::new("tar").arg("-xzf").arg(tarball).args(["--strip-components", "1", "-C"]).arg(&package).read()?;
    Ok(())
}

fn digest(project: &Project, toolchain: &WasmToolchain) -> Result<String> {
    let mut inputs = Inputs::default().text(&toolchain.identity()?);
    for path in INPUTS {
        inputs = inputs.path(&project.root, path)?;
    }
    Ok(inputs.digest())
}

/// Returns the name and the version of the package.
fn package_json(project: &Project) -> Result<(String, String)> {
    let path = project.npm_package().join("package.json");
    let json = read_json(&path)?;
    let text = |key: &str| {
        let value = json[key].as_str().map(str::to_owned);
        value.with_context(|| format!("{} has no {key}", path.display()))
    };
    Ok((text("name")?, text("version")?))
}

fn tarball(project: &Project) -> Result<PathBuf> {
    let (name, version) = package_json(project)?;
    Ok(project.target.join("npm").join(tarball_name(&name, &version)))
}

/// The name that `npm pack` gives its file.
fn tarball_name(name: &str, version: &str) -> String {
    format!("{}-{version}.tgz", name.trim_start_matches('@').replace('/', "-"))
}

fn compile(project: &Project, toolchain: &WasmToolchain) -> Result<PathBuf> {
    toolchain
        .cargo(project)
        .args(["build", "--package", CRATE, "--lib", "--profile", "wasm", "--target", TARGET, "--target-dir"])
        .arg(&project.target)
        .run()?;
    Ok(project.target.join(TARGET).join("wasm").join(CRATE_FILE))
}

fn bind(project: &Project, wasm: &Path) -> Result<()> {
    let pkg = project.npm_package().join("pkg");
    let Some(program) = tools::installed_bindgen(project)? else {
        return Cmd::new(tools::own_bindgen(project)).arg(wasm).arg(CORE).arg(pkg).run();
    };
    Cmd::new(program)
        .args(["--target", "web", "--omit-default-module-path", "--out-name", CORE, "--out-dir"])
        .arg(pkg)
        .arg(wasm)
        .run()
}

/// Shrinks the wasm in place, and writes the new names of its imports and exports for the glue. wasm-bindgen's names
/// contain hashes, which do not compress.
///
/// wasm-opt reads the allowed features from a section that the compiler wrote. With `--all-features` it would write modules
/// that browsers refuse.
fn optimise(project: &Project) -> Result<()> {
    let pkg = project.npm_package().join("pkg");
    let wasm = pkg.join(format!("{CORE}_bg.wasm"));
    let bytes = fs::read(&wasm).with_context(|| format!("cannot read {}", wasm.display()))?;
    ensure!(
        has_section(&bytes, "target_features"),
        "{} has no section `target_features`, so wasm-opt does not know the allowed features: \
         the profile `wasm` in Cargo.toml must not strip",
        wasm.display()
    );
    let program = project.npm_package().join("node_modules/.bin/wasm-opt");
    let names = Cmd::new(program)
        .args(["--flatten", "--rereloop", "-Oz", "-Oz", "-Oz", "--strip-producers"])
        // No data lies in the lowest kilobyte: it is the far end of a stack of one megabyte.
        .arg("--low-memory-unused")
        // A function with one caller stays whole. The file is larger, but compresses better.
        .arg("--one-caller-inline-max-function-size=0")
        .args(["--minify-imports-and-exports-and-modules", "-o"])
        .arg(&wasm)
        .arg(&wasm)
        .remedy(
            "It comes with the npm package `binaryen`, which client-wasm/npm must name in devDependencies.",
        )
        .read()?;
    fs::write(pkg.join(format!("{CORE}.names.json")), names).context("cannot write the glue's names")
}

/// Builds the package's JavaScript around the core, and packs it.
fn assemble(project: &Project, folder: &Path) -> Result<()> {
    let package = project.npm_package();
    Cmd::new("npm").args(["run", "--silent", "build"]).dir(&package).run()?;
    // Without scripts, because they would build everything again.
    Cmd::new("npm")
        .args(["pack", "--ignore-scripts", "--silent", "--pack-destination"])
        .arg(folder)
        .dir(&package)
        .run()
}

/// Returns whether the module has a custom section of that name.
fn has_section(module: &[u8], name: &str) -> bool {
    let mut rest = module.get(8..).unwrap_or_default();
    while let Some((id, length, body)) = section_head(rest) {
        let Some(content) = body.get(..length) else { return false };
        let custom = id == 0 && leb128(content).is_some_and(|(_, text)| text.starts_with(name.as_bytes()));
        if custom {
            return true;
        }
        rest = &body[length..];
    }
    false
}

/// Returns a section's id, its length, and the bytes that follow.
fn section_head(bytes: &[u8]) -> Option<(u8, usize, &[u8])> {
    let (id, rest) = bytes.split_first()?;
    let (length, body) = leb128(rest)?;
    Some((*id, length, body))
}

/// Returns an unsigned LEB128 number (32 bits at most), and the bytes that follow it.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tarball_is_named_as_npm_names_it() {
        assert_eq!(tarball_name("tidings", "0.1.0"), "tidings-0.1.0.tgz");
        assert_eq!(tarball_name("@team/tidings", "0.1.0"), "team-tidings-0.1.0.tgz");
    }

    #[test]
    fn a_custom_section_is_found_by_its_name_wherever_it_stands() {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        module.extend([1, 2, 0xaa, 0xbb]);
        assert!(!has_section(&module, "target_features"));
        module.extend([0, 17, 15]);
        module.extend(b"target_features\0");
        assert!(has_section(&module, "target_features"));
        assert!(!has_section(&module, "producers"));
    }

    #[test]
    fn a_truncated_module_holds_no_section() {
        assert!(!has_section(b"", "target_features"));
        assert!(!has_section(b"\0asm\x01\0\0\0\x00\x7f\x0ftarget", "target_features"));
    }

    #[test]
    fn long_lengths_are_read() {
        assert_eq!(leb128(&[0xe5, 0x8e, 0x26, 7]), Some((624_485, &[7][..])));
        assert_eq!(leb128(&[0x80]), None);
    }
}
