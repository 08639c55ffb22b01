//! The browser's core with a domain that has every type, for the tests of the types.

tidings_client_wasm::client!(every_type::Event);
