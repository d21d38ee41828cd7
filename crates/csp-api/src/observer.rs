//! Who is told what the client does.

use std::time::Duration;

use super::error::{Operation, Reason};

/// Is told of everything that the client sends and receives.
///
/// Called from the tasks that poll: implementations only count and must not block.
/// Every method has an empty default, so that a test implements what it looks at.
#[expect(unused_variables, reason = "the defaults ignore what they are told; the names document it")]
pub trait Observer: Send + Sync {
    /// An attempt is about to be sent.
    fn request(&self, operation: Operation) {}
    /// An attempt's response headers arrived.
    fn response(&self, operation: Operation, status: u16) {}
    /// An attempt that was sent has failed.
    fn failure(&self, operation: Operation, reason: Reason) {}
    /// Another attempt of the same call follows.
    fn retry(&self, operation: Operation) {}
    /// An attempt ended, body included. `request_id` is the service's, when it is well-formed.
    fn duration(&self, operation: Operation, took: Duration, request_id: Option<&str>) {}
    /// Bytes of an attempt's body that were read, after decompression.
    fn bytes(&self, operation: Operation, count: u64) {}
    /// The codes of an error body. Each matches `[A-Za-z0-9._-]{1,64}`, is `other`, or is empty when it was missing.
    fn error_codes(&self, operation: Operation, csp_error_code: &str, module_code: &str) {}
    /// An attempt waited for the shared budget, for a free place or for a `Retry-After`.
    fn throttle_wait(&self, waited: Duration) {}
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {}
