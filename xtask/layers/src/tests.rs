//! The check of modules, on crates of a few lines.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Result;

use crate::edges;
use crate::rules::{Layer, Layers};
use crate::tree::Crate;

fn read_as(name: Option<&str>, files: &[(&str, &str)]) -> Result<Crate> {
    let files: HashMap<_, _> =
        files.iter().map(|(path, text)| (Path::new("src").join(path), *text)).collect();
    let read_file = |path: &Path| files.get(path).map(|text| (*text).to_owned());
    crate::read::read(&read_file, Path::new("src/lib.rs"), name.map(str::to_owned))
}

fn read(files: &[(&str, &str)]) -> Result<Crate> {
    read_as(Some("hub"), files)
}

/// The edges, each as `from → to`.
fn edges_of(files: &[(&str, &str)]) -> Result<Vec<String>> {
    let tree = read(files)?;
    let edges = edges::find(&tree);
    Ok(edges.keys().map(|&(from, to)| format!("{} → {}", tree.path(from), tree.path(to))).collect())
}

fn circles_of(files: &[(&str, &str)]) -> Result<Vec<String>> {
    let tree = read(files)?;
    Ok(edges::circles(&tree, "hub", &edges::find(&tree)))
}

/// A crate with the modules `a`, `b` and `c`. The root exports `B` of `b` and `C` of `c`, and `a` holds `text`.
fn edges_of_a(text: &str) -> Result<Vec<String>> {
    edges_of(&[
        (
            "lib.rs",
            "mod a; mod b; mod c; pub use b::B; pub use c::{self as sea, C as Renamed}; pub use c::*;",
        ),
        ("a.rs", text),
        ("b.rs", "pub struct B; pub struct Inside; macro_rules! m { () => {} } pub(crate) use m;"),
        ("c.rs", "pub struct C; pub mod deep { pub struct D; }"),
    ])
}

/// The circle that Tidings had between its gateway and its workers.
#[test]
fn a_circle_between_two_modules_is_found_behind_a_re_export() -> Result<()> {
    let circles = circles_of(&[
        ("lib.rs", "mod gateway; mod worker;\npub use gateway::{Gateway, GatewaySettings};"),
        (
            "gateway.rs",
            "use crate::worker::Workers;\npub struct GatewaySettings; pub struct Gateway(Workers);",
        ),
        ("worker.rs", "\nuse crate::GatewaySettings;\npub(crate) struct Workers(GatewaySettings);"),
    ])?;
    let [circle] = &circles[..] else { panic!("{circles:#?}") };
    assert_eq!(
        circle,
        "hub: the modules `gateway`, `worker` depend on each other in a circle:\
         \n    gateway → worker: src/gateway.rs:1 names `crate::worker::Workers` of `worker` (and 1 more line)\
         \n    worker → gateway: src/worker.rs:2 names `crate::GatewaySettings` of `gateway` (and 1 more line)\
         \n  Rule: modules side by side form no circle.\
         \n  Remedy: move what both sides need into a module of its own, or pass it as an argument."
    );
    Ok(())
}

/// The circle that Tidings had through five modules. No file names a file of another that names it back.
#[test]
fn a_circle_through_five_modules_is_found_behind_re_exports() -> Result<()> {
    let circles = circles_of(&[
        (
            "lib.rs",
            "mod access; mod hub; mod log; mod problem; mod revocation; mod tenant;
             pub use access::Authorize; pub use hub::{Hub, Quotas}; pub use tenant::TenantId;",
        ),
        ("access.rs", "use crate::TenantId; pub trait Authorize { fn tenant(&self) -> TenantId; }"),
        ("hub.rs", "use crate::revocation::Revocations; pub struct Hub(Revocations); pub struct Quotas;"),
        ("log.rs", "pub struct Log;"),
        ("problem.rs", "use crate::{Authorize, Hub};"),
        ("revocation.rs", "use crate::problem::Problem; pub struct Revocations;"),
        ("tenant.rs", "use crate::{Quotas, log::Log}; pub struct TenantId;"),
    ])?;
    let [circle] = &circles[..] else { panic!("{circles:#?}") };
    assert!(
        circle.contains("the modules `access`, `hub`, `problem`, `revocation`, `tenant` depend"),
        "{circle}"
    );
    assert!(circle.contains("tenant → hub: src/tenant.rs:1 names `crate::Quotas` of `hub`"), "{circle}");
    Ok(())
}

