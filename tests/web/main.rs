//! The HTTP side against real clients.

mod access;
mod config;
mod fake;
mod limits;
mod page;
mod pki;
mod routes;
mod tls;
