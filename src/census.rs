//! From a list of invitations to one organization's numbers. Pure: no clock, no network.

pub mod status;
pub mod view;

pub use status::Status;
pub use view::View;