#[test]
fn modules_without_a_circle_are_fine() -> Result<()> {
    let files = [
        ("lib.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
        ("a.rs", "use crate::B; pub struct A(B);"),
        ("b.rs", "pub struct B;"),
    ];
    assert_eq!(edges_of(&files)?, ["a → b"]);
    assert!(circles_of(&files)?.is_empty());
    Ok(())
}

#[test]
fn every_way_to_name_something_is_an_edge_to_the_module_that_defines_it() -> Result<()> {
    for text in [
        "use crate::B;",
        "use crate::{B as Other};",
        "use crate::b::{self};",
        "use super::b as other;",
        "use super::{b::{Inside as In}};",
        "use hub::B;",
        "use ::hub::B;",
        "fn f() -> crate::B { todo!() }",
        "fn f() { let x = crate::b::Inside::new(); }",
        "fn f() { super::B::new() }",
        "fn f(x: &dyn Into<crate::B>) {}",
        "fn f() { use crate::B; }",
        "fn f() { println!(\"{}\", crate::B::NAME) }",
        "macro_rules! m { () => { $crate::B::new() } }",
        "fn f() { crate::b::m!() }",
        "#[serde(with = \"crate::b::Inside\")] struct A;",
        "#[derive(crate::B)] struct A;",
        "mod child { use super::super::B; }",
        "pub use crate::B;",
        "use crate::*; struct A(B);",
        "use super::*; fn f() { vec![B] }",
    ] {
        assert_eq!(edges_of_a(text)?, ["a → b"], "{text}");
    }
    for text in [
        "use crate::Renamed;",
        "use crate::sea;",
        "use crate::sea::deep::D;",
        "use crate::c::deep;",
        "use crate::C;", // By the glob of the root.
        "fn f() -> crate::deep::D { D }",
    ] {
        assert_eq!(edges_of_a(text)?, ["a → c"], "{text}");
    }
    assert_eq!(edges_of_a("use crate::{B, c::{C, deep::{D}}};")?, ["a → b", "a → c"]);
    Ok(())
}

#[test]
fn what_a_name_does_not_stand_for_is_no_edge() -> Result<()> {
    for text in [
        "",
        "use std::b::B;",
        "use other::hub::B;",
        "pub(crate) struct B;",
        "pub(in crate) fn f(self_: Self::B) {}",
        "use self::inner::X; mod inner { pub struct X; }",
        "mod child { use super::X; } struct X;",
        "fn f() { let b = 1; g(b, self.b, s.c::<u8>()); }",
        "use crate::*; fn f() { let b = 1; println!(\"{}\", b + s.b); }",
        "/// See [`crate::B`].\nstruct A; // crate::B\nconst TEXT: &str = \"crate is B\";",
        "#[cfg(test)] use crate::B;",
        "#[cfg(all(test, unix))] mod tests { use crate::B; }",
        "struct A { #[cfg(test)] b: crate::B }",
        "impl A { #[cfg(test)] fn f() -> crate::B {} }",
        "#[cfg(test)] mod tests;", // It has no file here, and needs none.
    ] {
        assert!(edges_of_a(text)?.is_empty(), "{text}: {:?}", edges_of_a(text)?);
    }
    Ok(())
}

#[test]
fn a_program_that_calls_its_own_library_has_no_edge() -> Result<()> {
    let files = [("lib.rs", "mod a; mod b;"), ("a.rs", "use hub::b::B;"), ("b.rs", "pub struct B;")];
    assert!(edges::find(&read_as(None, &files)?).is_empty());
    assert_eq!(edges::find(&read_as(Some("hub"), &files)?).len(), 1);
    Ok(())
}

#[test]
fn a_private_import_is_not_seen_from_outside() -> Result<()> {
    let files = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::Event;"),
        ("b.rs", "use crate::c::Event; #[derive(Event)] pub enum Event {}"),
        ("c.rs", "pub struct Event;"),
    ];
    assert_eq!(edges_of(&files)?, ["a → b", "b → c"]);
    Ok(())
}

