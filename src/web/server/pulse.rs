//! What a connection is doing, and how long it may go on.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Limits;

/// What a connection is doing, from the least to the most worth keeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// In the TLS handshake.
    Handshake,
    /// Connected, and nothing heard yet.
    Fresh,
    /// A part of a request's head has arrived.
    Head,
    /// Between two requests.
    Idle,
    /// Being answered.
    Busy,
}

#[derive(Debug, Clone, Copy)]
struct Activity {
    phase: Phase,
    since: Instant,
    /// Requests under way: several with HTTP/2.
    running: usize,
}

/// The observable state of one connection.
#[derive(Debug)]
pub(super) struct Pulse {
    activity: Mutex<Activity>,
    evicted: CancellationToken,
}

impl Pulse {
    pub(super) fn new() -> Arc<Self> {
        let activity = Activity { phase: Phase::Handshake, since: Instant::now(), running: 0 };
        Arc::new(Self { activity: Mutex::new(activity), evicted: CancellationToken::new() })
    }

    /// The connection speaks HTTP from now on.
    pub(super) fn established(&self) {
        *self.activity.lock() = Activity { phase: Phase::Fresh, since: Instant::now(), running: 0 };
    }

    /// Bytes of HTTP have arrived.
    pub(super) fn heard(&self) {
        let mut activity = self.activity.lock();
        if matches!(activity.phase, Phase::Fresh | Phase::Idle) {
            *activity = Activity { phase: Phase::Head, since: Instant::now(), ..*activity };
        }
    }

    /// A request has begun; it ends with the value that is returned.
    pub(super) fn begin(self: &Arc<Self>) -> Running {
        let mut activity = self.activity.lock();
        let since = if activity.running == 0 { Instant::now() } else { activity.since };
        *activity = Activity { phase: Phase::Busy, since, running: activity.running + 1 };
        Running(Arc::clone(self))
    }

    /// When the connection has to have moved on.
    pub(super) fn deadline(&self, limits: &Limits) -> Instant {
        let Activity { phase, since, .. } = *self.activity.lock();
        since
            + match phase {
                Phase::Handshake => limits.handshake,
                Phase::Fresh | Phase::Head => limits.head,
                Phase::Idle => limits.idle,
                Phase::Busy => limits.request,
            }
    }

    /// How dispensable the connection is: the smallest goes first; `None` while it works on an answer.
    pub(super) fn worth(&self) -> Option<(Phase, Instant)> {
        let Activity { phase, since, .. } = *self.activity.lock();
        (phase != Phase::Busy).then_some((phase, since))
    }

    /// Asks the connection to end at once.
    pub(super) fn evict(&self) {
        self.evicted.cancel();
    }

    /// Returns once the connection was asked to end.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Running(Arc<Pulse>);

impl Drop for Running {
    fn drop(&mut self) {
        let mut activity = self.0.activity.lock();
        let running = activity.running.saturating_sub(1);
        // Of several requests the limit counts from the end of the last one that ended.
        let phase = if running == 0 { Phase::Idle } else { Phase::Busy };
        *activity = Activity { phase, since: Instant::now(), running };
    }
}
