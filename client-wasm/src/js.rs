//! The shell that runs the [core](tidings_client_core) in a browser, a worker or Node.js. It has one WebSocket and one timer,
//! and converts the values that cross the boundary.
//!
//! Its only user is the TypeScript of the npm package, which passes it a `Host`. The host may call the shell
//! while the shell calls the host: no `RefCell` is borrowed then. The outputs of such a call wait until the host has returned.

mod de;
mod decode;
mod host;
mod json;
mod shell;
mod socket;
mod timer;
mod value;

use uuid::Uuid;
use wasm_bindgen::prelude::*;

use self::{decode::Known, host::Host, shell::Shell, value::JsPayload};
use tidings_client_core::{
    Client, ConnectionId, Error, LoadId, Loaded, Now, Options, Publish, PublishId, SubscriptionId, Watching,
    limits::MIN_LOAD_INTERVAL_MS,
};

/// It has a quarter of the size of the default allocator, which is 2 KB after brotli.
#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();

/// A client with its WebSocket. Subscriptions, loads, publishes and connections have numbers.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Core(Shell);

#[wasm_bindgen]
impl Core {
    /// Makes a client that calls the methods of `host`. It connects to `url` (`ws:` or `wss:`) at the first subscription or
    /// publish. If `asks_for_tokens`, each connection begins with a call of `host.token`. `domains` is an array of the domains
    /// that the page knows: the objects of generated modules, by which the client checks events, and names of domains without
    /// a type.
    ///
    /// # Errors
    /// `{ code, message, retryable }`, if an object is not a domain. The message names the place and the remedy.
    #[wasm_bindgen(constructor)]
    pub fn new(
        host: Host,
        url: String,
        client: Option<String>,
        asks_for_tokens: bool,
        domains: JsValue,
    ) -> Result<Self, JsValue> {
        let Known { names, fingerprints } =
            decode::read(domains).map_err(|error| value::error(&error, None))?;
        let options = Options { client, fingerprints, domains: Some(names), asks_for_tokens };
        Ok(Self(Shell::new(host, url, options)))
    }

    /// Subscribes to an array of topics and returns the number of the subscription. If it is watched, `host.load` says when
    /// to load its data. `min_interval_ms` is the least interval between loads. `shares` is the number of a subscription with
    /// the same data: then one load is for both. `has_missed` says that a core that failed served it before: it gets a sync
    /// once it is in force.
    ///
    /// Nothing happens before [`Self::run`]. So the page knows the number before the host hears of the subscription.
    ///
    /// # Errors
    /// `{ code, message, retryable }`.
    pub fn subscribe(
        &self,
        topics: JsValue,
        is_watched: bool,
        min_interval_ms: Option<f64>,
        shares: Option<f64>,
        has_missed: bool,
    ) -> Result<f64, JsValue> {
        let subscribe = || {
            let topics = value::strings(topics).map_err(Error::invalid_event)?;
            self.0.with_client(|client, now| {
                let id = if is_watched {
                    let shares = shares.map(|id| SubscriptionId(id as u64));
                    let min_interval_ms = min_interval_ms.map_or(MIN_LOAD_INTERVAL_MS, |ms| ms as u64);
                    let watching = Watching { min_interval_ms, shares };
                    client.handle_watch_with(&topics, watching, now)?
                } else {
                    client.handle_subscribe(&topics, now)?
                };
                if has_missed {
                    client.handle_missed(id);
                }
                Ok(id)
            })
        };
        subscribe().map(|SubscriptionId(id)| id as f64).map_err(|error| value::error(&error, None))
    }

    /// Carries out all requests since the last run.
    pub fn run(&self) {
        self.0.drive(|_, _| ());
    }

    /// Ends a subscription. Does nothing if it has ended already.
    pub fn unsubscribe(&self, subscription: f64) {
        self.0.drive(|client, _| client.handle_unsubscribe(SubscriptionId(subscription as u64)));
    }

    /// Loads the data of a watched subscription again, because it may have changed. If `at_once`, it waits neither for the
    /// interval between loads nor for the retry of a load that failed.
    pub fn reload(&self, subscription: f64, at_once: bool) {
        let id = SubscriptionId(subscription as u64);
        self.0.drive(
            |client, now| {
                if at_once { client.handle_reload(id, now) } else { client.handle_outdated(id, now) }
            },
        );
    }

    /// Answers `host.load`: the data is loaded, or the load failed and may be retried or not.
    pub fn loaded(&self, subscription: f64, load: f64, is_done: bool, may_retry: bool) {
        let how = match (is_done, may_retry) {
            (true, _) => Loaded::Done,
            (_, true) => Loaded::Retry,
            _ => Loaded::Failed,
        };
        let (id, load) = (SubscriptionId(subscription as u64), LoadId(load as u64));
        self.0.drive(|client, now| client.handle_loaded(id, load, how, now));
    }

