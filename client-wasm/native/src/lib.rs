//! A Tidings client for Rust programs, on tokio. It drives the same [core](tidings_client_core) as the client for browsers:
//! it reconnects by itself, resumes, and reports a [`Sync`](Output::Sync) when it may have missed something.
//!
//! ```no_run
//! use tidings_client::{Client, Output, Settings};
//! use tidings_shared::domains::staff;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut client = Client::new(Settings::new("https://tidings.example.com".parse()?));
//! client.subscribe(&["staff:people"])?;
//! while let Some(output) = client.next().await {
//!     match output {
//!         Output::Event { publication, .. } => match publication.event.decode::<staff::Event>()? {
//!             staff::Event::PersonUpdated(person) => println!("{} changed", person.uuid),
//!             other => println!("{other:?}"),
//!         },
//!         Output::Sync { .. } => println!("something may have been missed: load everything again"),
//!         Output::Error(error) => eprintln!("{error}"),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod client;
mod stream;
mod url;

pub use client::{Client, Payload, Settings};
pub use stream::Typed;
pub use tidings_client_core::{
    Delivery, Error, Output, Publication, Publish, PublishId, Status, SubscriptionId,
};
pub use url::{ServerUrl, ServerUrlError};
