//! Encodes the frames of a session, and counts its deliveries.

use tidings_shared::{TopicName, frame::ServerFrame};

use crate::{
    metrics::{Metrics, SyncCause},
    publication::EncodedFrame,
    reader::Delivery,
};

/// Returns the frame for a delivery.
pub(crate) fn frame_of(delivery: &Delivery) -> EncodedFrame {
    match delivery {
        Delivery::Event { publication, matched } => publication.frame(matched),
        Delivery::Sync { position, topics, .. } => encode(&ServerFrame::Sync {
            position: position.to_string(),
            topics: topics.iter().map(TopicName::to_string).collect(),
        }),
    }
}

/// Encodes a frame of a session.
pub(crate) fn encode(frame: &ServerFrame) -> EncodedFrame {
    EncodedFrame::new(FRAME_BYTES, |text| {
        // The frame has strings, numbers and lists of them only, so serde_json cannot fail.
        let _ = serde_json::to_writer(text, frame);
    })
}

/// Bytes that are enough for most answers. A larger answer grows its buffer.
const FRAME_BYTES: usize = 256;

/// Counts a delivery that was read from a log.
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
