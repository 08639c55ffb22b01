//! The browser's core with the help desk's domain, and the staff's of those that ship.

tidings_client_wasm::client!(helpdesk::Event, tidings_client_wasm::domains::staff::Event);
