//! A compiler that can build for `wasm32-unknown-unknown`.
//!
//! It is the active toolchain if that has the target, or if rustup can add it. If rustup reaches no network, it is Debian's
//! compiler: the set-up builds the target's standard library from Debian's source, and gives the compiler to rustup under
//! the name [`LINKED`].

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::announce;
use super::debian::{self, as_root};
use crate::cmd::{Cmd, cargo_home, which};
use crate::project::Project;
use crate::version::{major, upstream, version_in};

/// The target for browsers.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// The name of Debian's compiler in rustup.
const LINKED: &str = "tidings-wasm";

/// The paths of Debian's compiler and cargo.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";

/// A toolchain that compiles for the target.
#[derive(Debug)]
pub(crate) enum WasmToolchain {
    /// The toolchain that builds everything else.
    Active,
    /// Debian's, with its own linker.
    Linked {
        /// The linker's program.
        linker: String,
    },
}

impl WasmToolchain {
    /// Returns `cargo` of this toolchain. The flags keep paths of this machine out of the result.
    pub(crate) fn cargo(&self, project: &Project) -> Cmd {
        self.apply(Cmd::new("cargo").dir(&project.root)).env("CARGO_ENCODED_RUSTFLAGS", self.flags(project))
    }

    /// Makes a child use this toolchain for cargo and rustc.
    pub(crate) fn apply(&self, cmd: Cmd) -> Cmd {
        match self {
            // Keeps RUSTUP_TOOLCHAIN, by which `cargo run` passes on the active toolchain.
            Self::Active => cmd.without_env("RUSTFLAGS").without_env("CARGO_ENCODED_RUSTFLAGS"),
            Self::Linked { linker } => cmd
                .without_rust_env()
                .env("RUSTUP_TOOLCHAIN", LINKED)
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker),
        }
    }

    /// Returns whether this toolchain has clippy.
    pub(crate) fn has_clippy(&self) -> bool {
        matches!(self, Self::Active)
    }

    /// Returns the version of the compiler, on which every build depends.
    pub(crate) fn identity(&self) -> Result<String> {
        self.apply(Cmd::new("rustc").arg("-vV")).read()
    }

    /// Flags that keep the paths of this machine out of the panic messages in the package.
    fn flags(&self, project: &Project) -> String {
        let mut flags = vec![format!("--remap-path-prefix={}=/tidings", project.root.display())];
        flags.extend(cargo_home().map(|home| format!("--remap-path-prefix={}=/cargo", home.display())));
        // Where the component `rust-src` is installed, the compiler names the files of the standard library there.
        let sysroot = self.apply(Cmd::new("rustc").args(["--print", "sysroot"])).read();
        flags.extend(
            sysroot.map(|path| format!("--remap-path-prefix={}/lib/rustlib/src/rust=/rustc", path.trim())),
        );
        flags.join("\u{1f}")
    }

    /// Compiles a trivial crate. Only that proves that compiler, standard library and linker work together.
    fn probe(&self, project: &Project) -> Result<()> {
        let folder = project.scratch("wasm-probe")?;
        let source = folder.join("probe.rs");
        fs::write(&source, "pub fn probe(text: &str) -> String { text.to_owned() }\n")
            .with_context(|| format!("cannot write {}", source.display()))?;
        let mut rustc = Cmd::new("rustc").args(["--target", TARGET, "--crate-type", "cdylib", "--out-dir"]);
        rustc = rustc.arg(&folder).arg(&source);
        if let Self::Linked { linker } = self {
            rustc = rustc.arg(format!("-Clinker={linker}"));
        }
        self.apply(rustc).read().map(drop)
    }
}

impl fmt::Display for WasmToolchain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active => write!(out, "the active toolchain compiles for {TARGET}"),
            Self::Linked { .. } => write!(out, "the toolchain `{LINKED}` (Debian's) compiles for {TARGET}"),
        }
    }
}

/// Finds a toolchain for the target.
pub(crate) fn find(project: &Project) -> Option<WasmToolchain> {
    let linked = || debian_linker().ok().map(|linker| WasmToolchain::Linked { linker });
    let candidates = std::iter::once(WasmToolchain::Active).chain(std::iter::once_with(linked).flatten());
    candidates.into_iter().find(|toolchain| toolchain.probe(project).is_ok())
}

/// Installs a toolchain for the target.
pub(super) fn install(project: &Project) -> Result<()> {
    let by_rustup = match add_by_rustup(project) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    announce(&format!("rustup could not add {TARGET}: using Debian's compiler instead (usually 1 min more)"));
    install_from_debian(project).with_context(|| {
        format!(
            "no compiler here builds for {TARGET}, and neither way to get one worked.\n\
             Remedy: run `rustup target add {TARGET}` with a network, or use Debian 12 or later, \
             which has the packages rustc-web, cargo-web, rust-web-src and lld.\n\
             First way, rustup: {by_rustup:#}\n\
             Second way, Debian's packages"
        )
    })
}

fn add_by_rustup(project: &Project) -> Result<()> {
    Cmd::new("rustup")
        .args(["target", "add", TARGET])
        .dir(&project.root)
        // Without a network, fail at once.
        .env("RUSTUP_MAX_RETRIES", "0")
        .env("RUST_BACKTRACE", "0")
        .remedy("Is the network that rustup loads from reachable?")
        .read()?;
    WasmToolchain::Active.probe(project)
}

