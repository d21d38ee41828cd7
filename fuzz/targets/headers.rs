//! Headers of scrapes.

#![no_main]

#[path = "../properties/headers.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::holds(bytes));
