//! Text from the service.

#![no_main]

#[path = "../properties/text.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::holds(bytes));
