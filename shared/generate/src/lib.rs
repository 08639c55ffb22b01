//! Writes files for other languages from the domains' schemas: TypeScript, data for a browser, JSON Schema, AsyncAPI, the tables of
//! PROTOCOL.md and test vectors.
//!
//! This crate runs on a developer's machine only. No server and no browser compiles it.
//!
//! ```
//! use tidings_generate::{DomainSchema, Home, typescript};
//! use tidings_shared::domains::staff;
//! let text = typescript(&[DomainSchema::of::<staff::Event>()], Home::User);
//! assert!(text.contains("export interface StaffPersonPayload {"));
//! ```

mod asyncapi;
mod data;
mod json_schema;
mod tables;
mod typescript;
mod vectors;

pub use asyncapi::asyncapi;
pub use data::data;
pub use json_schema::json_schema;
pub use tables::{codes_table, domains_table};
pub use tidings_shared::schema::DomainSchema;
pub use typescript::{Home, typescript};
pub use vectors::vectors;

/// The README's examples compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Writes a document as it is committed: indented, with a newline at its end.
fn pretty(document: &serde_json::Value) -> String {
    format!("{document:#}\n")
}
