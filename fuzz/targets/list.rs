//! Lists of invitations.

#![no_main]

#[path = "../../crates/invitations/tests/common/observed.rs"]
mod observed;
#[path = "../../crates/invitations/tests/common/reference.rs"]
mod reference;
#[path = "../properties/list.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::holds(bytes));
