//! What happens to invitations between polls.
mod event;
mod group;
mod identity;
mod ledger;
mod sighting;

pub use event::Event;
pub use identity::{Identity, IdentityKey};
pub use ledger::{Changes, Ledger, REDEMPTION_BOUNDS, Tally};
pub use sighting::Sighting;
