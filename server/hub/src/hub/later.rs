//! Answers that come at once without a journal, and later with one.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker, ready},
};

use crate::tenant_log::Loading;

/// The place for an answer that comes later, from the journal.
#[derive(Debug)]
pub(crate) struct Slot<T>(Mutex<Answer<T>>);

#[derive(Debug)]
struct Answer<T> {
    answer: Option<T>,
    waker: Option<Waker>,
}

impl<T> Slot<T> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Answer { answer: None, waker: None })))
    }

    /// Gives the answer, and wakes the task that waits for it.
    pub(crate) fn fill(&self, answer: T) {
        let mut state = self.lock();
        state.answer = Some(answer);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, waker: &Waker) -> Poll<T> {
        let mut state = self.lock();
        if let Some(answer) = state.answer.take() {
            return Poll::Ready(answer);
        }
        state.waker = Some(waker.clone());
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, Answer<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer that is there, or comes later.
pub(super) enum Later<T> {
    Ready(T),
    /// It comes from the journal.
    Waits(Arc<Slot<T>>),
    /// The tenant's history is loaded first.
    Loads(Loading, Box<dyn FnOnce() -> T + Send>),
    Taken,
}

impl<T> Later<T> {
    pub(super) fn poll(&mut self, waker: &Waker) -> Poll<T> {
        match self {
            Self::Waits(slot) => {
                let answer = ready!(slot.poll(waker));
                *self = Self::Taken;
                return Poll::Ready(answer);
            }
            Self::Loads(loading, _) => ready!(loading.poll(waker)),
            Self::Ready(_) | Self::Taken => {}
        }
        match std::mem::replace(self, Self::Taken) {
            Self::Ready(answer) => Poll::Ready(answer),
            Self::Loads(_, then) => Poll::Ready(then()),
            Self::Waits(_) | Self::Taken => panic!("a future is not polled again after it was ready"),
        }
    }

    /// Returns what `then` gives when a history is loaded.
    pub(super) fn after(mut loading: Loading, then: impl FnOnce() -> T + Send + 'static) -> Self {
        match loading.poll(Waker::noop()) {
            Poll::Ready(()) => Self::Ready(then()),
            Poll::Pending => Self::Loads(loading, Box::new(then)),
        }
    }
}

/// Writes a future of an answer of the hub.
macro_rules! later {
    ($( $(#[$attribute:meta])* $name:ident: $output:ty; )+) => { $(
        $(#[$attribute])*
        pub struct $name($crate::hub::later::Later<$output>);

        impl $name {
            /// Returns the answer if it is there, without a runtime. Without a journal, it is there at once. `None` means
            /// that the journal has not answered yet, or that the future was polled before.
            pub fn now_or_never(mut self) -> Option<$output> {
                if matches!(self.0, $crate::hub::later::Later::Taken) {
                    return None;
                }
                match self.0.poll(std::task::Waker::noop()) {
                    std::task::Poll::Ready(output) => Some(output),
                    std::task::Poll::Pending => None,
                }
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let is_ready = matches!(self.0, $crate::hub::later::Later::Ready(_));
                f.debug_struct(stringify!($name)).field("is_ready", &is_ready).finish()
            }
        }

        /// # Panics
        /// It is polled again after it has returned its output.
        impl Future for $name {
            type Output = $output;

            fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<$output> {
                self.0.poll(cx.waker())
            }
        }
    )+ };
}

pub(super) use later;
