//! Reads the declarations and the paths of one module. Items that exist for tests only don't count.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::visit::{self, Visit};

use crate::tree::{Crate, Module, ModuleId, Name, ROOT, Reference};

/// Notes in the module `id` what these items declare and which paths they name. Returns the modules among them.
pub(crate) fn read<'ast>(
    tree: &mut Crate,
    id: ModuleId,
    items: &'ast [syn::Item],
) -> Vec<&'ast syn::ItemMod> {
    let mut reader = Reader { tree, id, children: Vec::new() };
    items.iter().for_each(|item| reader.visit_item(item));
    reader.children
}

struct Reader<'a, 'ast> {
    tree: &'a mut Crate,
    id: ModuleId,
    /// The modules inside, to be read afterwards.
    children: Vec<&'ast syn::ItemMod>,
}

impl Reader<'_, '_> {
    fn module(&mut self) -> &mut Module {
        &mut self.tree.modules[self.id]
    }

    fn refer(&mut self, path: Vec<String>, span: Span, is_use: bool) {
        self.module().references.push(Reference { path, line: line_of(span), is_use });
    }

    fn define(&mut self, ident: &syn::Ident) {
        let item = Name::Item(self.id);
        self.module().names.entry(text_of(ident)).or_default().push(item);
    }

    /// Reads a `use` from `tree` on. `before` are the segments so far.
    fn import(&mut self, tree: &syn::UseTree, before: &[String], is_private: bool) {
        let with = |ident: &syn::Ident| {
            let is_self_in_group = ident == "self" && !before.is_empty();
            let more = if is_self_in_group { None } else { Some(text_of(ident)) };
            before.iter().cloned().chain(more).collect::<Vec<_>>()
        };
        match tree {
            syn::UseTree::Path(tree) => self.import(&tree.tree, &with(&tree.ident), is_private),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.import(tree, before, is_private));
            }
            syn::UseTree::Glob(glob) => {
                self.refer(before.to_vec(), glob.star_token.spans[0], true);
                self.module().globs.push(Name::Import { path: before.to_vec(), is_private });
            }
            syn::UseTree::Name(name) => {
                let path = with(&name.ident);
                let brought = path.last().cloned();
                self.bring(brought, path, name.ident.span(), is_private);
            }
            syn::UseTree::Rename(rename) => {
                let brought = Some(text_of(&rename.rename));
                self.bring(brought, with(&rename.ident), rename.ident.span(), is_private);
            }
        }
    }

    fn bring(&mut self, name: Option<String>, path: Vec<String>, span: Span, is_private: bool) {
        self.refer(path.clone(), span, true);
        if let Some(name) = name {
            self.module().names.entry(name).or_default().push(Name::Import { path, is_private });
        }
    }

    /// Reads paths in the tokens of a macro: names joined by `::`.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut start = Span::call_site();
        // How many colons have come since the last name, and whether a dot came before it: `a.b` names no module.
        let (mut colons, mut after_dot) = (0, false);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.finish(&mut path, start);
                    }
                    if path.is_empty() {
                        start = ident.span();
                        path.extend((colons == 2).then(String::new));
                    }
                    if !after_dot {
                        path.push(text_of(&ident));
                    }
                    (colons, after_dot) = (0, false);
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Punct(punct) => {
                    self.finish(&mut path, start);
                    (colons, after_dot) = (0, punct.as_char() == '.');
                }
                TokenTree::Group(group) => {
                    self.finish(&mut path, start);
                    (colons, after_dot) = (0, false);
                    self.read_tokens(group.stream());
                }
                TokenTree::Literal(literal) => {
                    self.finish(&mut path, start);
                    (colons, after_dot) = (0, false);
                    self.read_literal(&literal.to_string(), literal.span());
                }
            }
        }
        self.finish(&mut path, start);
    }

    fn finish(&mut self, path: &mut Vec<String>, span: Span) {
        if !path.is_empty() {
            self.refer(std::mem::take(path), span, false);
        }
    }

    /// Reads the path in a text such as that of `#[serde(with = "crate::text")]`.
    fn read_literal(&mut self, literal: &str, span: Span) {
        let text = literal.trim_matches('"');
        let starts = ["crate::", "super::", "self::"].iter().any(|start| text.starts_with(start));
        if starts && text.chars().all(|part| part.is_alphanumeric() || part == '_' || part == ':') {
            self.refer(text.split("::").map(str::to_owned).collect(), span, false);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_, 'ast> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if is_for_tests(attributes_of(item)) {
            return;
        }
        match item {
            syn::Item::Const(item) => self.define(&item.ident),
            syn::Item::Enum(item) => self.define(&item.ident),
            syn::Item::Fn(item) => self.define(&item.sig.ident),
            syn::Item::Static(item) => self.define(&item.ident),
            syn::Item::Struct(item) => self.define(&item.ident),
            syn::Item::Trait(item) => self.define(&item.ident),
            syn::Item::Type(item) => self.define(&item.ident),
            syn::Item::Union(item) => self.define(&item.ident),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.children.push(item);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let before: &[String] = if item.leading_colon.is_some() { &[String::new()] } else { &[] };
        self.import(&item.tree, before, matches!(item.vis, syn::Visibility::Inherited));
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        if let (true, Some((_, name))) = (item.ident == "self", &item.rename) {
            self.tree.own_names.push(text_of(name));
        }
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        if let Some(ident) = &item.ident {
            let is_exported = item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export"));
            let home = if is_exported { ROOT } else { self.id };
            let names = &mut self.tree.modules[home].names;
            names.entry(text_of(ident)).or_default().push(Name::Item(self.id));
        }
        visit::visit_item_macro(self, item);
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        let attributes = match item {
            syn::ImplItem::Const(item) => &item.attrs,
            syn::ImplItem::Fn(item) => &item.attrs,
            syn::ImplItem::Macro(item) => &item.attrs,
            syn::ImplItem::Type(item) => &item.attrs,
            _ => return,
        };
        if !is_for_tests(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if !is_for_tests(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_field_value(&mut self, field: &'ast syn::FieldValue) {
        if !is_for_tests(&field.attrs) {
            visit::visit_field_value(self, field);
        }
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        if !is_for_tests(&local.attrs) {
            visit::visit_local(self, local);
        }
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let Some(first) = path.segments.first() else { return };
        let before = path.leading_colon.as_ref().map(|_| String::new());
        let segments = path.segments.iter().map(|segment| text_of(&segment.ident));
        self.refer(before.into_iter().chain(segments).collect(), first.ident.span(), false);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        visit::visit_macro(self, call);
        self.read_tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if attribute.path().is_ident("doc") {
            return;
        }
        match &attribute.meta {
            syn::Meta::Path(path) => self.visit_path(path),
            syn::Meta::List(list) => self.read_tokens(list.tokens.clone()),
            syn::Meta::NameValue(pair) => self.visit_expr(&pair.value),
        }
    }
}

/// Returns the name without `r#`.
pub(crate) fn text_of(ident: &syn::Ident) -> String {
    ident.unraw().to_string()
}

fn line_of(span: Span) -> usize {
    span.start().line
}

/// Returns whether the item exists in tests only: `#[cfg(test)]`, or `#[cfg(all(test, …))]`.
fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .any(|attribute| attribute.parse_args::<syn::Meta>().is_ok_and(|condition| needs_test(&condition)))
}

fn needs_test(condition: &syn::Meta) -> bool {
    match condition {
        syn::Meta::Path(path) => path.is_ident("test") || path.is_ident("doctest"),
        syn::Meta::List(list) if list.path.is_ident("all") => {
            let parts = list
                .parse_args_with(syn::punctuated::Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated);
            parts.is_ok_and(|parts| parts.iter().any(needs_test))
        }
        _ => false,
    }
}

fn attributes_of(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::ExternCrate(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::ForeignMod(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::TraitAlias(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Union(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
