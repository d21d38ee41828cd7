//! The simulator over real HTTP, as the exporter and a rehearsing operator see it.

mod access;
mod bench;
mod control;
mod lists;
mod scenarios;
mod shapes;

#[path = "../common/observed.rs"]
mod observed;
#[path = "../common/reference.rs"]
mod reference;
