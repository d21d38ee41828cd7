//! The upstream: the Cloud Services Platform API.

pub mod error;

pub use error::{Error, Operation, Reason};
