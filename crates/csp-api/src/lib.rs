//! The upstream: the Cloud Services Platform API.
//!
//! [`Client`] makes the four calls that the exporter needs. It paces and retries them, keeps access
//! tokens, and tells an [`Observer`] about every attempt; it knows nothing of metrics. What it returns
//! on failure is an [`Error`] that may be logged and shown as it is: nothing in it comes from a
//! credential or from the text of an answer.

mod access_tokens;
mod attempt;
mod body;
mod budget;
mod build_error;
mod client;
pub mod console;
mod deadline;
mod endpoints;
pub mod error;
mod error_chain;
mod exchange;
mod fault;
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod http_client;
mod observer;
mod pem;
mod proxy;
mod retry;
mod rotation;
mod secret_flaw;
mod sent_secret;
mod settings;
mod sink;
mod system;
mod tls;
mod tls_fault;
mod tunnel;
mod wire;

pub use body::BODY_THREADS;
pub use budget::{Budget, Denied, Host, Turn};
pub use build_error::BuildError;
pub use client::Client;
pub use deadline::Deadline;
pub use error::{Error, Operation, Reason};
pub use exchange::LARGEST_SECRET;
pub use observer::{NoObserver, Observer};
pub use proxy::{Proxies, Proxy, ProxyError, Route};
pub use rotation::SecretId;
pub use settings::{Api, Credential, CredentialKind, Expand, Organization, Secret, Tls};
pub use sink::{Head, Sink, SinkError};
pub use wire::OrganizationDetails;
