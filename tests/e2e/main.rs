//! The binary as a process, against the simulated API and against servers that misbehave worse than it does.
//!
//! `EXPORTER_BINARY` names another binary than the one that was just built, such as the one to be released.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]
#![allow(clippy::float_cmp, reason = "counts are whole numbers, whatever their type")]

#[path = "../../crates/invitations/tests/common/reference.rs"]
mod reference;

#[path = "../../crates/csp-api/tests/common/upstream.rs"]
mod fake;

mod exporter;
mod groups;
mod scrape;
mod setup;

mod access;
mod bodies;
mod canary;
mod check;
mod counts;
mod credentials;
mod demo;
mod lifecycle;
mod list;
mod memory;
mod once;
mod process;
mod refusals;
mod reload;
mod scrapes;
mod shape;
mod slow;
mod standard_error;
mod states;
mod usage;
