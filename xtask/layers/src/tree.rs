//! The modules of one crate, with their declarations and the paths that they name.

use std::collections::HashMap;
use std::path::Path;

/// The number of a module in its [`Crate`].
pub(crate) type ModuleId = usize;

/// The root module of a crate: `lib.rs` or `main.rs`.
pub(crate) const ROOT: ModuleId = 0;

/// All modules of a crate, except those that exist for tests only.
#[derive(Debug)]
pub(crate) struct Crate {
    /// The modules. The first is the root.
    pub(crate) modules: Vec<Module>,
    /// Names by which the crate's own code may call it from outside, such as `tidings_shared`.
    pub(crate) own_names: Vec<String>,
}

/// One module.
#[derive(Debug)]
pub(crate) struct Module {
    /// The module's name; empty for the root.
    pub(crate) name: String,
    /// The module around this one. The root is its own parent.
    pub(crate) parent: ModuleId,
    /// The file, relative to the repository.
    pub(crate) file: String,
    /// The meanings of each name. A function and a module may share a name.
    pub(crate) names: HashMap<String, Vec<Name>>,
    /// The paths of `use path::*`, each as a [`Name::Import`].
    pub(crate) globs: Vec<Name>,
    /// Every path that the module names.
    pub(crate) references: Vec<Reference>,
}

/// A meaning of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// Something that this module defines.
    Item(ModuleId),
    /// A child module.
    Module(ModuleId),
    /// An import. A private one is visible in this module and in the modules inside only.
    Import {
        /// The path, as it is written.
        path: Vec<String>,
        /// Whether the `use` has no `pub`.
        is_private: bool,
    },
}

/// A path in source code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// The segments of the path. An empty first segment is a leading `::`.
    pub(crate) path: Vec<String>,
    /// The line, counted from 1.
    pub(crate) line: usize,
    /// Whether the path stands in `use`. There, a module counts as used by its name alone.
    pub(crate) is_use: bool,
}

impl Crate {
    /// Returns the path of a module as code writes it: `net::socket`.
    pub(crate) fn path(&self, id: ModuleId) -> String {
        let names: Vec<_> = self.chain(id).iter().skip(1).map(|&id| self.modules[id].name.as_str()).collect();
        if names.is_empty() { "the crate's root".to_owned() } else { names.join("::") }
    }

    /// Returns the modules from the root down to this one.
    pub(crate) fn chain(&self, id: ModuleId) -> Vec<ModuleId> {
        let mut chain = vec![id];
        let mut id = id;
        while id != ROOT {
            id = self.modules[id].parent;
            chain.push(id);
        }
        chain.reverse();
        chain
    }

    /// Adds a child module, by its name in its parent.
    pub(crate) fn declare(&mut self, name: &str, parent: ModuleId, file: &Path) -> ModuleId {
        let id = self.add(name, parent, file);
        self.modules[parent].names.entry(name.to_owned()).or_default().push(Name::Module(id));
        id
    }

    /// Adds a module.
    pub(crate) fn add(&mut self, name: &str, parent: ModuleId, file: &Path) -> ModuleId {
        self.modules.push(Module {
            name: name.to_owned(),
            parent,
            file: file.to_string_lossy().replace('\\', "/"),
            names: HashMap::new(),
            globs: Vec::new(),
            references: Vec::new(),
        });
        self.modules.len() - 1
    }
}
