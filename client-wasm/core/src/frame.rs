//! What a driver reads from a message of the server.

use tidings_shared::frame::ServerFrame;

use super::{Payload, Publication};

/// A frame of the server, as a driver hands it to the client.
#[derive(Debug)]
pub enum Frame<P: Payload> {
    /// An event. The client needs its position and its topics, and hands the rest on to the user.
    Event {
        /// The position of the event in the log.
        position: String,
        /// The topics of the session that the event reaches.
        topics: Vec<String>,
        /// The event, in the driver's form.
        publication: P::Publication,
    },
    /// Any other frame.
    Other(ServerFrame<P>),
}

impl<P: Payload<Publication = Publication<P>>> From<ServerFrame<P>> for Frame<P> {
    fn from(frame: ServerFrame<P>) -> Self {
        match frame {
            ServerFrame::Event { position, key, at, origin, topics, event } => {
                let publication = Publication { position: position.clone(), key, at, origin, event };
                Self::Event { position, topics, publication }
            }
            other => Self::Other(other),
        }
    }
}
