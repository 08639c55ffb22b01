//! The bridges of a hub, and the life of each.

use std::{
    any::{TypeId, type_name},
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tidings_hub::TenantId;
use tidings_shared::{TopicName, domains::store::Schema, limits::PUBLISH_TIMEOUT};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::error::SourceError;

/// Bridges of a hub, some kilobytes each while nothing waits. A further start is [`SourceError::Invalid`].
pub const MAX_BRIDGES: usize = 1024;

/// The longest time of [`Bridge::stop`](super::Bridge::stop). The hub answers each publish within [`PUBLISH_TIMEOUT`], and
/// looks once a second for those that it gives up.
const STOP_TIMEOUT: Duration = PUBLISH_TIMEOUT.saturating_add(Duration::from_secs(2));

/// What a bridge is for. There is one for each key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) tenant: TenantId,
    /// The source's name.
    pub(super) source: String,
    pub(super) schema: Schema,
    pub(super) topic: TopicName,
}

/// The type of a bridge's records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    id: TypeId,
    name: &'static str,
}

impl Record {
    pub(super) fn of<R: 'static>() -> Self {
        Self { id: TypeId::of::<R>(), name: type_name::<R>() }
    }
}

/// The bridges of a hub. It is an [extension](tidings_hub::Hub::extension) of the hub, so its drop is the end of the hub.
#[derive(Debug, Default)]
pub(super) struct Bridges(Mutex<HashMap<Key, Arc<Life>>>);

impl Bridges {
    /// Returns the life of the bridge with this key, and whether it is a new one. The caller of a new one starts its worker.
    ///
    /// # Errors
    /// The bridge has another type of records, or there are too many bridges.
    pub(super) fn get(&self, key: &Key, record: Record) -> Result<(Arc<Life>, bool), SourceError> {
        let mut bridges = self.lock();
        if let Some(life) = bridges.get(key) {
            if life.record.id != record.id && !life.is_ending() {
                return Err(SourceError::Invalid(format!(
                    "the bridge of {:?} in {} to {} has records of type {}, not {}: use one type, or stop it first",
                    key.schema.as_str(),
                    key.source,
                    key.topic,
                    life.record.name,
                    record.name
                )));
            }
            return Ok((Arc::clone(life), false));
        }
        if bridges.len() >= MAX_BRIDGES {
            return Err(SourceError::Invalid(format!(
                "the hub has {MAX_BRIDGES} bridges, which is the most that it may have: stop some of them"
            )));
        }
        let life = Arc::new(Life {
            key: key.clone(),
            record,
            state: watch::Sender::new(State::Starts),
            end: watch::Sender::new(None),
        });
        bridges.insert(key.clone(), Arc::clone(&life));
        Ok((life, true))
    }

    /// Forgets a bridge.
    pub(super) fn remove(&self, life: &Arc<Life>) {
        let mut bridges = self.lock();
        if bridges.get(&life.key).is_some_and(|known| Arc::ptr_eq(known, life)) {
            bridges.remove(&life.key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Life>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Bridges {
    fn drop(&mut self) {
        for life in self.lock().values() {
            life.end.send_replace(Some(End::Leave));
        }
    }
}

/// The life of a bridge: what its handles and its worker know of each other.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) key: Key,
    record: Record,
    state: watch::Sender<State>,
    /// How the bridge should end, if it should.
    end: watch::Sender<Option<End>>,
}

#[derive(Debug, Clone)]
enum State {
    /// It has no feed yet.
    Starts,
    Runs,
    /// There was no first feed.
    Refused(SourceError),
    Ended,
}

/// How a bridge ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It stops its feed, and publishes what was handed over, until then.
    Stop(Instant),
    /// The hub has ended. The feed is dropped.
    Leave,
}

/// What came of a start.
#[derive(Debug)]
pub(super) enum Started {
    Runs,
    Refused(SourceError),
    /// It was stopped, or its runtime has ended. Start again.
    Ended,
}

impl Life {
    /// Waits until the bridge has its first feed. If somebody stops it, waits for its end.
    pub(super) async fn started(&self) -> Started {
        if self.is_ending() {
            self.ended().await;
        }
        let mut state = self.state.subscribe();
        let state = state.wait_for(|state| !matches!(state, State::Starts)).await;
        match state.as_deref() {
            Ok(State::Runs | State::Starts) => Started::Runs,
            Ok(State::Refused(error)) => Started::Refused(error.clone()),
            Ok(State::Ended) | Err(_) => Started::Ended,
        }
    }

    /// Asks the worker to stop.
    pub(super) fn stop(&self) {
        let end = Instant::now() + STOP_TIMEOUT;
        self.end.send_if_modified(|known| {
            let is_first = known.is_none();
            known.get_or_insert(End::Stop(end));
            is_first
        });
    }

    /// Waits until the bridge has ended.
    pub(super) async fn ended(&self) {
        let is_end = |state: &State| matches!(state, State::Refused(_) | State::Ended);
        let _ = self.state.subscribe().wait_for(is_end).await;
    }

    /// Notes that the bridge has its first feed.
    pub(super) fn runs(&self) {
        self.state.send_replace(State::Runs);
    }

    /// Notes that the bridge has ended, with the error of its first feed.
    pub(super) fn refuse(&self, error: SourceError) {
        self.state.send_replace(State::Refused(error));
    }

    /// Notes that the bridge has ended.
    pub(super) fn has_ended(&self) {
        self.state.send_if_modified(|state| {
            let is_new = !matches!(state, State::Refused(_) | State::Ended);
            if is_new {
                *state = State::Ended;
            }
            is_new
        });
    }

    pub(super) fn is_ending(&self) -> bool {
        self.end.borrow().is_some()
    }

    /// Returns how the bridge should end, if it should.
    pub(super) fn end(&self) -> Option<End> {
        *self.end.borrow()
    }

    /// Waits until the bridge should end.
    pub(super) async fn ending(&self) -> End {
        let end = self.end.subscribe().wait_for(Option::is_some).await.ok().and_then(|end| *end);
        // The sender is a part of this.
        end.unwrap_or(End::Leave)
    }

    /// Waits until the time to end has passed.
    pub(super) async fn end_of_time(&self) {
        let mut end = self.end.subscribe();
        loop {
            let until = *end.borrow_and_update();
            let passed = async {
                match until {
                    Some(End::Stop(until)) => sleep_until(until).await,
                    Some(End::Leave) => {}
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = passed => return,
                // The hub may end while the bridge stops.
                changed = end.changed() => if changed.is_err() { return },
            }
        }
    }
}
