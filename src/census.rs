//! From a list of invitations to one organization's numbers. Pure: no clock, no network.

pub mod status;

pub use status::Status;
