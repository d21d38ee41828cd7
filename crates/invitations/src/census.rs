//! From a list of invitations to one organization's numbers. Pure: no clock, no network.
//!
//! [`CensusBuilder`] takes the body of the list piece by piece, reads it element by
//! element and keeps only counts, hashes and small numbers; [`CompleteList::census`]
//! draws the sums once the list has ended.

mod aggregate;
mod buckets;
mod builder;
mod counts;
mod criteria;
mod element;
mod groups;
mod intern;
mod invitation;
mod json;
mod list;
mod memberships;
mod people;
pub mod text;
pub mod view;

pub use builder::{CensusBuilder, CompleteList};
pub use counts::Census;
pub use criteria::Criteria;
pub use element::Time;
pub use invitation::{CarriedGroup, Invitation, Invitations};
pub use list::{ListError, MAX_ELEMENT};
pub use view::View;