fn install_from_debian(project: &Project) -> Result<()> {
    which("rustup")
        .context("rustup is not installed, and the second compiler needs it: https://rustup.rs")?;
    let version = install_debian_compiler()?;
    Cmd::new("rustup").args(["toolchain", "link", LINKED, "/usr"]).read()?;
    let toolchain = WasmToolchain::Linked { linker: debian_linker()? };
    if toolchain.probe(project).is_err() {
        let libraries = build_standard_library(project, &version)?;
        install_standard_library(&libraries)?;
        toolchain
            .probe(project)
            .context("the standard library was built and installed, but nothing compiles")?;
    }
    Ok(())
}

/// Installs the missing packages, and returns the version of the compiler.
fn install_debian_compiler() -> Result<String> {
    if Path::new(DEBIAN_RUSTC).exists() {
        let owner = debian_version("rustc-web");
        ensure!(
            owner.is_ok(),
            "{DEBIAN_RUSTC} exists and is not from the package rustc-web; remove it, or its package, first"
        );
    }
    let packages = ["rustc-web", "cargo-web", "rust-web-src"];
    if packages.iter().any(|package| debian_version(package).is_err()) {
        announce("installing Debian's Rust compiler and its source");
        debian::install(&packages)?;
    }
    if which(&debian_linker()?).is_none() {
        announce("installing Debian's linker for WebAssembly");
        debian::install(&[&format!("lld-{}", debian_llvm()?)])?;
    }

    let package = debian_version("rustc-web")?;
    let wanted = upstream(&package);
    let said = Cmd::new(DEBIAN_RUSTC).arg("--version").without_rust_env().read()?;
    if version_in(&said) != Some(wanted) {
        bail!("{DEBIAN_RUSTC} says `{}`, but the package rustc-web is {package}: reinstall it", said.trim());
    }
    Ok(wanted.to_owned())
}

/// Returns the version of an installed package.
fn debian_version(package: &str) -> Result<String> {
    let query = ["--show", "--showformat=${db:Status-Status} ${Version}", package];
    let answer = Cmd::new("dpkg-query").args(query).read()?;
    let version = answer.strip_prefix("installed ");
    Ok(version.with_context(|| format!("the package {package} is not installed"))?.to_owned())
}

/// Returns the major version of the LLVM in Debian's compiler. The linker must have the same.
fn debian_llvm() -> Result<u32> {
    let said = Cmd::new(DEBIAN_RUSTC).arg("-vV").without_rust_env().read()?;
    llvm_major(&said).with_context(|| format!("{DEBIAN_RUSTC} does not say which LLVM it has"))
}

fn llvm_major(said: &str) -> Option<u32> {
    said.lines().find_map(|line| line.strip_prefix("LLVM version: ")).and_then(major)
}

fn debian_linker() -> Result<String> {
    Ok(format!("wasm-ld-{}", debian_llvm()?))
}

/// Builds the target's standard library from the compiler's own source, and returns its files.
fn build_standard_library(project: &Project, version: &str) -> Result<Vec<PathBuf>> {
    let source = PathBuf::from(format!("/usr/src/rustc-{version}"));
    let folder = project.scratch("wasm-std")?;
    // Otherwise the libraries of an older compiler would be installed too.
    fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    announce("building the standard library for WebAssembly from Debian's source (usually 1 min)");
    let flags = format!(
        "-Cembed-bitcode=yes -Zforce-unstable-if-unmarked --remap-path-prefix={}=/rustc/{version}",
        source.display()
    );
    Cmd::new(DEBIAN_CARGO)
        .args(["build", "--locked", "--release", "--manifest-path", "sysroot/Cargo.toml", "--target", TARGET])
        .args(["--features", "compiler-builtins-mem,panic-unwind,backtrace", "--target-dir"])
        .arg(&folder)
        .dir(source.join("library"))
        .without_rust_env()
        .env("RUSTC", DEBIAN_RUSTC)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", flags)
        .remedy("Its dependencies come from crates.io: is that reachable?")
        .quiet()?;

    let built = folder.join(TARGET).join("release/deps");
    let files = fs::read_dir(&built).with_context(|| format!("cannot read {}", built.display()))?;
    let mut libraries: Vec<PathBuf> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    libraries.retain(|file| file.extension().is_some_and(|extension| extension == "rlib"));
    ensure!(!libraries.is_empty(), "the build left no library in {}", built.display());
    Ok(libraries)
}

/// Copies the libraries to the folder of the compiler, in place of older ones.
fn install_standard_library(libraries: &[PathBuf]) -> Result<()> {
    let question = ["--print", "target-libdir", "--target", TARGET];
    let folder = Cmd::new(DEBIAN_RUSTC).args(question).without_rust_env().read()?;
    let folder = Path::new(folder.trim());
    let held = fs::read_dir(folder).into_iter().flatten().filter_map(|file| Some(file.ok()?.path()));
    as_root("rm")?.arg("-f").args(held).read()?;
    as_root("install")?.arg("-d").arg(folder).read()?;
    as_root("install")?.args(["-m", "644", "-t"]).arg(folder).args(libraries).read()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linker_follows_the_llvm_of_the_compiler() {
        let said = "rustc 1.96.0 (ac68faa20 2026-05-25)\nrelease: 1.96.0\nLLVM version: 22.1.8\n";
        assert_eq!(llvm_major(said), Some(22));
        assert_eq!(llvm_major("rustc 1.96.0"), None);
    }
}
