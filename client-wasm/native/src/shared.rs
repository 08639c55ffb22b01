//! The core, and everybody who waits for its outputs. The handles and the driver share it.
//!
//! A handle calls the core itself, under a lock that nobody holds for long. So there is no queue of commands: the core refuses
//! what is too much. The driver does the I/O.

use std::{
    collections::{HashMap, VecDeque},
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use tidings_client_core::{
    self as core, ConnectionId, Now, Options, Output, PublishId, Status, SubscriptionId, error::CLOSED,
};
use tidings_shared::{
    Code, Event, Topic, TopicName,
    frame::{ClientFrame, Fingerprints},
    schema::DomainSchema,
};
use tokio::{
    sync::{Notify, oneshot, watch},
    time::Instant,
};
use uuid::Uuid;

use crate::{
    Error, Payload, Published, Settings,
    inbox::{Inbox, Item},
    publish::Answer,
    settings::Token,
};

/// What the handles of a client and its driver share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    state: Mutex<State>,
    /// Tells the driver that it may have something to do.
    pub(crate) changed: Notify,
    pub(crate) status: watch::Sender<Status>,
    /// Whether the driver has ended.
    pub(crate) has_ended: watch::Sender<bool>,
    start: Instant,
}

/// What a program has of a client. Dropping the last one ends the driver.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.abandon();
    }
}

/// The state under the lock.
pub(crate) struct State {
    pub(crate) core: core::Client<Payload>,
    /// What the core asked the driver to do, in order. The core's pace bounds how many frames wait here.
    tasks: VecDeque<Task>,
    subscriptions: HashMap<SubscriptionId, Entry>,
    publishes: HashMap<PublishId, Publish>,
    /// The last error that concerned the whole client.
    last_error: Option<core::Error>,
    /// Nobody has a handle any more, since this time in milliseconds.
    pub(crate) abandoned_ms: Option<u64>,
    has_fixed_token: bool,
    pub(crate) has_connected: bool,
    /// Why there is no connection, until there is one.
    pub(crate) last_failure: Option<String>,
    later: Later,
}

/// A task for the driver. The names are those of the core's outputs.
pub(crate) enum Task {
    Token { connection: ConnectionId },
    Connect { connection: ConnectionId },
    Send { connection: ConnectionId, frame: ClientFrame<Payload> },
    Disconnect,
}

struct Entry {
    inbox: Arc<Inbox>,
    kind: Kind,
}

/// What a subscription is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    /// It loads data and gets no events.
    pub(crate) is_watch: bool,
    /// The program named the topics as texts, which may be misspelt.
    pub(crate) is_raw: bool,
}

struct Publish {
    key: Uuid,
    answer: oneshot::Sender<Answer>,
}

/// What to do after the lock is released, because the program's code may run then.
#[derive(Default)]
struct Later {
    wakers: Vec<Waker>,
    answers: Vec<(oneshot::Sender<Answer>, Answer)>,
    unknown_domains: Vec<(String, Option<String>)>,
    other_domains: Vec<String>,
}

impl Shared {
    pub(crate) fn new(settings: Settings) -> Self {
        let options = Options {
            client: settings.program.clone(),
            // Each typed subscription and publish adds its domain.
            fingerprints: Fingerprints::default(),
            domains: Some(settings.domains.clone()),
            asks_for_tokens: settings.token.is_some(),
        };
        let state = State {
            core: core::Client::new(options),
            tasks: VecDeque::new(),
            subscriptions: HashMap::new(),
            publishes: HashMap::new(),
            last_error: None,
            abandoned_ms: None,
            has_fixed_token: matches!(settings.token, Some(Token::Fixed(_))),
            has_connected: false,
            last_failure: None,
            later: Later::default(),
        };
        Self {
            settings,
            state: Mutex::new(state),
            changed: Notify::new(),
            status: watch::Sender::new(Status::Idle),
            has_ended: watch::Sender::new(false),
            start: Instant::now(),
        }
    }

    /// Calls the core for a handle, and tells the driver.
    pub(crate) fn ask<T>(&self, call: impl FnOnce(&mut State, Now) -> T) -> T {
        let answer = self.tell(call);
        self.changed.notify_one();
        answer
    }

    /// Calls the core, and passes its outputs on.
    pub(crate) fn tell<T>(&self, call: impl FnOnce(&mut State, Now) -> T) -> T {
        let mut state = self.lock();
        let now = self.now();
        let answer = call(&mut state, now);
        state.pass_on(now, self);
        let later = mem::take(&mut state.later);
        drop(state);
        later.wakers.into_iter().for_each(Waker::wake);
        for (sender, answer) in later.answers {
            // Nobody may wait for it.
            let _ = sender.send(answer);
        }
        for (domain, nearest) in later.unknown_domains {
            (self.settings.on_unknown_domain)(&domain, nearest.as_deref());
        }
        for domain in later.other_domains {
            tracing::warn!(
                "the server has another form of the domain {domain:?}: build this program with the server's version of it, or \
                 deploy the newer server"
            );
        }
        answer
    }

