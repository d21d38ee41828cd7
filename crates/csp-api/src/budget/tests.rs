//! Who waits for whom, on a clock that stands still.

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
async fn begun_polls_go_before_first_requests_and_these_before_questions() {
    let (_budget, host) = host(Some(1.0), 8);
    drop(turn(&host, &poll()).await.unwrap());
    let order = Arc::default();
    let mut waiting = Vec::new();
    for (name, deadline) in [
        ("question", Deadline::of_question(HOUR)),
        ("first", poll()),
        ("second", poll()),
        ("begun", begun(HOUR)),
        ("third", poll()),
    ] {
        waiting.push(queue(&host, &order, name, deadline));
        tokio::task::yield_now().await;
    }
    // Comes in the middle, and goes before who waits.
    sleep(Duration::from_millis(1500)).await;
    waiting.push(queue(&host, &order, "late begun", begun(HOUR)));
    for task in waiting {
        task.await.unwrap();
    }
    assert_eq!(*order.lock(), ["begun", "late begun", "first", "second", "third", "question"]);
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_is_begun_anew_keeps_its_place() {
    let (_budget, host) = host(Some(1.0), 8);
    drop(turn(&host, &poll()).await.unwrap());
    let (order, deadlines) = (Arc::default(), [poll(), poll(), poll()]);
    let mut waiting = Vec::new();
    for (name, deadline) in ["first", "second", "third"].into_iter().zip(&deadlines) {
        waiting.push(queue(&host, &order, name, deadline.clone()));
        tokio::task::yield_now().await;
    }
    for place in [1, 0] {
        waiting[place].abort();
        waiting[place] = queue(&host, &order, ["first again", "second again"][place], deadlines[place].clone());
        tokio::task::yield_now().await;
    }
    for task in waiting {
        task.await.unwrap();
    }
    assert_eq!(*order.lock(), ["first again", "second again", "third"]);
}

#[tokio::test(start_paused = true)]
async fn requests_that_go_by_one_deadline_all_get_their_turn() {
    let (_budget, host) = host(Some(1.0), 8);
    drop(turn(&host, &poll()).await.unwrap());
    let (order, deadline) = (Arc::default(), poll());
    let mut waiting = Vec::new();
    for name in ["first", "second", "third"] {
        waiting.push(queue(&host, &order, name, deadline.clone()));
        tokio::task::yield_now().await;
    }
    for task in waiting {
        task.await.unwrap();
    }
    assert_eq!(*order.lock(), ["first", "second", "third"]);
}

#[tokio::test(start_paused = true)]
async fn a_poll_goes_before_a_question_that_came_long_before() {
    let (_budget, host) = host(Some(0.01), 8);
    drop(turn(&host, &poll()).await.unwrap());
    let order = Arc::default();
    let question = queue(&host, &order, "question", Deadline::of_question(HOUR));
    sleep(99 * SECOND).await;
    let poll = queue(&host, &order, "poll", poll());
    poll.await.unwrap();
    question.await.unwrap();
    assert_eq!(*order.lock(), ["poll", "question"]);
}

#[tokio::test(start_paused = true)]
async fn questions_go_one_at_a_time_so_that_a_poll_finds_a_place() {
    let (_budget, host) = host(None, 2);
    let question = turn(&host, &Deadline::of_question(HOUR)).await.unwrap();
    let order = Arc::default();
    let other = queue(&host, &order, "other question", Deadline::of_question(HOUR));
    tokio::task::yield_now().await;
    let start = Instant::now();
    drop(turn(&host, &poll()).await.unwrap());
    assert_eq!(start.elapsed(), Duration::ZERO);
    sleep(SECOND).await;
    assert!(order.lock().is_empty());
    drop(question);
    other.await.unwrap();
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
async fn a_host_that_pauses_or_is_slow_holds_no_other_back() {
    let (budget, one) = host(Some(0.001), 1);
    let other = budget.host(&url("https://other"));
    let start = Instant::now();
    drop(turn(&one, &poll()).await.unwrap());
    let order = Arc::default();
    let _waiting: Vec<_> = (0..20).map(|_| queue(&one, &order, "slow", poll())).collect();
    let port = budget.host(&url("https://one:8443"));
    port.pause(HOUR);
    sleep(SECOND).await;
    drop(turn(&other, &poll()).await.unwrap());
    assert_eq!(start.elapsed(), SECOND);
    assert!(Arc::ptr_eq(&one, &budget.host(&url("https://one:443/with/a/path"))));
}

#[tokio::test(start_paused = true)]
async fn hosts_share_the_places() {
    let (budget, one) = host(None, 1);
    let other = budget.host(&url("https://other"));
    let place = turn(&one, &poll()).await.unwrap();
    assert_eq!(turn(&other, &begun(SECOND)).await.unwrap_err(), Denied::Deadline);
    drop(place);
    assert!(turn(&other, &begun(SECOND)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_host_that_does_not_answer_leaves_a_place_to_each_other() {
    let urls = ["https://one", "https://other", "https://third", "https://fourth", "https://fifth"].map(url);
    let budget = Budget::new(None, 8, names(urls[..3].iter()));
    let [one, other, third, fourth, _] = urls.each_ref().map(|url| budget.host(url));
    // The first two hold whatever they get.
    let mut held = Vec::new();
    for host in [&one, &other] {
        while let Ok(turn) = turn(host, &begun(SECOND)).await {
            held.push(turn);
        }
    }
    assert_eq!(held.len(), 7, "one is left");
    let start = Instant::now();
    for _ in 0..100 {
        drop(turn(&third, &poll()).await.unwrap());
    }
    assert_eq!(start.elapsed(), Duration::ZERO, "one after the other, without waiting");
    let _place = turn(&third, &poll()).await.unwrap();
    assert_eq!(turn(&third, &begun(SECOND)).await.unwrap_err(), Denied::Deadline, "never more than 8 at once");

    // Another host in the place of one of them has one of its own, too, and that one then has none.
    budget.set_limits(None, 8, names(urls[1..4].iter()));
    sleep(SECOND).await;
    let mut held = Vec::new();
    for host in [&other, &one] {
        while let Ok(turn) = turn(host, &begun(SECOND)).await {
            held.push(turn);
        }
    }
    assert_eq!(held.len(), 6, "one is left to each of the two others");
    let _place = turn(&fourth, &begun(SECOND)).await.unwrap();
    assert!(turn(&third, &begun(SECOND)).await.is_ok());

    // Without places enough for that, and alone, nobody has one of its own.
    for (places, hosts) in [(3, 3), (2, 5), (1, 2), (4, 1)] {
        budget.set_limits(None, places, names(urls[..hosts].iter()));
        // Whoever serves a queue learns of it.
        sleep(SECOND).await;
        let mut held = Vec::new();
        while let Ok(turn) = turn(&one, &begun(SECOND)).await {
            held.push(turn);
        }
        assert_eq!(held.len(), places);
    }
}

#[tokio::test(start_paused = true)]
async fn other_limits_hold_at_once_and_who_waits_keeps_its_place() {
    let (budget, host) = host(Some(0.001), 1);
    drop(turn(&host, &poll()).await.unwrap());
    let order = Arc::default();
    let first = queue(&host, &order, "first", poll());
    sleep(SECOND).await;
    let second = queue(&host, &order, "second", poll());
    sleep(SECOND).await;
    let start = Instant::now();
    budget.set_limits(Some(1.0), 1, HashSet::new());
    second.await.unwrap();
    first.await.unwrap();
    assert_eq!(*order.lock(), ["first", "second"]);
    assert!(start.elapsed() <= 2 * SECOND, "{:?}", start.elapsed());

    let _place = turn(&host, &poll()).await.unwrap();
    let third = queue(&host, &order, "third", poll());
    sleep(SECOND).await;
    assert_eq!(order.lock().len(), 2, "the only place is taken");
    budget.set_limits(Some(1.0), 2, HashSet::new());
    third.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_costs_the_others_nothing() {
    let (_budget, host) = host(Some(1.0), 1);
    drop(turn(&host, &poll()).await.unwrap());
    let order = Arc::default();
    let gone: Vec<_> = (0..5).map(|_| queue(&host, &order, "gone", poll())).collect();
    tokio::task::yield_now().await;
    let waiting = queue(&host, &order, "waiting", poll());
    tokio::task::yield_now().await;
    gone.iter().for_each(JoinHandle::abort);
    let start = Instant::now();
    waiting.await.unwrap();
    assert!(start.elapsed() <= SECOND, "{:?}", start.elapsed());
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
