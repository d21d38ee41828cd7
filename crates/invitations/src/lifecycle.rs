//! What happens to invitations between polls.
//!
//! [`Ledger`] compares each good poll's list of [`Sighting`](crate::Sighting)s with the invitations known so far and
//! counts [`Event`](crate::Event)s.

mod group;
mod ledger;

pub use group::StatusCounts;
pub use ledger::{Change, Changes, Known, Ledger, REDEMPTION_BOUNDS, Tally};