    /// Reads the state, without a call of the core.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a subscription or a watch.
    pub(crate) fn subscribe(
        &self,
        topics: &[impl AsRef<str>],
        kind: Kind,
    ) -> Result<(SubscriptionId, Arc<Inbox>), Error> {
        let names = topics.iter().filter_map(|topic| TopicName::parse(topic.as_ref()).ok());
        let inbox = Arc::new(Inbox::new(TopicName::each_once(names), self.settings.buffer));
        let id = self.ask(|state, now| {
            let call = match kind.is_watch {
                true => core::Client::handle_watch,
                false => core::Client::handle_subscribe,
            };
            let id = call(&mut state.core, topics, now).map_err(|error| state.refusal(error))?;
            state.subscriptions.insert(id, Entry { inbox: Arc::clone(&inbox), kind });
            Ok(id)
        })?;
        Ok((id, inbox))
    }

    /// Notes that the program uses the types of this domain. The server compares them with its own at the next connection.
    pub(crate) fn uses<E: Event>(&self) {
        let fingerprint = || DomainSchema::of::<E>().fingerprint().to_string();
        self.lock().core.handle_domain(E::Topic::DOMAIN, fingerprint);
    }

    pub(crate) fn unsubscribe(&self, id: SubscriptionId) {
        self.ask(|state, _| {
            state.core.handle_unsubscribe(id);
            state.subscriptions.remove(&id)
        });
    }

    /// Publishes an event with a key. `text` is the event as JSON. The answer comes later.
    pub(crate) fn publish(
        &self,
        publish: core::Publish<Payload>,
        text: &str,
    ) -> Result<oneshot::Receiver<Answer>, Error> {
        self.ask(|state, now| {
            let (key, topics) = (publish.key, publish.topics.as_deref().unwrap_or_default());
            state.core.check_event(text, topics).map_err(Error::of_request)?;
            let id = state.core.handle_publish(publish, now).map_err(|error| state.refusal(error))?;
            let (answer, receiver) = oneshot::channel();
            state.publishes.insert(id, Publish { key, answer });
            Ok(receiver)
        })
    }

    /// Closes the client for good.
    pub(crate) fn close(&self) {
        self.ask(|state, _| state.close());
    }

    /// Notes that there is no handle any more.
    pub(crate) fn abandon(&self) {
        self.ask(|state, now| state.abandoned_ms = Some(now.ms));
    }

    /// Explains for a person why there is no connection, and what to check.
    pub(crate) fn no_connection(&self) -> Option<String> {
        let state = self.lock();
        match (&state.last_failure, &state.last_error, state.core.status()) {
            (.., Status::Open | Status::Degraded) => None,
            (None, Some(error), _) => {
                Some(format!("{}: {}: {}", self.settings.url, error.code, error.message))
            }
            (None, None, Status::Idle) => Some(format!("{}: nothing needs a connection", self.settings.url)),
            (None, None, Status::Closed) => Some(format!("{}: the client is closed", self.settings.url)),
            (failure, ..) => Some(explain(&self.settings, failure.as_deref())),
        }
    }

    /// Converts a time of the core.
    pub(crate) fn instant(&self, ms: u64) -> Instant {
        self.start + std::time::Duration::from_millis(ms)
    }

    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn now(&self) -> Now {
        let (_, random) = Uuid::new_v4().as_u64_pair();
        Now { ms: self.now_ms(), random: random as u32 }
    }
}

impl State {
    /// Takes the next task of the driver.
    pub(crate) fn next_task(&mut self) -> Option<Task> {
        self.tasks.pop_front()
    }

    pub(crate) fn close(&mut self) {
        if self.core.status() != Status::Closed {
            // It closes for no error.
            self.last_error = None;
        }
        self.core.handle_close();
        for (_, entry) in self.subscriptions.drain() {
            self.later.wakers.extend(entry.inbox.end(Error::closed()));
        }
    }

    /// Returns why the core refused a request. If an error has closed the client, it is that error.
    fn refusal(&self, error: core::Error) -> Error {
        match &self.last_error {
            Some(cause) if error.code == CLOSED => self.end(cause.clone()),
            _ => Error::of_request(error),
        }
    }

