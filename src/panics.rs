//! Panics: counted, logged without what they say, and kept from harming anybody else.

use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use csp_api::{Error, Operation, Reason};
use futures_util::FutureExt as _;
use tracing::error;

static COUNT: AtomicU64 = AtomicU64::new(0);

/// Counts panics from here on and logs where they were. What they say is left out: it may hold what was being worked on.
pub(crate) fn watch() {
    panic::set_hook(Box::new(|info| {
        COUNT.fetch_add(1, Ordering::Relaxed);
        let place = info.location().map(|place| PathBuf::from(place.file()).display().to_string());
        let line = info.location().map(panic::Location::line);
        error!(place, line, "a task panicked; please report this");
    }));
}

/// How many there were since the start.
#[must_use]
pub(crate) fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

/// Turns a panic of a call into a failure of [`Reason::Internal`], which is the caller's alone.
pub(crate) async fn contained<T>(
    call: impl Future<Output = Result<T, Error>>,
    operation: Operation,
) -> Result<T, Error> {
    let caught = AssertUnwindSafe(call).catch_unwind().await;
    caught.unwrap_or_else(|_| Err(Error::new(operation, Reason::Internal, "the exporter panicked")))
}
