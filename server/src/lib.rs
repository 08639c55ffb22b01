//! The Tidings hub: embed it in an application, or run it as the `tidings` binary.
//!
//! - [`Hub`] is where publications come in and go out. [`SystemHost`] gives it the time and random numbers.
//!   [`Hub::tenant`] is a handle to one tenant. [`Changes`] announces the events of a transaction after its commit.
//! - [`open_hub`] opens a hub with a [`journal`], which survives a restart.
//! - [`Gateway`] lets browsers in. [`Gateway::serve`] serves it together with an application: a `Router` of axum, a
//!   filter of warp, or any other service of tower. [`Gateway::service`] is for the application's own server.
//! - [`Authorize`] decides who may do what: `JwtAccess` (feature `jwt`) by tokens, or an application's own code.
//!   [`DevAccess`] lets everybody in, on loopback.
//! - `Outbox` (features `sqlite` and `postgres`) publishes the events that an application writes in the transactions of its data.
//! - `coverage` (feature `coverage`, with `sqlite` or `postgres`) finds writes without an event, for tests.
//! - [`Bridge`] publishes the changes of a data store: of a table, or of an own store.
//!
//! These are the names that most programs need. The rest of the hub is [`hub`]: it is the crate `tidings-hub`, which
//! does no I/O. The rest about tokens is `jwt`, and the rest about requests is [`http`].
//!
//! This crate has the layers around the hub, from the inside outwards:
//!
//! - `host` is the system's clock, `origin` decides which pages may connect, `text` knows the encodings of files, `lock_file`
//!   is a lock between processes.
//! - `authorize` has the questions to the application, and `jwt` answers them by tokens.
//! - `journal` keeps a hub's history in a file, or in PostgreSQL for several nodes.
//! - `outbox` publishes the rows of a table. `coverage` finds changes without an event. `postgres` connects to PostgreSQL, and `database_url` hides secrets.
//! - [`bridge`] publishes the changes of a data store.
//! - `net` accepts connections and moves their bytes.
//! - `gateway` puts a hub, its access rules and its threads together.
//! - `http` has the routes.
//! - `cli` is the command line.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use tidings_server::{DevAccess, Gateway, GatewaySettings, Hub, HubSettings, SystemHost};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = Hub::new(HubSettings::new("acme".parse()?), SystemHost::start());
//! let access = DevAccess::new(hub.home().clone());
//! let gateway = Gateway::new(hub.clone(), access, GatewaySettings::development());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:7700").await?;
//! let app = Router::new().route("/hello", get(|| async { "world" }));
//! gateway.serve(listener, app, async { let _ = tokio::signal::ctrl_c().await; }).await;
//! # Ok(())
//! # }
//! ```

// docs.rs shows which feature a name needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
// These macros panic when nobody reads the output any more.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod authorize;
pub mod bridge;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(all(feature = "coverage", any(feature = "postgres", feature = "sqlite")))]
pub mod coverage;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod database_url;
mod gateway;
mod host;
pub mod http;
pub mod journal;
#[cfg(feature = "jwt")]
pub mod jwt;
#[cfg(feature = "sqlite")]
mod lock_file;
mod net;
mod origin;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub mod outbox;
#[cfg(feature = "postgres")]
mod postgres;
mod questions;
mod silence;
#[cfg(any(feature = "cli", feature = "sqlite"))]
#[cfg_attr(
    not(any(feature = "cli", feature = "coverage")),
    allow(dead_code, reason = "a bridge needs the defaults of columns only")
)]
mod sqlite_table;
mod text;

pub use authorize::{Authorize, Credentials, DevAccess};
pub use bridge::Bridge;
pub use gateway::{Gateway, GatewaySettings};
pub use host::SystemHost;
pub use http::{Peer, origin_of, origin_tag};
pub use journal::{HubJournal, JournalAddress, JournalAddressError, JournalSettings, Synchronous, open_hub};
#[cfg(feature = "jwt")]
pub use jwt::JwtAccess;
pub use origin::OriginRule;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use outbox::{Outbox, OutboxAddress, OutboxAddressError, OutboxError};
pub use tidings_hub as hub;
pub use tidings_hub::{
    AccessError, Changes, Delivery, Hub, HubSettings, Identity, PublishOptions, Tenant, TenantId,
};

/// The README's examples compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
