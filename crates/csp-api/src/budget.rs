//! What all organizations share: how many requests run at once, how fast they start, and the pauses
//! that the service asks for.

use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::observer::Observer;

type Limiter = RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Duration>>;

/// The limits over all requests of a client.
///
/// A request takes a place first and its turn in the rate afterwards: the other way round, turns would be
/// saved up while waiting for a place and spent in a burst. Both queues are first come, first served.
#[derive(Debug)]
pub(super) struct Budget {
    requests_per_second: Option<f64>,
    max_concurrent: usize,
    places: Arc<Semaphore>,
    limiter: Option<Limiter>,
    clock: TokioClock,
    turn: Mutex<()>,
    pause: watch::Sender<Pause>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Pause {
    until: Option<Instant>,
    resumes: u64,
}

/// Why a request was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// No turn before the deadline.
    Deadline,
    /// The service's pause ends after the deadline.
    Paused,
}

impl Budget {
    pub(super) fn new(requests_per_second: Option<f64>, max_concurrent: usize) -> Self {
        let clock = TokioClock(Instant::now());
        let quota = requests_per_second
            .and_then(|rate| Duration::try_from_secs_f64(1.0 / rate).ok())
            .and_then(Quota::with_period);
        Self {
            requests_per_second,
            max_concurrent,
            places: Arc::new(Semaphore::new(max_concurrent.clamp(1, Semaphore::MAX_PERMITS))),
            limiter: quota.map(|quota| RateLimiter::direct_with_clock(quota, clock)),
            clock,
            turn: Mutex::new(()),
            pause: watch::Sender::new(Pause::default()),
        }
    }

    /// Whether the limits are these.
    pub(super) fn is(&self, requests_per_second: Option<f64>, max_concurrent: usize) -> bool {
        let same = |a: Option<f64>, b: Option<f64>| a.map(f64::to_bits) == b.map(f64::to_bits);
        same(self.requests_per_second, requests_per_second) && self.max_concurrent == max_concurrent
    }

    /// Waits until a request may start. The place is free again when the permit is dropped.
    pub(super) async fn admit(
        &self,
        deadline: Instant,
        observer: &dyn Observer,
    ) -> Result<OwnedSemaphorePermit, Denied> {
        let start = Instant::now();
        if start >= deadline {
            return Err(Denied::Deadline);
        }
        let admitted = timeout_at(deadline, self.wait(deadline)).await;
        let admitted = admitted.unwrap_or_else(|_| {
            self.pause_is_before(deadline)?;
            Err(Denied::Deadline)
        });
        let waited = start.elapsed();
        if waited >= Duration::from_millis(1) {
            observer.throttle_wait(waited);
        }
        admitted
    }

    async fn wait(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Denied> {
        self.pause_is_before(deadline)?;
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| Denied::Deadline)?;
        let _turn = self.turn.lock().await;
        loop {
            self.pause_over(deadline).await?;
            let Some(Err(not_yet)) = self.limiter.as_ref().map(RateLimiter::check) else { return Ok(place) };
            // A pause can begin during this sleep: look again afterwards.
            tokio::time::sleep(not_yet.wait_time_from(self.clock.now())).await;
        }
    }

    fn pause_is_before(&self, deadline: Instant) -> Result<(), Denied> {
        let late = self.pause.borrow().until.is_some_and(|until| until > deadline);
        if late { Err(Denied::Paused) } else { Ok(()) }
    }

    async fn pause_over(&self, deadline: Instant) -> Result<(), Denied> {
        let mut changes = self.pause.subscribe();
        loop {
            self.pause_is_before(deadline)?;
            let until = changes.borrow_and_update().until;
            let Some(until) = until.filter(|&until| until > Instant::now()) else { return Ok(()) };
            tokio::select! {
                () = sleep_until(until) => {}
                _ = changes.changed() => {}
            }
        }
    }

    /// Lets no request start for `length`; a pause that ends later stays.
    pub(super) fn pause(&self, length: Duration) {
        let until = Instant::now() + length;
        self.pause.send_modify(|pause| pause.until = pause.until.max(Some(until)));
    }

