//! Finds the module that defines the item of a path, through every `use` and `pub use` on the way.

use std::collections::BTreeSet;

use crate::tree::{Crate, ModuleId, Name, ROOT, Reference};

/// Returns the modules that a reference in the module `from` depends on: all modules that its path names, and the module
/// that defines the item.
pub(crate) fn modules_of(tree: &Crate, from: ModuleId, reference: &Reference) -> BTreeSet<ModuleId> {
    let mut resolver = Resolver { tree, from: tree.chain(from), named: BTreeSet::new(), pending: Vec::new() };
    let targets = resolver.path(from, &reference.path);
    // A path outside of `use` that ends at a module is something else: a variable with the module's name.
    let counted = |target: &Target| match *target {
        Target::Item(module) => Some(module),
        Target::Module(module) => reference.is_use.then_some(module),
    };
    let defined: BTreeSet<_> = targets.iter().filter_map(counted).collect();
    if defined.is_empty() { defined } else { resolver.named.into_iter().chain(defined).collect() }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    /// A module itself.
    Module(ModuleId),
    /// Something that this module defines.
    Item(ModuleId),
}

struct Resolver<'a> {
    tree: &'a Crate,
    /// The module that writes the path, and the modules around it. This module sees the private imports of all of them.
    from: Vec<ModuleId>,
    /// The modules that the path has named so far.
    named: BTreeSet<ModuleId>,
    /// The names that are being looked up: `use` statements may go round in a circle.
    pending: Vec<(ModuleId, String)>,
}

impl Resolver<'_> {
    fn path(&mut self, from: ModuleId, path: &[String]) -> BTreeSet<Target> {
        let Some((first, rest)) = path.split_first() else {
            return BTreeSet::new();
        };
        match first.as_str() {
            "crate" => self.below(ROOT, rest),
            "self" => self.below(from, rest),
            "super" => self.below(self.tree.modules[from].parent, rest),
            "" => match rest.split_first() {
                Some((name, rest)) if self.tree.own_names.contains(name) => self.below(ROOT, rest),
                _ => BTreeSet::new(),
            },
            name => {
                let found = self.name(from, name);
                if found.is_empty() && self.tree.own_names.contains(first) {
                    return self.below(ROOT, rest);
                }
                self.after(&found, rest)
            }
        }
    }

    /// Resolves `rest` inside a module that the path has named.
    fn below(&mut self, module: ModuleId, rest: &[String]) -> BTreeSet<Target> {
        let Some((first, more)) = rest.split_first() else {
            return BTreeSet::from([Target::Module(module)]);
        };
        if first == "super" {
            return self.below(self.tree.modules[module].parent, more);
        }
        let found = self.name(module, first);
        if found.is_empty() {
            // The code compiles, so a macro in that module defines the item.
            return BTreeSet::from([Target::Item(module)]);
        }
        self.after(&found, more)
    }

    /// Resolves `rest` after a name that stands for `found`.
    fn after(&mut self, found: &BTreeSet<Target>, rest: &[String]) -> BTreeSet<Target> {
        if rest.is_empty() {
            return found.clone();
        }
        let module = found.iter().find_map(|target| match *target {
            Target::Module(module) => Some(module),
            Target::Item(_) => None,
        });
        match module {
            Some(module) => {
                self.named.insert(module);
                self.below(module, rest)
            }
            // The segments after an item belong to it: `Hub::new`.
            None => found.clone(),
        }
    }

    /// Looks up one name in the scope of a module.
    fn name(&mut self, module: ModuleId, name: &str) -> BTreeSet<Target> {
        let key = (module, name.to_owned());
        if self.pending.contains(&key) {
            return BTreeSet::new();
        }
        self.pending.push(key);
        let tree = self.tree;
        let scope = &tree.modules[module];
        let mut found = BTreeSet::new();
        for meaning in scope.names.get(name).into_iter().flatten() {
            match meaning {
                Name::Item(module) => drop(found.insert(Target::Item(*module))),
                Name::Module(module) => drop(found.insert(Target::Module(*module))),
                Name::Import { .. } => found.extend(self.imported(module, meaning)),
            }
        }
        if found.is_empty() {
            for glob in &scope.globs {
                for target in self.imported(module, glob) {
                    if let Target::Module(inside) = target {
                        found.extend(self.name(inside, name));
                    }
                }
            }
        }
        self.pending.pop();
        found
    }

    /// Follows a `use` that stands in `module`.
    fn imported(&mut self, module: ModuleId, import: &Name) -> BTreeSet<Target> {
        let Name::Import { path, is_private } = import else { return BTreeSet::new() };
        if *is_private && !self.from.contains(&module) {
            return BTreeSet::new();
        }
        // The `use` is resolved in its own module. It is that module which depends on the modules on the way.
        let outside = (std::mem::replace(&mut self.from, self.tree.chain(module)), self.named.clone());
        let found = self.path(module, path);
        (self.from, self.named) = outside;
        found
    }
}
