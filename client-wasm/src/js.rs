//! The shell that runs the [core](tidings_client_core) in a browser, a worker or Node: one WebSocket, one timer, and the values
//! that cross the boundary.
//!
//! Its only user is the TypeScript of the npm package, which hands it a [`Host`](host::Host). No `RefCell` is borrowed
//! while the host runs, so that the host may call back in; what comes of that waits until the host has returned.

mod de;
mod decode;
mod host;
mod shell;
mod socket;
mod timer;
mod value;

use std::rc::Rc;

use uuid::Uuid;
use wasm_bindgen::prelude::*;

pub use self::decode::{Domain, Domains, register};
use self::{host::Host, shell::Shell, value::JsPayload};
use tidings_client_core::{
    ConnectionId, Error, LoadId, Loaded, Options, Publish, PublishId, SubscriptionId, Watching,
    limits::MIN_LOAD_INTERVAL_MS,
};

/// A quarter of the default allocator's size, which is 2 KB after brotli.
#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();

/// A client with its WebSocket. Numbers name subscriptions, publishes and connections.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Core(Rc<Shell>);

#[wasm_bindgen]
impl Core {
    /// A client that connects to `url` (`ws:` or `wss:`) when something is asked of it, and calls the methods of
    /// `host`. If `asks_for_tokens`, each connection begins with a call of `host.token`. `domains` is an array of those
    /// that are meant although nobody is compiled with them.
    #[wasm_bindgen(constructor)]
    pub fn new(
        host: Host,
        url: String,
        client: Option<String>,
        asks_for_tokens: bool,
        domains: JsValue,
    ) -> Self {
        let schema = Some(decode::fingerprint().to_string());
        let mut domains = value::strings(domains).unwrap_or_default();
        domains.extend(decode::names().map(str::to_owned));
        Self(Shell::new(host, url, Options { client, schema, domains: Some(domains), asks_for_tokens }))
    }

    /// Subscribes to an array of topics and returns the subscription's number. If it is watched, `host.load` says when
    /// its data is to be loaded: by default with the usual pause, and for itself and not for one that it shares its loads
    /// with. Nothing happens before [`Self::run`], so that the number is known before anything is told about it.
    ///
    /// # Errors
    /// `{ code, message, retryable }`.
    pub fn subscribe(
        &self,
        topics: JsValue,
        is_watched: bool,
        min_interval_ms: Option<f64>,
        shares: Option<f64>,
    ) -> Result<f64, JsValue> {
        let subscribe = || {
            let topics = value::strings(topics).map_err(Error::invalid_event)?;
            self.0.note(|client, now| {
                if is_watched {
                    let shares = shares.map(|id| SubscriptionId(id as u64));
                    let min_interval_ms = min_interval_ms.map_or(MIN_LOAD_INTERVAL_MS, |ms| ms as u64);
                    let watching = Watching { min_interval_ms, shares };
                    client.handle_watch_with(&topics, watching, now)
                } else {
                    client.handle_subscribe(&topics, now)
                }
            })
        };
        subscribe().map(|SubscriptionId(id)| id as f64).map_err(|error| value::error(&error, None))
    }

    /// Does what was asked for.
    pub fn run(&self) {
        self.0.tell(|_, _| ());
    }

    /// Ends a subscription; one that has ended is passed over.
    pub fn unsubscribe(&self, subscription: f64) {
        self.0.tell(|client, _| client.handle_unsubscribe(SubscriptionId(subscription as u64)));
    }

    /// The data of a watched subscription may have changed; `at_once` does not wait for the retry of a load that failed.
    pub fn reload(&self, subscription: f64, at_once: bool) {
        let id = SubscriptionId(subscription as u64);
        self.0.tell(
            |client, now| {
                if at_once { client.handle_reload(id, now) } else { client.handle_outdated(id, now) }
            },
        );
    }

    /// Answers `host.load`: the data is there, or the load failed and may be tried again, or not.
    pub fn loaded(&self, subscription: f64, load: f64, is_done: bool, may_retry: bool) {
        let how = match (is_done, may_retry) {
            (true, _) => Loaded::Done,
            (_, true) => Loaded::Retry,
            _ => Loaded::Failed,
        };
        let (id, load) = (SubscriptionId(subscription as u64), LoadId(load as u64));
        self.0.tell(|client, now| client.handle_loaded(id, load, how, now));
    }

    /// The page was woken or put to sleep.
    pub fn page(&self, is_awake: bool) {
        self.0.tell(|client, now| if is_awake { client.handle_wake(now) } else { client.handle_sleep(now) });
    }

    /// Publishes an event, given as JSON text, and returns the publish's number. Nothing happens before [`Self::run`];
    /// the answer comes by `host.published` or `host.publishFailed`.
    ///
    /// # Errors
    /// `{ code, message, retryable }`, when the event is none or not what its domain declares, or when it can't be
    /// taken.
    pub fn publish(
        &self,
        event: String,
        topics: JsValue,
        key: &str,
        origin: Option<String>,
    ) -> Result<f64, JsValue> {
        let publish = || {
            let topics = (!topics.is_undefined()).then(|| value::strings(topics)).transpose();
            let topics = topics.map_err(|_| Error::invalid_event("`topics` is not a list of texts."))?;
            self.0.check_event(&event, topics.as_deref().unwrap_or_default())?;
            let event = value::parse_event(&event).map_err(Error::invalid_event)?;
            decode::check(&event).map_err(Error::invalid_event)?;
            let key = de::uuid(key)
                .map(Uuid::from_bytes)
                .ok_or_else(|| Error::invalid_event(["`key` is not a UUID: ", key].concat()))?;
            let publish = Publish::<JsPayload> { event, topics, key, origin };
            self.0.note(|client, now| client.handle_publish(publish, now))
        };
        publish().map(|PublishId(id)| id as f64).map_err(|error| value::error(&error, None))
    }

    /// Forgets a publish; if it was sent already, it may be published all the same.
    pub fn cancel(&self, publish: f64) {
        self.0.tell(|client, _| client.handle_cancel(PublishId(publish as u64)));
    }

    /// Answers `host.token`: a token, or nothing where none is needed.
    pub fn token(&self, connection: f64, token: Option<String>) {
        let connection = ConnectionId(connection as u64);
        self.0.tell(|client, now| client.handle_token(connection, Ok(token), now));
    }

    /// Answers `host.token` with what went wrong.
    #[wasm_bindgen(js_name = tokenFailed)]
    pub fn token_failed(&self, connection: f64, message: String) {
        let connection = ConnectionId(connection as u64);
        self.0.tell(|client, now| client.handle_token(connection, Err(message), now));
    }

    /// Drops the WebSocket as a lost network would; the client comes back as it does then.
    #[wasm_bindgen(js_name = dropSocket)]
    pub fn drop_socket(&self) {
        self.0.drop_socket();
    }

    /// Closes for good.
    pub fn close(&self) {
        self.0.tell(|client, _| client.handle_close());
    }
}
