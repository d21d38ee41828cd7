//! Bytes that a client sends.

#![no_main]

#[path = "../properties/server.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::holds(bytes));