    /// Sleeps for `length`, or until [`Budget::resume`]: for pauses that nobody asked for.
    pub(super) async fn back_off(&self, length: Duration) {
        let mut changes = self.pause.subscribe();
        let resumes = changes.borrow().resumes;
        let ended = async move { drop(changes.wait_for(|pause| pause.resumes != resumes).await) };
        tokio::select! {
            () = tokio::time::sleep(length) => {}
            () = ended => {}
        }
    }

    /// Ends every back-off now. A pause that the service asked for stays: whoever asks for reloads in a loop must
    /// not be able to hurry what the service wants to be slow.
    pub(super) fn resume(&self) {
        self.pause.send_modify(|pause| pause.resumes = pause.resumes.wrapping_add(1));
    }

    /// Takes over the pause of a budget with other limits, which this one takes the place of.
    pub(super) fn inherit(&self, former: &Self) {
        let until = former.pause.borrow().until;
        self.pause.send_modify(|pause| pause.until = pause.until.max(until));
    }
}

/// The runtime's clock, so that the rate and the sleeps go by one time, also when a test stops it.
#[derive(Debug, Clone, Copy)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::NoObserver;

    fn far() -> Instant {
        Instant::now() + Duration::from_hours(1)
    }

    #[tokio::test(start_paused = true)]
    async fn requests_start_evenly_without_a_burst() {
        let budget = Budget::new(Some(10.0), 100);
        let start = Instant::now();
        for expected in [0, 100, 200, 300] {
            drop(budget.admit(far(), &NoObserver).await.unwrap());
            let off = start.elapsed().abs_diff(Duration::from_millis(expected));
            assert!(off <= Duration::from_millis(5), "{:?} instead of {expected} ms", start.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_rate_means_no_wait() {
        let budget = Budget::new(None, 1);
        let start = Instant::now();
        for _ in 0..1000 {
            drop(budget.admit(far(), &NoObserver).await.unwrap());
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_taken_until_it_is_dropped() {
        let budget = Budget::new(None, 1);
        let place = budget.admit(far(), &NoObserver).await.unwrap();
        let soon = Instant::now() + Duration::from_secs(1);
        assert_eq!(budget.admit(soon, &NoObserver).await.unwrap_err(), Denied::Deadline);
        drop(place);
        assert!(budget.admit(soon + Duration::from_secs(1), &NoObserver).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_let_in_after_the_deadline() {
        let budget = Budget::new(None, 1);
        assert_eq!(budget.admit(Instant::now(), &NoObserver).await.unwrap_err(), Denied::Deadline);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_everybody_back_and_no_reload_ends_it() {
        let budget = Arc::new(Budget::new(None, 8));
        let start = Instant::now();
        budget.pause(Duration::from_secs(5));
        budget.resume();
        drop(budget.admit(far(), &NoObserver).await.unwrap());
        assert_eq!(start.elapsed(), Duration::from_secs(5));

        budget.pause(Duration::from_secs(50));
        let soon = Instant::now() + Duration::from_secs(9);
        assert_eq!(budget.admit(soon, &NoObserver).await.unwrap_err(), Denied::Paused);
        let waiting = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move { drop(budget.admit(far(), &NoObserver).await.unwrap()) }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        budget.resume();
        waiting.await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(55));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_outlives_a_change_of_the_limits() {
        let start = Instant::now();
        let former = Budget::new(None, 8);
        former.pause(Duration::from_secs(5));
        let budget = Budget::new(Some(10.0), 8);
        budget.inherit(&former);
        drop(budget.admit(far(), &NoObserver).await.unwrap());
        assert_eq!(start.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn resuming_ends_a_back_off() {
        let budget = Arc::new(Budget::new(None, 8));
        let start = Instant::now();
        let waiting = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move { budget.back_off(Duration::from_hours(1)).await }
        });
        tokio::time::sleep(Duration::from_secs(2)).await;
        budget.resume();
        waiting.await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(2));
    }
}
