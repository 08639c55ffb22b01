//! The metrics of bridges. Their labels are the source's name and the schema, which the application has chosen.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

type Labels = [(&'static str, String); 2];

/// The metrics of the bridges of one schema in one source. The bridges of several tenants count together.
#[derive(Debug, Clone)]
pub struct BridgeMetrics {
    /// Changes that were published.
    pub published: Counter,
    /// Gaps that took the place of changes.
    pub gaps: Counter,
    /// Changes that can't be published.
    pub refused: Counter,
    /// Bridges that have no feed at the moment, and try again.
    pub without_feed: Gauge,
}

/// The metrics of all bridges.
#[derive(Debug, Default)]
pub(super) struct Bridges {
    published: Family<Labels, Counter>,
    gaps: Family<Labels, Counter>,
    refused: Family<Labels, Counter>,
    without_feed: Family<Labels, Gauge>,
}

impl Bridges {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "bridge_published",
            "Changes of a store that a bridge published",
            self.published.clone(),
        );
        registry.register(
            "bridge_gaps",
            "Gaps that took the place of changes, so the subscribers of the bridge's topic got a sync",
            self.gaps.clone(),
        );
        registry.register(
            "bridge_refused",
            "Changes of a store that can't be published",
            self.refused.clone(),
        );
        registry.register(
            "bridge_without_feed",
            "Bridges that hear nothing from their source, and try again",
            self.without_feed.clone(),
        );
    }

    pub(super) fn of(&self, source: &str, schema: &str) -> BridgeMetrics {
        let labels = [("source", source.to_owned()), ("schema", schema.to_owned())];
        BridgeMetrics {
            published: self.published.get_or_create_owned(&labels),
            gaps: self.gaps.get_or_create_owned(&labels),
            refused: self.refused.get_or_create_owned(&labels),
            without_feed: self.without_feed.get_or_create_owned(&labels),
        }
    }
}
