//! The metrics of outboxes. Their label is the outbox's name, which the operator has chosen.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

type Labels = [(&'static str, String); 1];

/// The metrics of one outbox.
#[derive(Debug, Clone)]
pub struct OutboxMetrics {
    /// Rows that were published.
    pub published: Counter,
    /// Rows that were too old to be published.
    pub too_old: Counter,
    rows: Gauge,
    age: Gauge<f64, AtomicU64>,
    dead_letters: Gauge,
    silence: Gauge<f64, AtomicU64>,
}

/// The metrics of all outboxes.
#[derive(Debug, Default)]
pub(super) struct Outboxes {
    published: Family<Labels, Counter>,
    too_old: Family<Labels, Counter>,
    rows: Family<Labels, Gauge>,
    age: Family<Labels, Gauge<f64, AtomicU64>>,
    dead_letters: Family<Labels, Gauge>,
    silence: Family<Labels, Gauge<f64, AtomicU64>>,
}

impl OutboxMetrics {
    /// Says how many rows wait, how long ago the oldest of them was written, and how many dead letters there are.
    pub fn set(&self, rows: usize, oldest: Duration, dead_letters: usize) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.rows.set(number(rows));
        self.age.set(oldest.as_secs_f64());
        self.dead_letters.set(number(dead_letters));
    }

    /// Says how long ago the outbox could be read. Zero: it can be read now.
    pub fn set_silence(&self, silence: Duration) {
        self.silence.set(silence.as_secs_f64());
    }
}

impl Outboxes {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "outbox_published",
            "Rows of an outbox that were published",
            self.published.clone(),
        );
        registry.register(
            "outbox_too_old",
            "Rows of an outbox that were older than the log's events, so their tenant got a sync instead",
            self.too_old.clone(),
        );
        registry.register("outbox_rows", "Rows of an outbox that wait", self.rows.clone());
        registry.register_with_unit(
            "outbox_oldest_age",
            "The age of the oldest row that waits in an outbox",
            Unit::Seconds,
            self.age.clone(),
        );
        registry.register(
            "outbox_dead_letters",
            "Rows that can't be published, and wait for a person",
            self.dead_letters.clone(),
        );
        registry.register_with_unit(
            "outbox_silence",
            "The time since this server could read an outbox; 0 while it can, and while another server reads it",
            Unit::Seconds,
            self.silence.clone(),
        );
    }

    pub(super) fn of(&self, name: &str) -> OutboxMetrics {
        let labels = [("outbox", name.to_owned())];
        OutboxMetrics {
            published: self.published.get_or_create_owned(&labels),
            too_old: self.too_old.get_or_create_owned(&labels),
            rows: self.rows.get_or_create_owned(&labels),
            age: self.age.get_or_create_owned(&labels),
            dead_letters: self.dead_letters.get_or_create_owned(&labels),
            silence: self.silence.get_or_create_owned(&labels),
        }
    }
}
