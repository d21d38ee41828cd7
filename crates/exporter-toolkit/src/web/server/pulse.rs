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

#[derive(Debug)]
struct Activity {
    phase: Phase,
    since: Instant,
    /// When each request under way began: several with HTTP/2.
    running: Vec<Instant>,
}

impl Activity {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = Instant::now();
    }
}

/// The observable state of one connection.
#[derive(Debug)]
pub(super) struct Pulse {
    activity: Mutex<Activity>,
    evicted: CancellationToken,
}

impl Pulse {
    pub(super) fn new() -> Arc<Self> {
        let activity = Activity { phase: Phase::Handshake, since: Instant::now(), running: Vec::new() };
        Arc::new(Self { activity: Mutex::new(activity), evicted: CancellationToken::new() })
    }

    /// The connection speaks HTTP from now on.
    pub(super) fn established(&self) {
        self.activity.lock().enter(Phase::Fresh);
    }

    /// Bytes of HTTP have arrived.
    pub(super) fn heard(&self) {
        let mut activity = self.activity.lock();
        if matches!(activity.phase, Phase::Fresh | Phase::Idle) {
            activity.enter(Phase::Head);
        }
    }

    /// A request has begun; it ends with the value that is returned.
    pub(super) fn begin(self: &Arc<Self>) -> Running {
        let mut activity = self.activity.lock();
        activity.enter(Phase::Busy);
        let since = activity.since;
        activity.running.push(since);
        Running { pulse: Arc::clone(self), since }
    }

    /// When the connection has to have moved on.
    pub(super) fn deadline(&self, limits: &Limits) -> Instant {
        let activity = self.activity.lock();
        let limit = match activity.phase {
            Phase::Handshake => limits.handshake,
            Phase::Fresh | Phase::Head => limits.head,
            Phase::Idle => limits.idle,
            Phase::Busy => limits.request,
        };
        // The oldest request counts: one that is stuck must not hide behind others that come and go.
        activity.running.iter().min().copied().unwrap_or(activity.since) + limit
    }

    /// How dispensable the connection is: the smallest goes first; `None` while it works on an answer.
    pub(super) fn worth(&self) -> Option<(Phase, Instant)> {
        let activity = self.activity.lock();
        (activity.phase != Phase::Busy).then_some((activity.phase, activity.since))
    }

    /// Whether the connection has nothing to do.
    pub(super) fn is_idle(&self) -> bool {
        self.worth().is_some_and(|(phase, _)| phase != Phase::Head)
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
pub(super) struct Running {
    pulse: Arc<Pulse>,
    since: Instant,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut activity = self.pulse.activity.lock();
        if let Some(index) = activity.running.iter().position(|since| *since == self.since) {
            activity.running.swap_remove(index);
        }
        if activity.running.is_empty() {
            activity.enter(Phase::Idle);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stuck_request_does_not_hide_behind_others() {
        let (limits, pulse) = (Limits::default(), Pulse::new());
        pulse.established();
        let stuck = pulse.begin();
        let deadline = pulse.deadline(&limits);
        for _ in 0..10 {
            tokio::time::advance(Duration::from_secs(1)).await;
            drop(pulse.begin());
            assert_eq!(pulse.deadline(&limits), deadline);
            assert_eq!(pulse.worth(), None);
        }
        drop(stuck);
        assert_eq!(pulse.deadline(&limits), Instant::now() + limits.idle);
        assert!(pulse.is_idle());
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_trickle_do_not_renew_the_limit_of_a_head() {
        let (limits, pulse) = (Limits::default(), Pulse::new());
        pulse.established();
        pulse.heard();
        let deadline = pulse.deadline(&limits);
        tokio::time::advance(Duration::from_secs(5)).await;
        pulse.heard();
        assert_eq!(pulse.deadline(&limits), deadline);
        assert!(!pulse.is_idle());
    }
}
