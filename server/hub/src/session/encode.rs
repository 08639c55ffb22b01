//! Frames as they are sent.

use tidings_shared::{TopicName, frame::ServerFrame};

use crate::{
    metrics::{Metrics, SyncCause},
    publication::EncodedFrame,
    reader::Delivery,
};

/// The frame that carries a delivery.
pub(crate) fn frame_of(delivery: &Delivery) -> EncodedFrame {
    match delivery {
        Delivery::Event { publication, matched } => publication.frame(matched),
        Delivery::Sync { position, topics, .. } => encode(&ServerFrame::Sync {
            position: position.to_string(),
            topics: topics.iter().map(TopicName::to_string).collect(),
        }),
    }
}

pub(crate) fn encode(frame: &ServerFrame) -> EncodedFrame {
    EncodedFrame::new(FRAME_BYTES, |text| {
        // Strings, numbers and lists of them: serde_json has nothing to refuse.
        let _ = serde_json::to_writer(text, frame);
    })
}

/// Bytes that most answers have room in.
const FRAME_BYTES: usize = 256;

/// Counts what was read from a log to be sent.
pub(crate) fn count(delivery: &Delivery, metrics: &Metrics) {
    match delivery {
        Delivery::Event { .. } => {
            metrics.deliveries.inc();
        }
        Delivery::Sync { is_asked, .. } => {
            metrics.synced(if *is_asked { SyncCause::Application } else { SyncCause::Lag });
        }
    }
}
