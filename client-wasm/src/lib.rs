//! The Tidings client for browsers: a shell that gives the crate `tidings-client-core` a WebSocket, a timer and JavaScript's
//! values. The npm package `tidings` is made from it.
//!
//! The shell exists on `wasm32` only. On other targets the crate is empty, except for [`client!`].
//!
//! A client with your own domains is a crate with one line, built as a `cdylib` for `wasm32-unknown-unknown`:
//!
//! ```ignore
//! tidings_client_wasm::client!(helpdesk::Event, tidings_client_wasm::domains::staff::Event);
//! ```

#[cfg(target_arch = "wasm32")]
pub mod js;

#[doc(hidden)]
#[cfg(target_arch = "wasm32")]
pub use ::wasm_bindgen;
#[doc(hidden)]
pub use tidings_shared::schema;

/// The domains of the npm package, for [`client!`].
pub use tidings_shared::domains;

/// Makes a crate a browser client that knows these domains. An event type names each domain. Use it once in a crate, and
/// depend on this crate with `default-features = false`.
#[macro_export]
macro_rules! client {
    ($($event:ty),+ $(,)?) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::wasm_bindgen;

            #[wasm_bindgen::prelude::wasm_bindgen(start)]
            fn register_domains() {
                $crate::js::register($crate::domains_of!($($event),+));
            }
        };
    };
}

/// The `js::Domains` of these event types, as a constant.
#[doc(hidden)]
#[macro_export]
macro_rules! domains_of {
    ($($event:ty),+ $(,)?) => {
        const {
            $crate::js::Domains {
                domains: &[$({
                    const EVENTS: &[$crate::schema::EventSchema] = $crate::schema::DomainSchema::of::<$event>().events;
                    const ROWS: &[$crate::schema::check::Row] =
                        &$crate::schema::check::Row::of::<{ $crate::schema::check::Row::count(EVENTS) }>(EVENTS);
                    $crate::js::Domain::new::<$event>(ROWS)
                }),+],
            }
        }
    };
}

/// The README's examples compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
