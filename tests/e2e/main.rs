//! The binary as a process, against the simulated API and against servers that misbehave worse than it does.
//!
//! `EXPORTER_BINARY` names another binary than the one that was just built, such as the one to be released.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

#[path = "../common/reference.rs"]
mod reference;

mod exporter;
mod fake;
mod scrape;
mod setup;

mod bodies;
mod counts;
mod memory;
mod refusals;
mod states;
