//! The edges between modules that lie side by side, and the edges that break a rule.

use std::collections::{BTreeMap, BTreeSet};

use crate::resolve;
use crate::rules::Layers;
use crate::tree::{Crate, ModuleId, ROOT};

/// The edges of a crate, by the modules that they join. The two modules of an edge have the same parent: a path from
/// `net::socket` to `http::page` is an edge from `net` to `http`. A module and its own child have no edge.
pub(crate) type Edges = BTreeMap<(ModuleId, ModuleId), Vec<Cause>>;

/// A line of source code that makes an edge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cause {
    file: String,
    line: usize,
    /// The path as it is written there.
    path: String,
    /// The module that defines the item.
    target: ModuleId,
}

/// Finds all edges of a crate.
pub(crate) fn find(tree: &Crate) -> Edges {
    let mut edges = Edges::new();
    for (from, module) in tree.modules.iter().enumerate() {
        for reference in &module.references {
            for target in resolve::modules_of(tree, from, reference) {
                let Some(edge) = edge(tree, from, target) else { continue };
                let path = reference.path.join("::");
                let cause = Cause { file: module.file.clone(), line: reference.line, path, target };
                edges.entry(edge).or_default().push(cause);
            }
        }
    }
    edges
}

/// Returns the two ancestors that lie side by side. There are none if one module is around the other.
fn edge(tree: &Crate, from: ModuleId, to: ModuleId) -> Option<(ModuleId, ModuleId)> {
    let (from, to) = (tree.chain(from), tree.chain(to));
    from.into_iter().zip(to).find(|(from, to)| from != to)
}

/// Returns one message for each group of modules that depend on each other in a circle.
pub(crate) fn circles(tree: &Crate, package: &str, edges: &Edges) -> Vec<String> {
    let reach: BTreeMap<_, _> = edges.keys().map(|&(from, _)| (from, reachable(from, edges))).collect();
    let reaches = |from: ModuleId, to: ModuleId| reach.get(&from).is_some_and(|all| all.contains(&to));
    let groups: BTreeSet<BTreeSet<ModuleId>> = reach
        .keys()
        .filter(|&&module| reaches(module, module))
        .map(|&module| reach[&module].iter().copied().filter(|&other| reaches(other, module)).collect())
        .collect();
    groups.iter().map(|group| circle(tree, package, edges, group)).collect()
}

fn reachable(from: ModuleId, edges: &Edges) -> BTreeSet<ModuleId> {
    let mut found = BTreeSet::new();
    let mut next = vec![from];
    while let Some(module) = next.pop() {
        for &(_, to) in edges.keys().filter(|(from, _)| *from == module) {
            if found.insert(to) {
                next.push(to);
            }
        }
    }
    found
}

fn circle(tree: &Crate, package: &str, edges: &Edges, group: &BTreeSet<ModuleId>) -> String {
    let names: Vec<_> = group.iter().map(|&module| format!("`{}`", tree.path(module))).collect();
    let mut message =
        format!("{package}: the modules {} depend on each other in a circle:", names.join(", "));
    for ((from, to), causes) in edges {
        if group.contains(from) && group.contains(to) {
            message += &format!("\n    {} → {}: {}", tree.path(*from), tree.path(*to), shown(tree, causes));
        }
    }
    message
        + "\n  Rule: modules side by side form no circle.\n  Remedy: move what both sides need into a module of \
               its own, or pass it as an argument."
}

/// Returns one message for each edge that points outwards, and for each module that is not in exactly one layer.
pub(crate) fn outward(tree: &Crate, rule: &Layers, edges: &Edges) -> Vec<String> {
    let package = rule.package;
    let mut breaches = Vec::new();
    let mut layer_of = BTreeMap::new();
    for module in (0..tree.modules.len()).filter(|&id| id != ROOT && tree.modules[id].parent == ROOT) {
        let name = &tree.modules[module].name;
        let at: Vec<_> =
            (0..rule.layers.len()).filter(|&at| rule.layers[at].modules.contains(&name.as_str())).collect();
        match at[..] {
            [at] => drop(layer_of.insert(module, at)),
            _ => breaches.push(format!(
                "{}: the module `{name}` of {package} is in {} layers.\n  Rule: each module has one layer.\n  \
                 Remedy: name it once in `LAYERS` in xtask/layers/src/rules.rs, in the innermost layer that holds \
                 all that it uses.",
                tree.modules[module].file,
                at.len()
            )),
        }
    }
    let known =
        |name: &&&str| tree.modules.iter().any(|module| module.parent == ROOT && module.name == **name);
    for name in rule.layers.iter().flat_map(|layer| layer.modules).filter(|name| !known(name)) {
        breaches.push(format!(
            "{package} has no module `{name}`.\n  Rule: the layers name existing modules.\n  Remedy: take it out of \
             `LAYERS` in xtask/layers/src/rules.rs."
        ));
    }
    for ((from, to), causes) in edges {
        let (Some(&inner), Some(&outer)) = (layer_of.get(from), layer_of.get(to)) else { continue };
        if outer > inner {
            breaches.push(format!(
                "{package}: {} → {}: {}\n  Rule: the layer `{}` does not depend on the layer `{}`, which is further \
                 out.\n  Remedy: move what is needed inwards, or pass it as an argument.",
                tree.path(*from),
                tree.path(*to),
                shown(tree, causes),
                rule.layers[inner].name,
                rule.layers[outer].name,
            ));
        }
    }
    breaches
}

/// Describes an edge by its first cause, and says how many more lines there are.
fn shown(tree: &Crate, causes: &[Cause]) -> String {
    let Some(Cause { file, line, path, target }) = causes.first() else { return String::new() };
    let lines: BTreeSet<_> = causes.iter().map(|cause| (&cause.file, cause.line)).collect();
    let more = match lines.len() - 1 {
        0 => String::new(),
        1 => " (and 1 more line)".to_owned(),
        more => format!(" (and {more} more lines)"),
    };
    format!("{file}:{line} names `{path}` of `{}`{more}", tree.path(*target))
}
