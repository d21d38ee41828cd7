//! The scheduler's sign of life.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use invitations::Millis;

use crate::clock;
use parking_lot::Mutex;
use tokio::time::Instant;

/// Time between two beats.
const BEAT: Duration = Duration::from_secs(1);
/// Without a beat for this long the scheduler counts as stuck.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// Beats while the runtime that runs the polls makes progress, whatever the upstream does.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    last: Mutex<Instant>,
    last_wall: AtomicI64,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { last: Mutex::new(Instant::now()), last_wall: AtomicI64::new(clock::now().0) }
    }
}

impl Heartbeat {
    /// Beats for ever.
    pub(super) async fn beat(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(BEAT);
        loop {
            let now = ticks.tick().await;
            *self.last.lock() = now;
            self.last_wall.store(clock::now().0, Ordering::Relaxed);
        }
    }

    /// The last beat.
    #[must_use]
    pub(crate) fn last(&self) -> Millis {
        Millis(self.last_wall.load(Ordering::Relaxed))
    }

    /// Whether the last beat was recent.
    ///
    /// # Errors
    /// Says how long the scheduler has been silent. Measured on the monotonic clock: a step of the wall clock
    /// must not get the process killed.
    pub(crate) fn check(&self) -> Result<(), String> {
        let silence = self.last.lock().elapsed();
        if silence < STUCK_AFTER { Ok(()) } else { Err(format!("the scheduler has been stuck for {silence:.0?}")) }
    }
}
