//! From a list of invitations to one organization's numbers. Pure: no clock, no network.
//!
//! [`Fold`] takes the body of the list piece by piece, reads it element by
//! element and keeps only counts, hashes and small numbers; [`Whole::census`]
//! draws the sums once the list has ended.

mod bands;
mod counts;
mod element;
mod fold;
mod groups;
mod intern;
mod invitation;
mod json;
mod list;
mod log;
mod roster;
mod rules;
mod tally;
pub mod text;
pub mod view;

pub use counts::Census;
pub use fold::{Fold, Whole};
pub use invitation::{CarriedGroup, Invitation, Invitations};
pub use list::{ListError, MAX_ELEMENT};
pub use rules::Rules;
pub use view::View;