    /// Reports that the page woke up or went to sleep.
    pub fn page(&self, is_awake: bool) {
        self.0.drive(|client, now| if is_awake { client.handle_wake(now) } else { client.handle_sleep(now) });
    }

    /// Publishes an event, given as JSON text, and returns the number of the publish. Nothing happens before [`Self::run`].
    /// The answer comes by `host.published` or `host.publishFailed`.
    ///
    /// # Errors
    /// `{ code, message, retryable }`, when the event is invalid or is not what its domain declares, or when the client cannot
    /// take it.
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
            self.0.with_client(|client, now| client.handle_publish(publish, now))
        };
        publish().map(|PublishId(id)| id as f64).map_err(|error| value::error(&error, None))
    }

    /// Cancels a publish. If it was sent already, the server may publish it nevertheless.
    pub fn cancel(&self, publish: f64) {
        self.0.drive(|client, _| client.handle_cancel(PublishId(publish as u64)));
    }

    /// Reports that a WebSocket is open.
    pub fn opened(&self, connection: f64) {
        let connection = ConnectionId(connection as u64);
        self.0.drive(|client, now| client.handle_open(connection, now));
    }

    /// Reports a message of the server. `frame` is parsed, but not checked. A message that is no JSON is here as it came.
    ///
    /// The page delivers most events itself, because this would cost more than everything else that is done for an event.
    pub fn message(&self, connection: f64, frame: JsValue) {
        self.0.message(ConnectionId(connection as u64), frame);
    }

    /// Returns the numbers of the subscriptions that get an event on this topic, in their order. `undefined` if the connection
    /// carries no events. They stay the same until the next call that is none of `fits`, `reload` and `loaded`.
    pub fn listeners(&self, connection: f64, topic: &str) -> JsValue {
        let listeners = |client: &mut Client<_>, _| client.listeners(ConnectionId(connection as u64), topic);
        let ids = self.0.with_client(listeners);
        ids.map_or(JsValue::UNDEFINED, |ids| value::numbers(ids.iter().map(|id| id.0)))
    }

    /// Returns whether a payload, which is an object, is what its event declares. `place` is the place of the event's fields among those of all
    /// objects in `domains`.
    pub fn fits(&self, place: u32, payload: &JsValue) -> bool {
        self.0.fits(place as usize, payload)
    }

    /// Reports that the page has delivered all events up to this position. The last came at this time, on the clock of
    /// `performance.now()`.
    pub fn delivered(&self, connection: f64, position: String, at_ms: f64) {
        let now = Now { ms: at_ms as u64, random: 0 };
        let connection = ConnectionId(connection as u64);
        self.0.with_client(|client, _| client.handle_delivered(connection, position, now));
    }

    /// Lets the outputs of all calls wait while the page delivers an event (`true`), and carries them out after it (`false`).
    pub fn collect(&self, collects: bool) {
        self.0.collect(collects);
    }

    /// Reports an error of a WebSocket. It gives no reason. A close usually follows. It does not follow if the WebSocket never
    /// opened in Node.js 20 and 22, or if the page's policy forbids the connection in Chromium.
    pub fn failed(&self, connection: f64) {
        let connection = ConnectionId(connection as u64);
        self.0.drive(|client, now| client.handle_error(connection, now));
    }

    /// Reports that a WebSocket was closed, with its close code.
    pub fn closed(&self, connection: f64, code: u16) {
        self.0.closed(ConnectionId(connection as u64), code);
    }

    /// Reports that the timer has fired.
    pub fn timeout(&self) {
        self.0.timeout();
    }

    /// Answers `host.token`: a token, or nothing if the server needs none.
    pub fn token(&self, connection: f64, token: Option<String>) {
        let connection = ConnectionId(connection as u64);
        self.0.drive(|client, now| client.handle_token(connection, Ok(token), now));
    }

    /// Answers `host.token` with the reason why there is no token.
    #[wasm_bindgen(js_name = tokenFailed)]
    pub fn token_failed(&self, connection: f64, message: String) {
        let connection = ConnectionId(connection as u64);
        self.0.drive(|client, now| client.handle_token(connection, Err(message), now));
    }

    /// Closes the WebSocket, as if the network was lost. The client reconnects.
    #[wasm_bindgen(js_name = dropSocket)]
    pub fn drop_socket(&self) {
        self.0.drop_socket();
    }

    /// Closes the client for good.
    pub fn close(&self) {
        self.0.drive(|client, _| client.handle_close());
    }
}
