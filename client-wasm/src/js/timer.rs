//! The clock and the timer of a client.

use std::cell::RefCell;

use js_sys::Function;
use wasm_bindgen::prelude::*;

use super::host::Host;

#[wasm_bindgen]
extern "C" {
    /// As in the browser. In a test, the host may let 0 ms pass at once, whatever its clock says.
    #[wasm_bindgen(method, js_name = setTimeout)]
    fn set_timeout(this: &Host, handler: &Function, ms: f64) -> JsValue;

    #[wasm_bindgen(method, js_name = clearTimeout)]
    fn clear_timeout(this: &Host, handle: &JsValue);

    #[wasm_bindgen(js_namespace = performance)]
    fn now() -> f64;
}

/// Returns the milliseconds of a clock that never runs backwards.
pub(crate) fn now_ms() -> u64 {
    now() as u64
}

/// A timer that can be set again. Dropping it clears it.
///
/// Each message moves the time at which the connection counts as dead, and setting a timer costs a fifth of an event. So a
/// timer that fires earlier than needed is left alone. When it fires, the core looks at the clock, and the timer is set
/// again.
pub(crate) struct Timer {
    host: Host,
    handler: Function,
    /// When it fires, and its handle.
    set: RefCell<Option<(u64, JsValue)>>,
    /// `handler` calls it.
    _closure: Closure<dyn Fn()>,
}

impl Timer {
    pub(crate) fn new(host: &Host, fires: impl Fn() + 'static) -> Self {
        let closure = Closure::<dyn Fn()>::new(fires);
        let handler = host.guard(closure.as_ref().unchecked_ref());
        let host = JsValue::from(host).unchecked_into();
        Self { host, handler, set: RefCell::default(), _closure: closure }
    }

    /// Makes the timer fire at this time or earlier, or never. A time in the past means as soon as possible.
    pub(crate) fn set(&self, due: Option<u64>) {
        let mut set = self.set.borrow_mut();
        let is_set = set.as_ref().is_some_and(|(earlier, _)| due.is_some_and(|due| *earlier <= due));
        if is_set {
            return;
        }
        if let Some((_, handle)) = set.take() {
            self.host.clear_timeout(&handle);
        }
        *set =
            due.map(|due| (due, self.host.set_timeout(&self.handler, due.saturating_sub(now_ms()) as f64)));
    }

    /// Returns its handle, if it is set.
    pub(crate) fn handle(&self) -> JsValue {
        self.set.borrow().as_ref().map_or(JsValue::UNDEFINED, |(_, handle)| handle.clone())
    }

    /// Notes that it has fired.
    pub(crate) fn fired(&self) {
        self.set.take();
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.set(None);
    }
}
