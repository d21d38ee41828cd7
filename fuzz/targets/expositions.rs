//! Names in every format of a scrape.

#![no_main]

#[path = "../properties/expositions.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::holds(bytes));
