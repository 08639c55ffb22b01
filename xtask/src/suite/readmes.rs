//! The step `readmes`: compiles the examples of the READMEs, with the packed crates and the packed npm package. Each README gets
//! the dependencies that it adds, and no others. No block goes unchecked: the commands that do not end up in that folder
//! must be known here.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::markdown::{Block, Folder, blocks};
use super::own_domain::with_main;
use crate::cmd::Cmd;
use crate::project::{Project, read};
use crate::{crates, package};

/// The TypeScript configuration of a page.
const TSCONFIG: &str = r#"{ "compilerOptions": { "target": "ES2022", "lib": ["ES2022", "DOM"], "module": "ESNext",
  "moduleResolution": "bundler", "strict": true, "noEmit": true, "types": [] } }
"#;

/// Compiles every block of Rust and of TypeScript.
pub(crate) fn run(project: &Project) -> Result<()> {
    let folder = Folder::new(project, "readmes")?;
    let mut packages = vec!["typescript".to_owned()];
    let mut members = Vec::new();
    for (index, readme) in readmes(project)?.iter().enumerate() {
        let name = format!("readme-{index}");
        let needs = follow(project, &folder, &name, readme).with_context(|| readme.display().to_string())?;
        packages.extend(needs.packages);
        if !needs.crates.is_empty() {
            let head = format!("[package]\nname = {name:?}\nversion = \"0.1.0\"\nedition = \"2024\"\n");
            let manifest =
                format!("{head}\n[lib]\npath = \"lib.rs\"\n\n[dependencies]\n{}", needs.crates.join("\n"));
            folder.write(&format!("{name}/Cargo.toml"), &manifest)?;
            folder.write(&format!("{name}/lib.rs"), "")?;
            members.push(name);
        }
    }
    ensure!(
        members.len() >= 5 && packages.contains(&"tidings".to_owned()),
        "the READMEs show less than they did"
    );

    folder.write("Cargo.lock", &read(&project.root.join("Cargo.lock"))?)?;
    folder.write("Cargo.toml", &format!("[workspace]\nresolver = \"3\"\nmembers = {members:?}\n"))?;
    for name in members {
        // One after the other: together, each would have the features that another one asks for.
        folder.cargo(project, &["build", "--package", &name, "--examples"]).run()?;
    }
    folder.install(project, &folder.path, &packages.iter().map(String::as_str).collect::<Vec<_>>())?;
    folder.write("tsconfig.json", TSCONFIG)?;
    Cmd::new("npx").arg("tsc").dir(&folder.path).run()
}

/// The READMEs of the repository, of the npm package and of the published crates.
fn readmes(project: &Project) -> Result<Vec<PathBuf>> {
    let mut readmes = vec![project.root.join("README.md"), project.npm_package().join("README.md")];
    for package in crates::published(project)? {
        let manifest = package["manifest_path"].as_str().context("a package has no path")?;
        readmes.push(Path::new(manifest).with_file_name("README.md"));
    }
    Ok(readmes)
}

/// What a README adds to a project.
#[derive(Debug, Default)]
struct Needs {
    /// Lines of Cargo.toml.
    crates: Vec<String>,
    /// Names of npm packages.
    packages: Vec<String>,
}

impl Needs {
    /// Adds a line of Cargo.toml. As with `cargo add`, it takes the place of an earlier one of the same crate.
    fn add_crate(&mut self, line: String) {
        let name = |line: &str| line.split(' ').next().map(str::to_owned);
        self.crates.retain(|known| name(known) != name(&line));
        self.crates.push(line);
    }
}

/// Writes the blocks of a README as files: its Rust into the folder `name`, its TypeScript beside that folder.
fn follow(project: &Project, folder: &Folder, name: &str, readme: &Path) -> Result<Needs> {
    let mut needs = Needs::default();
    for (index, Block { language, text, .. }) in blocks(&read(readme)?).into_iter().enumerate() {
        match &*language {
            "rust" => folder.write(&format!("{name}/examples/block_{index}.rs"), &with_main(&text))?,
            "ts" => folder.write(&format!("{name}_{index}.ts"), &text)?,
            // The npm package's own tests compile and run them, with React.
            "tsx" if readme.starts_with(project.npm_package()) => {}
            // `tests/tests/e2e/readme.rs` executes it.
            "sql" => {}
            // A drawing.
            "text" => {}
            "sh" if RUN_BY_TESTS.iter().any(|command| text.contains(command)) => {}
            "sh" => {
                for line in text.lines() {
                    match command(line)? {
                        Command::AddCrates(lines) => lines.into_iter().for_each(|line| needs.add_crate(line)),
                        Command::AddPackages(names) => needs.packages.extend(names),
                        Command::InCheckout(path) => {
                            let there = if path.ends_with(".tgz") {
                                package::build(project)?.ends_with(path.trim_start_matches("target/"))
                            } else {
                                project.root.join(&path).join("Cargo.toml").is_file()
                            };
                            ensure!(there, "`{line}`: there is no {path}");
                        }
                        Command::Other => {}
                    }
                }
            }
            _ => bail!("nothing checks a block of `{language}`"),
        }
    }
    Ok(needs)
}

