//! The simulator over real HTTP, as the exporter and a rehearsing operator see it.

mod access;
mod bench;
mod control;
mod lists;
mod scenarios;
mod shapes;

#[path = "../../../invitations/tests/common/observed.rs"]
mod observed;
#[path = "../../../invitations/tests/common/reference.rs"]
mod reference;
