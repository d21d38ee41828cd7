//! The shared exchange of a token, in every order in which callers can come, go on, give up and lose their token.
//!
//! What happens between two `await`s of [`CachedToken::token`] is guarded by its locks, so the order in which its callers are
//! polled is all that can differ. Here it is drawn by lot, thousands of times, with the same lots in each run.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;

type Token = Pin<Box<dyn Future<Output = Result<Arc<AccessToken>, CallError>> + Send>>;

/// What has come of the exchanges so far.
#[derive(Default)]
struct Log {
    now: usize,
    running: usize,
    begun: usize,
    /// When each one ended that did, and whether it brought a token.
    ended: Vec<(usize, bool)>,
}

/// An exchange under way, also one that is given up.
struct Running(Arc<Mutex<Log>>);

impl Running {
    fn begin(log: &Arc<Mutex<Log>>) -> Self {
        let mut entries = log.lock();
        entries.running += 1;
        entries.begun += 1;
        assert_eq!(entries.running, 1, "never two at once");
        Self(Arc::clone(log))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
    }
}

async fn exchange(log: Arc<Mutex<Log>>, mut turns: usize, succeeds: bool) -> Result<AccessToken, CallError> {
    let _running = Running::begin(&log);
    std::future::poll_fn(|_| {
        turns = turns.saturating_sub(1);
        if turns == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    let mut entries = log.lock();
    let (number, now) = (entries.ended.len(), entries.now);
    entries.ended.push((now, succeeds));
    if succeeds {
        let grant = Grant { token: number.to_string().into(), lifetime: Duration::from_secs(1800) };
        Ok(AccessToken::new(&grant, Instant::now(), SystemTime::now()).unwrap())
    } else {
        let error = Error::new(Operation::Token, Reason::Credentials, number.to_string());
        Err(CallError { error, by_deadline: false, is_unsent: false })
    }
}

fn caller(slot: &Arc<CachedToken>, log: &Arc<Mutex<Log>>, lots: &mut StdRng) -> Token {
    let exchange = exchange(Arc::clone(log), lots.random_range(0..4), lots.random_range(0..2) == 0);
    let slot = Arc::clone(slot);
    // Tokio makes a task that never waits pause now and then: this one is polled by hand.
    Box::pin(tokio::task::unconstrained(async move {
        slot.token(&Deadline::of_poll(Duration::from_secs(3600)), exchange).await
    }))
}

/// Whether the outcome is that of an exchange that a caller which joined then may share.
fn is_due(outcome: &Result<Arc<AccessToken>, CallError>, log: &Log, joined: usize) -> bool {
    let ended = |number: &str| log.ended[number.parse::<usize>().unwrap()];
    match outcome {
        Ok(token) => ended(token.header.to_str().unwrap().strip_prefix("Bearer ").unwrap()).1,
        Err(failure) => {
            let (at, succeeded) = ended(&failure.error.detail);
            !succeeded && at >= joined
        }
    }
}

#[tokio::test(start_paused = true)]
async fn in_any_order_there_is_one_exchange_at_a_time_and_nobody_is_left_out_or_told_of_an_older_failure() {
    let (mut shared, mut given_up) = (0, 0);
    for seed in 0..4000 {
        let (mut lots, slot, log) =
            (StdRng::seed_from_u64(seed), Arc::new(CachedToken::new(0.5)), Arc::new(Mutex::new(Log::default())));
        let mut callers: Vec<(usize, Token)> = Vec::new();
        let (mut losses, mut told, mut newest) = (0, 0, None);
        let mut cx = Context::from_waker(Waker::noop());
        for step in 0..400 {
            log.lock().now = step;
            // In the end all that are left have to come to an end.
            let is_ending = step >= 60;
            match lots.random_range(0..10) {
                0..=2 if !is_ending && callers.len() < 6 => callers.push((step, caller(&slot, &log, &mut lots))),
                3 if !is_ending && !callers.is_empty() => {
                    drop(callers.swap_remove(lots.random_range(0..callers.len())));
                    (losses, given_up) = (losses + 1, given_up + 1);
                }
                4 if !is_ending => {
                    losses += 1;
                    if let Some(token) = &newest {
                        slot.forget(token);
                    }
                }
                _ if callers.is_empty() => {}
                _ => {
                    let place = lots.random_range(0..callers.len());
                    if let Poll::Ready(outcome) = callers[place].1.as_mut().poll(&mut cx) {
                        let (joined, _) = callers.swap_remove(place);
                        assert!(is_due(&outcome, &log.lock(), joined), "seed {seed}, step {step}");
                        told += usize::from(outcome.is_err());
                        newest = outcome.ok().or(newest);
                    }
                }
            }
        }
        assert!(callers.is_empty(), "seed {seed}: {} wait for ever", callers.len());
        let log = log.lock();
        let failures = log.ended.iter().filter(|(_, succeeded)| !succeeded).count();
        assert!(log.begun <= 1 + failures + losses, "seed {seed}: {} exchanges", log.begun);
        shared += told.saturating_sub(failures);
    }
    assert!(shared > 1000 && given_up > 1000, "{shared} shared a failure, {given_up} gave up");
}
