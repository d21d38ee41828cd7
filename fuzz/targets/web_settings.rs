//! Web configurations.

#![no_main]

#[path = "../properties/web_settings.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::holds(bytes));
