//! Panics: counted, and said without what they say.

use std::panic;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::error;

static COUNT: AtomicU64 = AtomicU64::new(0);

/// Counts panics from here on and logs where they were. What they say is left out: it may hold what was being worked on.
pub fn watch() {
    panic::set_hook(Box::new(|info| {
        COUNT.fetch_add(1, Ordering::Relaxed);
        let place = info.location().map(|place| PathBuf::from(place.file()).display().to_string());
        let line = info.location().map(panic::Location::line);
        error!(place, line, "a task panicked; please report this");
    }));
}

/// How many there were since the start.
#[must_use]
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}
