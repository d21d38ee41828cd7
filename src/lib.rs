//! Prometheus exporter for organization invitations of `VMware` Cloud Services
//! (CSP, now Tanzu Platform Cloud Services).
//!
//! Data flows one way:
//!
//! ```text
//! config ─▶ poller ─▶ csp-api ─▶ (bytes) ─▶ invitations ─▶ view ─▶ snapshot ─▶ metrics ─▶ exporter-toolkit
//! ```
//!
//! A poll ends in one immutable [`View`](invitations::census::View) of one organization, a [`snapshot::Snapshot`] is the
//! set of the newest views, and a scrape reads one snapshot. Nothing is updated in place where a
//! scrape can see it, so a scrape is never torn and vanished roles and groups vanish. `docs/architecture.md` shows the way
//! of a poll and of a scrape through the files.

mod build_info;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
mod exporter;
mod logging;
mod memory;
pub mod metrics;
mod panics;
mod poller;
mod shard;
pub mod snapshot;
pub mod state;
pub mod status;
