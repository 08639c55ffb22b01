#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| tidings_fuzz::server_frame(text));
