//! The clock, the dice and the one timer of a client, as every JavaScript environment has them.

use std::cell::RefCell;

use js_sys::Function;
use wasm_bindgen::prelude::*;

use super::host::Host;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(handler: &Function, ms: f64) -> JsValue;

    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(handle: &JsValue);

    #[wasm_bindgen(js_namespace = performance)]
    fn now() -> f64;
}

/// Milliseconds of a clock that does not run backwards.
pub(crate) fn now_ms() -> u64 {
    now() as u64
}

/// A timer that can be set to another time. Dropping it clears it.
///
/// Each message moves the time at which the server counts as dead, and setting a timer costs as much as a fifth of an
/// event. So a timer that is due earlier than it is asked to be stays: its user looks at the clock when it fires, and
/// sets it again.
pub(crate) struct Timer {
    handler: Function,
    /// When it is due, and its handle.
    set: RefCell<Option<(u64, JsValue)>>,
    /// What `handler` runs.
    _closure: Closure<dyn Fn()>,
}

impl Timer {
    pub(crate) fn new(host: &Host, fires: impl Fn() + 'static) -> Self {
        let closure = Closure::<dyn Fn()>::new(fires);
        let handler = host.guard(closure.as_ref().unchecked_ref());
        Self { handler, set: RefCell::default(), _closure: closure }
    }

    /// Sees to it that it fires at a time, or earlier; or not at all. A time that has passed means as soon as possible.
    pub(crate) fn set(&self, due: Option<u64>, now_ms: u64) {
        let mut set = self.set.borrow_mut();
        let is_set = set.as_ref().is_some_and(|(earlier, _)| due.is_some_and(|due| *earlier <= due));
        if is_set {
            return;
        }
        if let Some((_, handle)) = set.take() {
            clear_timeout(&handle);
        }
        *set = due.map(|due| (due, set_timeout(&self.handler, due.saturating_sub(now_ms) as f64)));
    }

    /// Its handle, while it is set.
    pub(crate) fn handle(&self) -> JsValue {
        self.set.borrow().as_ref().map_or(JsValue::UNDEFINED, |(_, handle)| handle.clone())
    }

    /// It has fired, and is set to nothing.
    pub(crate) fn fired(&self) {
        self.set.take();
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.set(None, 0);
    }
}
