//! What every call has in common: it may panic without harm to anybody else, and its failure is one line of the log.

use std::panic::AssertUnwindSafe;

use csp_api::{Error, Operation, Reason};
use futures_util::FutureExt;
use tracing::warn;

/// Turns a panic into an [`Reason::Internal`]; the panic hook has counted and logged it.
pub(super) async fn contained<T>(
    call: impl Future<Output = Result<T, Error>>,
    operation: Operation,
) -> Result<T, Error> {
    let caught = AssertUnwindSafe(call).catch_unwind().await;
    caught.unwrap_or_else(|_| Err(Error::new(operation, Reason::Internal, "the exporter panicked")))
}

/// The one line of a failure: who, what, why, the id for the vendor's support, what it means and what to do.
pub(super) fn log_failure(message: &str, organization: Option<&str>, credentials: Option<&str>, error: &Error) {
    warn!(
        organization,
        credentials,
        operation = error.operation.as_str(),
        reason = error.reason.as_str(),
        status = error.status,
        request_id = error.request_id,
        detail = error.detail,
        meaning = error.meaning(),
        action = error.action(),
        "{message}"
    );
}