#[test]
fn a_module_that_passes_a_name_on_is_named_too() -> Result<()> {
    let files = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::C;"),
        ("b.rs", "pub use crate::c::C;"),
        ("c.rs", "pub struct C;"),
    ];
    assert_eq!(edges_of(&files)?, ["a → b", "a → c", "b → c"]);
    Ok(())
}

#[test]
fn children_side_by_side_form_no_circle_either_but_a_child_may_use_its_parent() -> Result<()> {
    let files = [
        ("lib.rs", "mod net; mod http;"),
        ("net.rs", "mod accept; mod socket; pub struct Settings; pub use socket::Socket;"),
        ("net/accept.rs", "use super::{Settings, socket::Socket}; use crate::http::Page; pub struct Accept;"),
        ("net/socket.rs", "use super::accept::Accept; pub struct Socket;"),
        ("http/mod.rs", "pub mod page; pub use self::page::Page;"),
        ("http/page.rs", "pub struct Page;"),
    ];
    assert_eq!(edges_of(&files)?, ["net → http", "net::accept → net::socket", "net::socket → net::accept"]);
    let circles = circles_of(&files)?;
    assert_eq!(circles.len(), 1, "{circles:#?}");
    assert!(circles[0].starts_with("hub: the modules `net::accept`, `net::socket` depend"), "{circles:#?}");
    Ok(())
}

#[test]
fn an_edge_that_points_outwards_names_line_rule_and_remedy() -> Result<()> {
    let rule = Layers {
        package: "hub",
        layers: &[Layer { name: "log", modules: &["a"] }, Layer { name: "sessions", modules: &["b", "c"] }],
    };
    let files = [
        ("lib.rs", "mod a; mod b; mod c; pub use b::B;"),
        ("a.rs", "pub struct A;\nuse crate::B;"),
        ("b.rs", "use crate::{a::A, c::C}; pub struct B;"),
        ("c.rs", "pub struct C;"),
    ];
    let tree = read(&files)?;
    assert_eq!(
        edges::outward(&tree, &rule, &edges::find(&tree)),
        ["hub: a → b: src/a.rs:2 names `crate::B` of `b`\
          \n  Rule: the layer `log` does not depend on the layer `sessions`, which is further out.\
          \n  Remedy: move what is needed inwards, or pass it as an argument."]
    );
    Ok(())
}

#[test]
fn a_module_without_a_layer_is_refused_and_so_is_a_layer_without_its_module() -> Result<()> {
    let rule = Layers { package: "hub", layers: &[Layer { name: "log", modules: &["gone", "a"] }] };
    let tree = read(&[("lib.rs", "mod a; mod b;"), ("a.rs", ""), ("b.rs", "")])?;
    let breaches = edges::outward(&tree, &rule, &edges::find(&tree));
    assert_eq!(breaches.len(), 2, "{breaches:#?}");
    assert!(breaches[0].starts_with("src/b.rs: the module `b` of hub is in 0 layers."), "{breaches:#?}");
    assert!(breaches[1].starts_with("hub has no module `gone`."), "{breaches:#?}");
    Ok(())
}

#[test]
fn a_file_that_is_missing_or_no_rust_is_an_error_that_names_it() {
    let error = |files| read(files).map(drop).map_err(|error| format!("{error:#}"));
    assert_eq!(error(&[("lib.rs", "mod a;")]), Err("src/lib.rs: the module `a` has no file".to_owned()));
    let refused = error(&[("lib.rs", "\nfn (")]).expect_err("it is no Rust");
    assert!(refused.starts_with("src/lib.rs:2: cannot be parsed"), "{refused}");
}
