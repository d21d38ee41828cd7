//! What invitations are, without network, disk, clock or exposition format.
//!
//! [`census`] reads an organization's list and counts it, [`lifecycle`] compares the lists of two polls and counts what
//! has happened in between. Both stand on the same few types, which know of neither.

pub mod census;
mod event;
pub mod histogram;
mod identity;
pub mod lifecycle;
mod role;
pub mod settings;
mod sighting;
mod status;
mod time;

pub use event::Event;
pub(crate) use identity::Identities;
pub use identity::{Former, Identity, IdentityKey};
pub use role::RoleKind;
pub use sighting::Sighting;
pub use status::Status;
pub use time::Millis;
