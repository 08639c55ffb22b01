//! The clock and the timer of a client.

use std::cell::Cell;

use wasm_bindgen::prelude::*;

use super::host::Host;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance)]
    fn now() -> f64;
}

/// Returns the milliseconds of a clock that never runs backwards.
pub(crate) fn now_ms() -> u64 {
    now() as u64
}

/// When the host's timer fires.
///
/// Each message moves the time at which the connection counts as dead, and setting a timer costs a fifth of an event. So a
/// timer that fires earlier than needed is left alone. When it fires, the core looks at the clock, and the timer is set
/// again.
#[derive(Debug, Default)]
pub(crate) struct Timer(Cell<Option<u64>>);

impl Timer {
    /// Makes the timer fire at this time or earlier, or never. A time in the past means as soon as possible.
    pub(crate) fn set(&self, due: Option<u64>, host: &Host) {
        let set = self.0.get();
        let is_set = set.is_some_and(|earlier| due.is_some_and(|due| earlier <= due));
        if !is_set && set != due {
            host.set_timer(due.map(|due| due.saturating_sub(now_ms()) as f64));
            self.0.set(due);
        }
    }

    /// Notes that it has fired.
    pub(crate) fn fired(&self) {
        self.0.take();
    }
}
