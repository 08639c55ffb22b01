//! The READMEs' examples, in an empty folder with the packed crates and the packed npm package.

use anyhow::{Result, ensure};

use super::markdown::{Block, Folder, blocks_of};
use super::own_domain::with_main;
use crate::cmd::Cmd;
use crate::project::{Project, read};

/// The configuration of a page's TypeScript.
const TSCONFIG: &str = r#"{ "compilerOptions": { "target": "ES2022", "lib": ["ES2022", "DOM"], "module": "ESNext",
  "moduleResolution": "bundler", "strict": true, "noEmit": true, "types": [] } }
"#;

/// Compiles every block of Rust with the dependencies that the README adds, and every block of TypeScript.
pub(crate) fn run(project: &Project) -> Result<()> {
    let folder = Folder::new(project, "readmes")?;
    let mut dependencies = Vec::new();
    let mut packages = Vec::new();
    let mut rust = 0;
    let readmes = [project.root.join("README.md"), project.npm_package().join("README.md")];
    for (readme, path) in readmes.iter().enumerate() {
        for (index, Block { language, text, .. }) in blocks_of(path)?.into_iter().enumerate() {
            match &*language {
                "rust" => {
                    rust += 1;
                    folder.write(&format!("examples/block_{index}.rs"), &with_main(&text))?;
                }
                "ts" => folder.write(&format!("block_{readme}_{index}.ts"), &text)?,
                "sh" => {
                    dependencies.extend(text.lines().filter_map(added_by_cargo).flatten());
                    packages.extend(text.lines().filter_map(added_by_npm).map(str::to_owned));
                }
                _ => {}
            }
        }
    }
    ensure!(rust >= 2 && packages.contains(&"tidings".to_owned()), "the READMEs show less than they did");

    folder.write("Cargo.lock", &read(&project.own_domain().join("Cargo.lock"))?)?;
    let manifest = "[package]\nname = \"readme\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[lib]\npath = \"lib.rs\"\n\
        \n[dependencies]\n";
    folder.write("lib.rs", "")?;
    folder.write("Cargo.toml", &(manifest.to_owned() + &dependencies.join("\n")))?;
    folder.cargo(&["build", "--examples"]).run()?;

    packages.push("typescript".to_owned());
    folder.install(project, &folder.path, &packages.iter().map(String::as_str).collect::<Vec<_>>())?;
    folder.write("tsconfig.json", TSCONFIG)?;
    Cmd::new("npx").arg("tsc").dir(&folder.path).run()
}

/// The lines of Cargo.toml that `cargo add NAME… [--features A,B] [--no-default-features]` writes, in any version of the
/// lock file.
fn added_by_cargo(line: &str) -> Option<Vec<String>> {
    let mut words = line.strip_prefix("cargo add ")?.split_whitespace();
    let (mut names, mut options) = (Vec::new(), "version = \"*\"".to_owned());
    while let Some(word) = words.next() {
        match word {
            "--features" => {
                let features: Vec<&str> = words.next()?.split(',').collect();
                options += &format!(", features = {features:?}");
            }
            "--no-default-features" => options += ", default-features = false",
            name => names.push(name),
        }
    }
    Some(names.iter().map(|name| format!("{name} = {{ {options} }}")).collect())
}

fn added_by_npm(line: &str) -> Option<&str> {
    line.strip_prefix("npm install ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_add_writes_is_read_from_its_command() {
        let added = added_by_cargo("cargo add a b --no-default-features --features x,y").unwrap_or_default();
        let options = r#"{ version = "*", default-features = false, features = ["x", "y"] }"#;
        assert_eq!(added, [format!("a = {options}"), format!("b = {options}")]);
        assert_eq!(added_by_cargo("cargo run"), None);
    }
}
