//! The Tidings client, in two layers.
//!
//! - [`core`] is the state machine: connections, subscriptions, publishes, backoff. It does no I/O, reads no clock and
//!   draws no random numbers, so that it runs in a plain test, in a browser and in a native program alike.
//! - `js` (only on `wasm32`) is the thin shell that gives the core a browser's WebSocket, timer and values. The npm
//!   package `tidings` is its only intended user.
//!
//! A client with domains of one's own is a crate with one line, built as a `cdylib` for `wasm32-unknown-unknown`:
//!
//! ```ignore
//! tidings_client_wasm::client!(helpdesk::Event, tidings_client_wasm::domains::staff::Event);
//! ```

pub mod core;
#[cfg(target_arch = "wasm32")]
pub mod js;

#[doc(hidden)]
#[cfg(target_arch = "wasm32")]
pub use ::wasm_bindgen;
#[doc(hidden)]
pub use tidings_shared::schema;

/// The domains that ship, to be named in [`client!`].
pub use tidings_shared::domains;

/// Makes a crate a browser client that knows these domains, each given by its event type. Once in a crate, whose
/// dependency on this one has `default-features = false`.
#[macro_export]
macro_rules! client {
    ($($event:ty),+ $(,)?) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::wasm_bindgen;

            #[wasm_bindgen::prelude::wasm_bindgen(start)]
            fn tidings_domains() {
                $crate::js::register($crate::js::Domains {
                    domains: const { &[$($crate::js::Domain::of::<$event>()),+] },
                    fingerprint: const {
                        $crate::schema::fingerprint(&[$($crate::schema::DomainSchema::of::<$event>()),+])
                    },
                });
            }
        };
    };
}

// What the npm package ships.
#[cfg(all(target_arch = "wasm32", feature = "stock"))]
client!(
    domains::catalogue::Event,
    domains::staff::Event,
    domains::projects::Event,
    domains::crm::Event,
    domains::store::Event<js::AnyRecord>,
);