    /// Passes the core's outputs on: to the readers, and to the driver.
    fn pass_on(&mut self, now: Now, shared: &Shared) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Token { connection } => self.tasks.push_back(Task::Token { connection }),
                Output::Connect { connection } => self.tasks.push_back(Task::Connect { connection }),
                Output::Send { connection, frame } => self.tasks.push_back(Task::Send { connection, frame }),
                Output::Disconnect { .. } => self.tasks.push_back(Task::Disconnect),
                Output::Status(status) => {
                    if status == Status::Open {
                        self.last_error = None;
                    }
                    shared.status.send_replace(status);
                }
                Output::Ready { subscription } => self.wake(subscription, |inbox| inbox.settle(Ok(()))),
                Output::Load { subscription, load } => self.wake(subscription, |inbox| inbox.load(load)),
                Output::Event { deliveries, publication } => {
                    let publication = Arc::new(publication);
                    for core::Delivery { subscription, topics } in deliveries {
                        match self.subscriptions.get(&subscription) {
                            Some(entry) if entry.kind.is_watch => {
                                self.core.handle_outdated(subscription, now);
                            }
                            Some(entry) => {
                                let publication = Arc::clone(&publication);
                                let waker = entry.inbox.deliver(Item::Event { publication, topics });
                                self.later.wakers.extend(waker);
                            }
                            None => {}
                        }
                    }
                }
                Output::Sync { delivery: core::Delivery { subscription, topics }, position } => {
                    // The core loads for a watch.
                    if self.subscriptions.get(&subscription).is_some_and(|entry| !entry.kind.is_watch) {
                        self.wake(subscription, |inbox| inbox.deliver(Item::Sync { topics, position }));
                    }
                }
                Output::Failed { subscription, topic: Some(_), error, waits: true } => {
                    let error = Error::not_final(error);
                    self.wake(subscription, |inbox| {
                        let waker = inbox.settle(Err(error.clone()));
                        inbox.warn(error).or(waker)
                    });
                }
                Output::Failed { subscription, topic, error, .. } => {
                    self.lose(subscription, topic.as_ref(), error);
                }
                Output::Published { publish, position, topics, .. } => {
                    if let Some(Publish { key, answer }) = self.publishes.remove(&publish) {
                        let topics = topics.iter().filter_map(|topic| TopicName::parse(topic).ok()).collect();
                        self.later.answers.push((answer, Ok(Published { position, key, topics })));
                    }
                }
                Output::PublishFailed { publish, error } => {
                    if let Some(Publish { answer, .. }) = self.publishes.remove(&publish) {
                        let is_closed = self.core.status() == Status::Closed;
                        let error = if is_closed { self.end(error) } else { Error::of_request(error) };
                        self.later.answers.push((answer, Err(error)));
                    }
                }
                Output::Error(mut error) => {
                    if error.code == core::error::CONNECT_FAILED {
                        let why = explain(&shared.settings, self.last_failure.as_deref());
                        error = core::Error::connect_failed(format!("{} {why}", error.message));
                    }
                    self.last_error = Some(error.clone());
                    let error = Error::not_final(error);
                    for entry in self.subscriptions.values() {
                        self.later.wakers.extend(entry.inbox.warn(error.clone()));
                    }
                }
                Output::UnknownDomain { domain, nearest } => {
                    // A program that subscribes to typed topics was compiled with their domain.
                    if self
                        .subscriptions
                        .values()
                        .any(|entry| entry.kind.is_raw && entry.inbox.has_domain(&domain))
                    {
                        self.later.unknown_domains.push((domain, nearest));
                    }
                }
                Output::OtherDomain { domain } => self.later.other_domains.push(domain),
                // Nobody has to do anything.
                Output::Resumed { .. } => {}
            }
        }
    }

    /// Makes the error of what the client has given up.
    fn end(&self, error: core::Error) -> Error {
        let is_hint_due = self.has_fixed_token && error.code == Code::TokenExpired.as_str();
        let error = Error::of_end(error);
        if is_hint_due { error.with_hint(FIXED_TOKEN) } else { error }
    }

    /// Takes a topic from a subscription, or all topics if it is `None`.
    fn lose(&mut self, id: SubscriptionId, topic: Option<&TopicName>, error: core::Error) {
        let Some(entry) = self.subscriptions.get(&id) else { return };
        if topic.is_none() {
            self.last_error = Some(error.clone());
        }
        let (is_ended, waker) = entry.inbox.lose(topic, self.end(error));
        self.later.wakers.extend(waker);
        if is_ended {
            self.subscriptions.remove(&id);
        }
    }

    fn wake(&mut self, id: SubscriptionId, put: impl FnOnce(&Inbox) -> Option<Waker>) {
        if let Some(entry) = self.subscriptions.get(&id) {
            self.later.wakers.extend(put(&entry.inbox));
        }
    }
}

const FIXED_TOKEN: &str = "This client has one token for good: make a new client, or give it a function (`Settings::token_provider`).";

fn explain(settings: &Settings, failure: Option<&str>) -> String {
    let url = &settings.url;
    let why = failure.unwrap_or("the server does not answer");
    let scheme = if url.is_secure() { "https: and not http:" } else { "http: and not https:" };
    format!("{url}: {why}. Does `tidings serve` listen there, is the path right, and is it {scheme}?")
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("settings", &self.settings)
            .field("status", &*self.status.borrow())
            .finish_non_exhaustive()
    }
}
