//! The binary as a process, against the simulated API and against servers that misbehave worse than it does.
//!
//! `EXPORTER_BINARY` names another binary than the one that was just built, such as the one to be released.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]
#![allow(clippy::float_cmp, reason = "counts are whole numbers, whatever their type")]

#[path = "../../crates/invitations/tests/common/reference.rs"]
mod reference;
#[allow(dead_code, reason = "shared with the tests of the client, which use all of it")]
#[path = "../../crates/csp-api/tests/client/wire.rs"]
mod wire;

#[path = "../../crates/csp-api/tests/common/upstream.rs"]
mod fake;

mod binary;
mod faults;
mod groups;
mod scrape;
mod setup;

mod access;
mod auto_reload;
mod bodies;
mod canary;
mod check;
mod clock;
mod consoles;
mod counts;
mod credentials;
mod crowd;
mod demo;
mod files;
mod hammer;
mod hanging;
mod lifecycle;
mod list;
mod memory;
mod once;
mod private;
mod process;
mod proxies;
mod refusals;
mod reload;
mod retry_after;
mod scrapes;
mod shape;
mod silence;
mod slow;
mod standard_error;
mod state;
mod states;
mod usage;
