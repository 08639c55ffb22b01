#![doc = include_str!("../README.md")]

mod client;
mod driver;
mod error;
mod inbox;
mod publish;
mod publishing;
mod settings;
mod shared;
mod socket;
mod statuses;
mod subscription;
mod url;
mod watch;

pub use client::Client;
pub use error::Error;
pub use publish::{PublishOptions, Published};
pub use publishing::Publishing;
pub use settings::Settings;
pub use statuses::Statuses;
pub use subscription::{Delivery, Subscription};
pub use tidings_client_core::Status;
pub use tidings_shared::{RawEvent, TopicName, domains};
pub use url::{ServerUrl, ServerUrlError};
pub use watch::{Watch, WatchError};

/// A payload: JSON text, as it was published.
pub type Payload = Box<serde_json::value::RawValue>;

/// An event as it was published, with its position, key, time and origin.
pub type Publication = tidings_client_core::Publication<Payload>;
