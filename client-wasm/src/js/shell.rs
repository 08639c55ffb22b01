//! Drives the core: carries out its outputs, and calls it when a timeout is due.

use std::cell::{Cell, RefCell};

use wasm_bindgen::JsValue;

use super::{
    decode,
    host::Host,
    socket::Socket,
    timer::{self, Timer},
    value::{self, JsPayload},
};
use tidings_client_core::{Client, ConnectionId, Delivery, Error, Now, Options, Output};
use tidings_shared::RawEvent;

pub(crate) struct Shell {
    host: Host,
    url: String,
    client: RefCell<Client<JsPayload>>,
    socket: RefCell<Option<Socket>>,
    timer: Timer,
    /// The loop in [`Self::drain`] runs.
    draining: Cell<bool>,
    /// Whether the host was last told that the process must keep running.
    wanted: Cell<bool>,
}

impl std::fmt::Debug for Shell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shell")
    }
}

impl Shell {
    pub(crate) fn new(host: Host, url: String, options: Options) -> Self {
        Self {
            host,
            url,
            client: RefCell::new(Client::new(options)),
            socket: RefCell::default(),
            timer: Timer::default(),
            draining: Cell::new(false),
            wanted: Cell::new(true),
        }
    }

    /// Gives the core an input, and carries out its outputs.
    pub(crate) fn drive(&self, input: impl FnOnce(&mut Client<JsPayload>, Now)) {
        self.with_client(input);
        self.drain();
    }

    /// Gives the core an input. Its outputs wait for the next [`Self::drive`].
    pub(crate) fn with_client<R>(&self, input: impl FnOnce(&mut Client<JsPayload>, Now) -> R) -> R {
        input(&mut self.client.borrow_mut(), now())
    }

    pub(crate) fn check_event(&self, text: &str, topics: &[String]) -> Result<(), Error> {
        self.client.borrow().check_event(text, topics)
    }

    pub(crate) fn drop_socket(&self) {
        if let Some(socket) = &*self.socket.borrow() {
            socket.close();
        }
    }

    /// Lets outputs wait, or carries out those that wait.
    pub(crate) fn collect(&self, collects: bool) {
        self.draining.set(collects);
        if !collects {
            self.drain();
        }
    }

    fn drain(&self) {
        if self.draining.replace(true) {
            // The host called the shell from within this loop, which goes on.
            return;
        }
        while let Some(output) = self.next_output() {
            self.carry_out(output);
        }
        self.draining.set(false);
        self.timer.set(self.client.borrow().poll_timeout(), &self.host);
        self.hold();
    }

    /// Tells the host whether a process must keep running for this client. An idle client may have a new timer or socket, so
    /// the host hears of it each time.
    fn hold(&self) {
        let is_wanted = self.client.borrow().is_wanted();
        let was_wanted = self.wanted.replace(is_wanted);
        if !(is_wanted && was_wanted) {
            self.host.hold(is_wanted);
        }
    }

    fn next_output(&self) -> Option<Output<JsPayload>> {
        self.client.borrow_mut().poll_output()
    }

    fn carry_out(&self, output: Output<JsPayload>) {
        let host = &self.host;
        match output {
            Output::Token { connection } => host.token(connection.0 as f64),
            Output::Connect { connection } => self.connect(connection),
            Output::Send { frame, .. } => {
                if let Some(socket) = &*self.socket.borrow() {
                    socket.send(&value::stringify(&frame));
                }
            }
            Output::Disconnect { .. } => drop(self.socket.take()),
            Output::Status(status) => host.status(status.as_str()),
            Output::Ready { subscription } => host.ready(subscription.0 as f64),
            Output::Resumed { subscription } => host.resumed(subscription.0 as f64),
            Output::Load { subscription, load } => host.load(subscription.0 as f64, load.0 as f64),
            Output::Event { deliveries, publication } => self.deliver(&deliveries, &publication),
            Output::Sync { delivery, position } => {
                host.sync(delivery.subscription.0 as f64, value::sync(&delivery.topics, &position));
            }
            Output::Failed { subscription, topic, error, waits } => {
                host.failed(subscription.0 as f64, value::failure(&error, topic.as_ref(), waits));
            }
            Output::Published { publish, key, position, topics } => {
                host.published(publish.0 as f64, value::published(&key, &position, &topics));
            }
            Output::PublishFailed { publish, error } => {
                host.publish_failed(publish.0 as f64, value::error(&error, None));
            }
            Output::Error(error) => host.error(value::error(&error, None)),
            Output::UnknownDomain { domain, nearest } => {
                host.unknown_domain(&domain, &nearest.unwrap_or_default());
            }
            Output::OtherDomain { domain } => host.other_domain(&domain),
        }
    }

    fn deliver(&self, deliveries: &[Delivery], event: &RawEvent<JsPayload>) {
        match decode::check(event) {
            Ok(decoded) => {
                let frame = event.payload.frame();
                for (index, delivery) in deliveries.iter().enumerate() {
                    let is_shared = index + 1 < deliveries.len();
                    self.host.event(delivery.subscription.0 as f64, frame, decoded, is_shared);
                }
            }
            Err(error) => {
                let what = "An event arrived that is not what its domain declares: ";
                let error = Error::invalid_event([what, &error].concat());
                for delivery in deliveries {
                    let error = value::error(&error, delivery.topics.first());
                    self.host.malformed(delivery.subscription.0 as f64, error);
                }
            }
        }
    }

    pub(crate) fn fits(&self, place: usize, payload: &JsValue) -> bool {
        decode::fits(place, payload, &self.host)
    }

    fn connect(&self, connection: ConnectionId) {
        match Socket::open(&self.url, &self.host, connection) {
            Ok(socket) => drop(self.socket.replace(Some(socket))),
            Err(reason) => {
                self.client.borrow_mut().handle_refused(connection, &value::text(&reason), now());
            }
        }
    }

    /// Handles a message. [`Core::message`](super::Core::message) says what the arguments are.
    pub(crate) fn message(&self, connection: ConnectionId, frame: JsValue) {
        let frame = value::read_frame(frame);
        self.drive(|client, now| client.handle_frame(connection, frame, now));
    }

    /// Handles that a WebSocket was closed.
    pub(crate) fn closed(&self, connection: ConnectionId, code: u16) {
        // An older WebSocket may be closed after the next one was opened.
        let closed = self.socket.borrow_mut().take_if(|socket| socket.connection == connection);
        drop(closed);
        self.drive(|client, now| client.handle_closed(connection, code, now));
    }

    /// Handles that the timer has fired.
    pub(crate) fn timeout(&self) {
        self.timer.fired();
        self.drive(|client, now| client.handle_timeout(now));
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.timer.set(None, &self.host);
    }
}

fn now() -> Now {
    let random = js_sys::Math::random() * f64::from(u32::MAX);
    Now { ms: timer::now_ms(), random: random as u32 }
}
