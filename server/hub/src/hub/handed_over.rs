//! Futures of what a hub was asked for. The hub acts when it is asked, and not when the future is polled.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tidings_shared::Position;

use super::{publishing::PublishError, subscription::Subscription};
use crate::publication::Published;

/// Writes a future that has its output from the beginning.
macro_rules! handed_over {
    ($( $(#[$attribute:meta])* $name:ident: $output:ty; )+) => { $(
        $(#[$attribute])*
        #[derive(Debug)]
        pub struct $name(Option<$output>);

        impl $name {
            pub(super) fn ready(output: $output) -> Self {
                Self(Some(output))
            }

            /// Returns the output if it is there, without a runtime. It is there at once, because the log is in memory.
            /// `None` means that the future was polled before.
            pub fn now_or_never(self) -> Option<$output> {
                self.0
            }
        }

        /// # Panics
        /// It is polled again after it has returned its output.
        impl Future for $name {
            type Output = $output;

            fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<$output> {
                Poll::Ready(self.0.take().expect("a future is not polled again after it was ready"))
            }
        }
    )+ };
}

handed_over! {
    /// A publication that was handed over to the hub: a future of its result. Dropping the future takes nothing back.
    #[must_use = "the event may have been refused: await the result, or use `announce`, which never fails"]
    Publishing: Result<Published, PublishError>;

    /// A future of a subscription. The subscription begins when it is asked for, and not when the future is polled.
    #[must_use = "await the subscription"]
    Subscribing: Subscription;

    /// A future of a position. The position is that of the moment when it was asked for, or a later one.
    #[must_use = "await the position"]
    Positioning: Position;
}
