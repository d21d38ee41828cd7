//! What an exporter for Prometheus needs around its metrics, and knows of none of them.
//!
//! `prometheus-client` counts; this crate serves what it counted the way the exporters of the Prometheus project do. An
//! exporter implements [`web::Application`] and hands it to [`web::Web`]; it then has
//!
//! - `/metrics` in each format that a Prometheus may ask for, compressed when it wants that ([`exposition`]),
//! - `--web.config.file` of the Prometheus exporter-toolkit: TLS with client certificates, users, a rate limit and
//!   headers, each read again when its file changes ([`web::Access`]),
//! - `/healthz`, `/readyz` and `POST /-/reload` with their usual other names, and [`web::Page`]s of its own,
//! - limits that keep slow, silent or too many peers from harming each other, and an orderly end ([`web::Limits`]),
//! - sockets of systemd and several addresses at once ([`web::listen`]),
//! - what the `process_*` families say ([`process`]), and a strict reader of YAML settings ([`document`]).
//!
//! # An exporter
//!
//! Try it with `cargo run -p exporter-toolkit --example temperature -- FILE`.
//!
//! ```no_run
#![doc = include_str!("../examples/temperature.rs")]
//! ```

pub mod document;
pub mod exposition;
pub mod process;
pub mod web;
