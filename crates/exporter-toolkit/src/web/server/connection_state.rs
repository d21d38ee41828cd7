//! What a connection is doing, and how long it may go on.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Limits;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
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

/// How dispensable a connection is, the most dispensable first.
///
/// One that has just come ranks above all that wait for a next request: whoever fills the house with connections that are
/// answered once and then silent would else have each newcomer pushed out by the next, scrapes and health checks included. A
/// client whose idle connection is closed opens another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worth {
    /// Has not come to a request for longer than [`ARRIVAL`].
    Dawdling,
    /// Between two requests.
    Idle,
    /// Shakes hands or sends its request.
    Arriving,
}

/// Long for a handshake or the head of a request.
const ARRIVAL: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Activity {
    stage: Stage,
    since: Instant,
    /// The requests under way: several with HTTP/2.
    running: Vec<Request>,
    /// How many requests there have been.
    requests: u64,
    /// Since when the socket takes nothing of what is to be sent.
    blocked: Option<Instant>,
}

#[derive(Debug)]
struct Request {
    number: u64,
    began: Instant,
    /// When a part of the answer was last taken, if that is known.
    taken: Option<Instant>,
}

impl Activity {
    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.since = Instant::now();
    }
}

/// What is known of one connection while it is there.
#[derive(Debug)]
pub(super) struct ConnectionState {
    activity: Mutex<Activity>,
    evicted: CancellationToken,
}

impl ConnectionState {
    pub(super) fn new() -> Arc<Self> {
        let (stage, since) = (Stage::Handshake, Instant::now());
        let activity = Activity { stage, since, running: Vec::new(), requests: 0, blocked: None };
        Arc::new(Self { activity: Mutex::new(activity), evicted: CancellationToken::new() })
    }

    /// The connection speaks HTTP from now on.
    pub(super) fn established(&self) {
        self.activity.lock().enter(Stage::Fresh);
    }

    /// Bytes of HTTP have arrived.
    pub(super) fn heard(&self) {
        let mut activity = self.activity.lock();
        if matches!(activity.stage, Stage::Fresh | Stage::Idle) {
            activity.enter(Stage::Head);
        }
    }

    /// A request has begun; it ends with the value that is returned.
    pub(super) fn begin(self: &Arc<Self>) -> Running {
        let mut activity = self.activity.lock();
        activity.enter(Stage::Busy);
        activity.requests += 1;
        let (number, began) = (activity.requests, activity.since);
        activity.running.push(Request { number, began, taken: None });
        Running { state: Arc::clone(self), number }
    }

    /// The socket has taken something of what is to be sent, or there is nothing to be sent; or it takes nothing.
    pub(super) fn sent(&self, progress: bool) {
        let mut activity = self.activity.lock();
        if progress {
            activity.blocked = None;
        } else {
            activity.blocked.get_or_insert_with(Instant::now);
        }
    }

    /// When the connection has to have moved on.
    pub(super) fn deadline(&self, limits: &Limits) -> Instant {
        let activity = self.activity.lock();
        let limit = match activity.stage {
            Stage::Handshake => limits.handshake,
            Stage::Fresh | Stage::Head => limits.head,
            Stage::Idle => limits.idle,
            Stage::Busy => limits.request,
        };
        // The oldest request counts: one that is stuck must not hide behind others that come and go.
        let began = activity.running.iter().map(|request| request.began).min().unwrap_or(activity.since);
        let untaken = activity.running.iter().filter_map(|request| request.taken).chain(activity.blocked).min();
        let deadline = began + limit;
        untaken.map_or(deadline, |since| deadline.min(since + limits.stall))
    }

    /// How dispensable the connection is: the smallest goes first; `None` while it works on an answer.
    pub(super) fn worth(&self) -> Option<(Worth, Instant)> {
        let activity = self.activity.lock();
        let worth = match activity.stage {
            Stage::Busy => return None,
            Stage::Idle => Worth::Idle,
            Stage::Handshake | Stage::Fresh | Stage::Head if activity.since.elapsed() < ARRIVAL => Worth::Arriving,
            Stage::Handshake | Stage::Fresh | Stage::Head => Worth::Dawdling,
        };
        Some((worth, activity.since))
    }

