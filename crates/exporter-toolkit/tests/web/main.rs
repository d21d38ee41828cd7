//! The HTTP side against real clients.
#![expect(clippy::unwrap_used, reason = "a panic is the report of a failure, in helpers as in tests")]

mod access;
mod config;
mod crowds;
mod example;
mod fake;
mod limits;
mod pki;
mod routes;
mod slow;
mod tls;
