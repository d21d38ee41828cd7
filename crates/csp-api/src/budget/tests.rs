//! Who waits for whom, on a clock that stands still.

mod hosts;
mod order;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::host::Turn;
use super::*;
use crate::deadline::Deadline;
use crate::observer::{NoObserver, Observer};

const HOUR: Duration = Duration::from_hours(1);
const SECOND: Duration = Duration::from_secs(1);

fn host(requests_per_second: Option<f64>, max_concurrent: usize) -> (Budget, Arc<Host>) {
    let budget = Budget::new(requests_per_second, max_concurrent, HashSet::new());
    let host = budget.host(&url("https://one"));
    (budget, host)
}

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

fn poll() -> Deadline {
    Deadline::of_poll(HOUR)
}

/// A poll that has `left` to go on.
fn begun(left: Duration) -> Deadline {
    let deadline = Deadline::of_poll(left);
    deadline.begin(Instant::now());
    deadline
}

async fn turn(host: &Arc<Host>, deadline: &Deadline) -> Result<Turn, Denied> {
    host.turn(deadline, &NoObserver).await.map(|(turn, _)| turn)
}

/// Waits for a turn in a task of its own, and gives it back at once; notes the name when it had it.
fn queue(
    host: &Arc<Host>,
    order: &Arc<Mutex<Vec<&'static str>>>,
    name: &'static str,
    deadline: Deadline,
) -> JoinHandle<()> {
    let (host, order) = (Arc::clone(host), Arc::clone(order));
    tokio::spawn(async move {
        turn(&host, &deadline).await.unwrap();
        order.lock().push(name);
    })
}

#[tokio::test(start_paused = true)]
async fn requests_start_evenly_without_a_burst() {
    let (_budget, host) = host(Some(10.0), 100);
    let start = Instant::now();
    for expected in [0, 100, 200, 300] {
        drop(turn(&host, &poll()).await.unwrap());
        let off = start.elapsed().abs_diff(Duration::from_millis(expected));
        assert!(off <= Duration::from_millis(5), "{:?} instead of {expected} ms", start.elapsed());
    }
    sleep(HOUR).await;
    let start = Instant::now();
    for _ in 0..3 {
        drop(turn(&host, &poll()).await.unwrap());
    }
    assert!(start.elapsed() >= Duration::from_millis(190), "nothing is saved up: {:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_fast_rate_is_kept_though_timers_are_coarse() {
    let (_budget, host) = host(Some(800.0), 100);
    let start = Instant::now();
    for _ in 0..=4000 {
        drop(turn(&host, &poll()).await.unwrap());
    }
    let seconds = start.elapsed().as_secs_f64();
    assert!((4.9..5.3).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn no_rate_means_no_wait() {
    let (_budget, host) = host(None, 1);
    let start = Instant::now();
    for _ in 0..1000 {
        drop(turn(&host, &poll()).await.unwrap());
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_place_is_taken_until_it_is_dropped() {
    let (_budget, host) = host(None, 1);
    let place = turn(&host, &poll()).await.unwrap();
    assert_eq!(turn(&host, &begun(SECOND)).await.unwrap_err(), Denied::Deadline);
    drop(place);
    assert!(turn(&host, &begun(SECOND)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn nobody_is_let_in_after_the_deadline() {
    let (_budget, host) = host(None, 1);
    let deadline = begun(SECOND);
    sleep(SECOND).await;
    assert_eq!(turn(&host, &deadline).await.unwrap_err(), Denied::Deadline);
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_has_not_begun_waits_for_as_long_as_it_takes_and_begins_with_its_turn() {
    let (_budget, host) = host(None, 1);
    let place = turn(&host, &poll()).await.unwrap();
    let deadline = Deadline::of_poll(SECOND);
    let waiting = tokio::spawn({
        let (host, deadline) = (Arc::clone(&host), deadline.clone());
        async move { host.turn(&deadline, &NoObserver).await.map(|(_, at)| at) }
    });
    sleep(HOUR).await;
    assert_eq!(deadline.begun(), None);
    drop(place);
    let at = waiting.await.unwrap().unwrap();
    assert_eq!((deadline.begun(), at), (Some(Instant::now()), Instant::now() + SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_everybody_back_and_no_reload_ends_it() {
    let (budget, host) = host(None, 8);
    let start = Instant::now();
    host.pause(5 * SECOND);
    budget.resume();
    drop(turn(&host, &poll()).await.unwrap());
    assert_eq!(start.elapsed(), 5 * SECOND);

    host.pause(50 * SECOND);
    assert_eq!(turn(&host, &begun(9 * SECOND)).await.unwrap_err(), Denied::Paused);
    assert_eq!(start.elapsed(), 5 * SECOND, "what cannot be waited for is said at once");
    let waiting = tokio::spawn({
        let host = Arc::clone(&host);
        async move { drop(turn(&host, &begun(HOUR)).await.unwrap()) }
    });
    sleep(SECOND).await;
    budget.resume();
    budget.set_limits(Some(5.0), 3, HashSet::new());
    waiting.await.unwrap();
    assert_eq!(start.elapsed(), 55 * SECOND, "nor do other limits");
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_begins_while_there_is_no_place_holds_back_too() {
    let (_budget, host) = host(None, 1);
    let start = Instant::now();
    let place = turn(&host, &poll()).await.unwrap();
    let order = Arc::default();
    let waiting = queue(&host, &order, "poll", poll());
    sleep(SECOND).await;
    host.pause(5 * SECOND);
    drop(place);
    waiting.await.unwrap();
    assert_eq!(start.elapsed(), 6 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_back_off_ends_with_its_time_or_with_a_reload() {
    let (budget, host) = host(None, 8);
    let start = Instant::now();
    host.back_off(SECOND).await;
    assert_eq!(start.elapsed(), SECOND);
    let waiting = tokio::spawn(async move { host.back_off(HOUR).await });
    sleep(SECOND).await;
    budget.resume();
    waiting.await.unwrap();
    assert_eq!(start.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn what_is_waited_is_told() {
    #[derive(Default)]
    struct Waited(Mutex<Duration>);

    impl Observer for Waited {
        fn throttle_wait(&self, waited: Duration) {
            *self.0.lock() += waited;
        }
    }

    let (_budget, host) = host(Some(0.1), 1);
    let waited = Waited::default();
    for _ in 0..3 {
        host.turn(&poll(), &waited).await.unwrap();
    }
    host.turn(&begun(3 * SECOND), &waited).await.unwrap_err();
    assert_eq!(waited.0.lock().as_secs(), 23);
}
