//! The line of a call of the service that failed.

use csp_api::Error;
use tracing::warn;

/// Logs who, what, why, the id for the vendor's support, what it means and what to do.
pub(crate) fn call_failed(message: &str, organization: Option<&str>, credentials: Option<&str>, error: &Error) {
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
