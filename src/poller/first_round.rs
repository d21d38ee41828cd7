//! The first round of polls after a start.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Who still waits for the turn of its first poll.
///
/// While anybody does, the budget has nothing to spare: whoever comes to its phase so soon after its own first poll lets
/// that one turn pass. Otherwise the end of the first round would begin with a queue of second polls.
#[derive(Debug, Clone, Default)]
pub(super) struct FirstRound(Arc<AtomicUsize>);

/// One who waits, until it is dropped.
#[derive(Debug)]
pub(super) struct Waiting(Arc<AtomicUsize>);

impl FirstRound {
    /// Notes one more who waits.
    pub(super) fn join(&self) -> Waiting {
        self.0.fetch_add(1, Ordering::Relaxed);
        Waiting(Arc::clone(&self.0))
    }

    /// Whether nobody waits any more.
    pub(super) fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