/// Blocks with one of these commands are run by `tests/tests/e2e/readme.rs`.
const RUN_BY_TESTS: [&str; 6] = [
    "curl ",
    "tidings token ",
    "tidings journal ",
    "tidings watch-table ",
    "cargo run -p tidings-server --example ",
    "sqlite3 links.db ",
];

/// Commands that other steps run, in their own way.
const KNOWN: [&str; 5] = [
    "cargo xtask demo",
    "cargo xtask test",
    "cargo install --locked tidings-server",
    "tidings serve --dev",
    "tidings serve --dev --journal sqlite:events.journal",
];

/// Where a README takes a checkout of this repository to be.
const CHECKOUT: &str = "../tidings/";

/// A command of a README.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    /// Adds dependencies: lines of Cargo.toml.
    AddCrates(Vec<String>),
    /// Adds npm packages.
    AddPackages(Vec<String>),
    /// Uses a crate or a tarball of a checkout.
    InCheckout(String),
    Other,
}

fn command(line: &str) -> Result<Command> {
    let in_checkout = line.split_whitespace().find_map(|word| word.strip_prefix(CHECKOUT));
    Ok(match (in_checkout, line.strip_prefix("cargo add "), line.strip_prefix("npm install ")) {
        (Some(path), Some(_), _) => Command::InCheckout(path.to_owned()),
        (Some(path), _, Some(_)) => Command::InCheckout(path.to_owned()),
        (_, Some(words), _) => Command::AddCrates(added_by_cargo(words)?),
        (_, _, Some(names)) => Command::AddPackages(names.split_whitespace().map(str::to_owned).collect()),
        _ if KNOWN.contains(&line) => Command::Other,
        _ => bail!("a README shows `{line}`, and nothing checks it"),
    })
}

/// The lines of Cargo.toml that `cargo add NAME… [--features A,B] [--no-default-features]` writes, in any version of the
/// lock file.
fn added_by_cargo(words: &str) -> Result<Vec<String>> {
    let mut words = words.split_whitespace();
    let (mut names, mut options) = (Vec::new(), "version = \"*\"".to_owned());
    while let Some(word) = words.next() {
        match word {
            "--features" => {
                let features: Vec<&str> = words.next().unwrap_or_default().split(',').collect();
                options += &format!(", features = {features:?}");
            }
            "--no-default-features" => options += ", default-features = false",
            option if option.starts_with('-') => bail!("`cargo add {option}` is not understood"),
            name => names.push(name),
        }
    }
    Ok(names.iter().map(|name| format!("{name} = {{ {options} }}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_add_writes_is_read_from_its_command() -> Result<()> {
        let options = r#"{ version = "*", default-features = false, features = ["x", "y"] }"#;
        let added = vec![format!("a = {options}"), format!("b = {options}")];
        let line = "cargo add a b --no-default-features --features x,y";
        assert_eq!(command(line)?, Command::AddCrates(added));
        Ok(())
    }

    #[test]
    fn a_crate_that_is_added_again_gets_the_features_of_the_last_time() {
        let mut needs = Needs::default();
        for line in ["a = 1", "ab = 1", "a = 2"] {
            needs.add_crate(line.to_owned());
        }
        assert_eq!(needs.crates, ["ab = 1", "a = 2"]);
    }

    #[test]
    fn a_command_of_a_checkout_names_what_must_be_there() -> Result<()> {
        let named = |line| command(line).map(|command| command == Command::InCheckout("a/b".to_owned()));
        assert!(named("cargo add --path ../tidings/a/b --no-default-features")?);
        assert!(named("npm install ../tidings/a/b")?);
        Ok(())
    }

    #[test]
    fn a_command_that_nothing_checks_is_an_error() {
        assert!(command("cargo xtask test").is_ok());
        assert!(command("cargo xtask tset").is_err());
        assert!(command("cargo add a --git b").is_err());
    }
}
