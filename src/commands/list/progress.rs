//! A line for the person who waits at a terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use std::sync::atomic::{AtomicBool, Ordering};

/// Before this nobody wonders.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far the fetching is. Silent unless standard error is a terminal.
pub(super) struct Progress {
    total: usize,
    is_watched: bool,
    is_shown: AtomicBool,
}

impl Progress {
    pub(super) fn new(total: usize) -> Self {
        Self { total, is_watched: io::stderr().is_terminal(), is_shown: AtomicBool::new(false) }
    }

    /// Waits for `next`, of which `done` have ended, and says so each second that it takes.
    pub(super) async fn beside<T>(&self, next: impl Future<Output = T>, done: usize) -> T {
        let mut next = std::pin::pin!(next);
        if !self.is_watched {
            return next.await;
        }
        loop {
            match tokio::time::timeout(PATIENCE, &mut next).await {
                Ok(output) => return output,
                Err(_) => self.show(done),
            }
        }
    }

    fn show(&self, done: usize) {
        self.is_shown.store(true, Ordering::Relaxed);
        // Nobody is left to tell when this fails.
        let _ = write!(io::stderr(), "\r{done} of {} organizations fetched …\u{1b}[K", self.total);
    }

    /// Takes the line away again.
    pub(super) fn clear(&self) {
        if self.is_shown.load(Ordering::Relaxed) {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}
