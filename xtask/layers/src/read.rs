//! Reads all modules of a crate, from the file of its root module on.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use crate::syntax;
use crate::tree::{Crate, ModuleId, ROOT};

/// Returns the text of a file, or `None` if there is no such file.
pub(crate) type ReadFile<'a> = dyn Fn(&Path) -> Option<String> + 'a;

/// Reads a crate. `root` is the file of its root module, and `name` is what other crates call a library.
pub(crate) fn read(read_file: &ReadFile<'_>, root: &Path, name: Option<String>) -> Result<Crate> {
    let mut tree = Crate { modules: Vec::new(), own_names: name.into_iter().collect() };
    let text = read_file(root).with_context(|| format!("cannot read {}", root.display()))?;
    let folder = root.parent().unwrap_or(Path::new("")).to_owned();
    let id = tree.add("", ROOT, root);
    fill(&mut tree, read_file, id, &parse(root, &text)?.items, &folder)?;
    Ok(tree)
}

/// Reads the items of a module. The files of its children lie in `folder`.
fn fill(
    tree: &mut Crate,
    read_file: &ReadFile<'_>,
    id: ModuleId,
    items: &[syn::Item],
    folder: &Path,
) -> Result<()> {
    for child in syntax::read(tree, id, items) {
        read_child(tree, read_file, id, child, folder)?;
    }
    Ok(())
}

fn read_child(
    tree: &mut Crate,
    read_file: &ReadFile<'_>,
    parent: ModuleId,
    child: &syn::ItemMod,
    folder: &Path,
) -> Result<()> {
    let name = syntax::text_of(&child.ident);
    let own_folder = folder.join(&name);
    let file = PathBuf::from(&tree.modules[parent].file);
    if child.attrs.iter().any(|attribute| attribute.path().is_ident("path")) {
        let line = child.ident.span().start().line;
        bail!(
            "{}:{line}: `layers` does not follow `#[path]`: name the file after its module",
            file.display()
        );
    }
    if let Some((_, items)) = &child.content {
        let id = tree.declare(&name, parent, &file);
        return fill(tree, read_file, id, items, &own_folder);
    }
    let places = [folder.join(format!("{name}.rs")), own_folder.join("mod.rs")];
    let found = places.iter().find_map(|place| Some((place, read_file(place)?)));
    let (file, text) =
        found.with_context(|| format!("{}: the module `{name}` has no file", file.display()))?;
    let id = tree.declare(&name, parent, file);
    fill(tree, read_file, id, &parse(file, &text)?.items, &own_folder)
}

fn parse(path: &Path, text: &str) -> Result<syn::File> {
    syn::parse_file(text).map_err(|error| {
        anyhow!("{}:{}: cannot be parsed: {error}", path.display(), error.span().start().line)
    })
}
