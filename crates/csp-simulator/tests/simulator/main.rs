//! The simulator over real HTTP, as the exporter and a rehearsing operator see it.

mod access;
mod bench;
mod control;
mod lists;
mod scenarios;
