//! The HTTP side against real clients.

mod fake;
mod routes;
