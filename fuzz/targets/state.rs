//! Stored states.

#![no_main]

use std::sync::Once;

#[path = "../properties/state.rs"]
mod property;

/// A fuzzer ends at each panic. Here those of the database are to be caught where it is opened, and only others end it.
static CATCHABLE: Once = Once::new();

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    CATCHABLE.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    property::holds(bytes);
});
