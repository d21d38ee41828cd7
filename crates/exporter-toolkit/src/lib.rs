//! What an exporter for Prometheus needs around its metrics, and knows of none of them.
//!
//! - [`web`]: listeners, TLS, users and limits as `--web.config.file` of the Prometheus exporter-toolkit describes
//!   them, with the pages that every exporter has: scrapes, health, readiness and reload. An application adds its own.
//! - [`exposition`]: the three formats of a scrape, which of them is asked for, and their compression.
//! - [`process`]: what the `process_*` families say.
//! - [`document`]: a strict reader of YAML settings.

pub mod document;
pub mod exposition;
pub mod process;
pub mod web;