    /// Whether the connection has nothing to do.
    pub(super) fn is_idle(&self) -> bool {
        !matches!(self.activity.lock().stage, Stage::Head | Stage::Busy)
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
    state: Arc<ConnectionState>,
    number: u64,
}

impl Running {
    /// From now on the answer is there to be taken, and each part that is taken is [told](Self::taken).
    pub(super) fn offer(&self) {
        self.with(|request| request.taken = Some(Instant::now()));
    }

    /// A part of the answer was taken.
    pub(super) fn taken(&self) {
        self.with(|request| request.taken = request.taken.map(|_| Instant::now()));
    }

    fn with(&self, change: impl FnOnce(&mut Request)) {
        let mut activity = self.state.activity.lock();
        activity.running.iter_mut().find(|request| request.number == self.number).map(change);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut activity = self.state.activity.lock();
        activity.running.retain(|request| request.number != self.number);
        if activity.running.is_empty() {
            activity.enter(Stage::Idle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stuck_request_does_not_hide_behind_others() {
        let (limits, state) = (Limits::default(), ConnectionState::new());
        state.established();
        let stuck = state.begin();
        let deadline = state.deadline(&limits);
        for _ in 0..10 {
            tokio::time::advance(Duration::from_secs(1)).await;
            drop(state.begin());
            assert_eq!(state.deadline(&limits), deadline);
            assert_eq!(state.worth(), None);
        }
        drop(stuck);
        assert_eq!(state.deadline(&limits), Instant::now() + limits.idle);
        assert!(state.is_idle());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_taken_ends_the_connection_long_before_the_request_s_limit() {
        let (limits, state) = (Limits::default(), ConnectionState::new());
        state.established();
        let (stuck, busy) = (state.begin(), state.begin());
        stuck.taken();
        assert_eq!(state.deadline(&limits), Instant::now() + limits.request, "there is nothing to take yet");
        stuck.offer();
        let deadline = Instant::now() + limits.stall;
        for _ in 0..5 {
            assert_eq!(state.deadline(&limits), deadline);
            tokio::time::advance(Duration::from_secs(1)).await;
            busy.taken();
        }
        stuck.taken();
        assert_eq!(state.deadline(&limits), Instant::now() + limits.stall);
        drop(stuck);
        state.sent(false);
        let deadline = Instant::now() + limits.stall;
        tokio::time::advance(Duration::from_secs(1)).await;
        state.sent(false);
        assert_eq!(state.deadline(&limits), deadline, "a second attempt in vain is no progress");
        state.sent(true);
        assert!(state.deadline(&limits) > deadline);
    }

    #[tokio::test(start_paused = true)]
    async fn who_dawdles_goes_first_then_who_is_idle_then_who_arrives() {
        let (dawdling, idle, arriving, busy) =
            (ConnectionState::new(), ConnectionState::new(), ConnectionState::new(), ConnectionState::new());
        drop(idle.begin());
        tokio::time::advance(ARRIVAL).await;
        let _running = busy.begin();
        arriving.established();
        assert!(dawdling.worth() < idle.worth() && idle.worth() < arriving.worth());
        assert_eq!(busy.worth(), None);
        tokio::time::advance(ARRIVAL).await;
        arriving.heard();
        assert_eq!(arriving.worth().map(|worth| worth.0), Some(Worth::Arriving), "its request is on its way");
        tokio::time::advance(ARRIVAL).await;
        assert!(arriving.worth() < idle.worth());
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_trickle_do_not_renew_the_limit_of_a_head() {
        let (limits, state) = (Limits::default(), ConnectionState::new());
        state.established();
        state.heard();
        let deadline = state.deadline(&limits);
        tokio::time::advance(Duration::from_secs(5)).await;
        state.heard();
        assert_eq!(state.deadline(&limits), deadline);
        assert!(!state.is_idle());
    }
}
