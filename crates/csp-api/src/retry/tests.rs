//! Attempts, waits and what is held, on a clock that stands still.

use std::time::UNIX_EPOCH;

use std::sync::Arc;

use super::*;
use crate::budget::Budget;
use crate::error::Reason;
use crate::observer::NoObserver;

fn failure(retry: Retry) -> Failure {
    Failure { error: Error::new(Operation::Invitations, Reason::ServerError, ""), retry }
}

fn host() -> Arc<Host> {
    Budget::new(None, 8, std::collections::HashSet::new()).host(&"http://localhost".parse().unwrap())
}

fn deadline(left: Duration) -> Deadline {
    let deadline = Deadline::of_poll(left);
    deadline.begin(Instant::now());
    deadline
}

fn attempts<'a>(host: &'a Host, deadline: &'a Deadline, limit: u32) -> Attempts<'a> {
    Attempts::new(host, "subject".to_owned(), &NoObserver, Operation::Invitations, deadline, limit).unwrap()
}

#[test]
fn retry_after_is_read_as_seconds_and_as_a_date() {
    let now = UNIX_EPOCH + Duration::from_secs(784_111_777 - 30);
    assert_eq!(retry_after(" 7 ", now), Some(Duration::from_secs(7)));
    assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(30)));
    assert_eq!(retry_after("Sunday, 06-Nov-94 08:49:37 GMT", now), Some(Duration::from_secs(30)));
    assert_eq!(retry_after("Sun Nov  6 08:49:37 1994", now), Some(Duration::from_secs(30)));
    assert_eq!(retry_after("Sat, 06 Nov 1993 08:49:37 GMT", now), Some(Duration::ZERO));
    assert_eq!(retry_after("99999999999999999999999", now), Some(Duration::from_secs(u64::from(u32::MAX))));
    for senseless in ["", "soon", "-1", "1.5"] {
        assert_eq!(retry_after(senseless, now), None, "{senseless}");
    }
}

#[test]
fn the_back_off_grows_to_its_cap_and_leaves_time_for_an_attempt() {
    let longest = |made, left| (0..200).map(|_| jittered(BASE, made, left)).max().unwrap();
    assert!(longest(1, Duration::from_mins(4)) <= BASE);
    assert!(longest(3, Duration::from_mins(4)) > BASE);
    assert!(longest(9, Duration::from_mins(4)) <= CAP);
    assert!(longest(9, Duration::from_secs(2)) <= Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn no_more_attempts_are_made_than_allowed() {
    let host = host();
    let deadline = deadline(Duration::from_mins(4));
    let mut attempts = attempts(&host, &deadline, 3);
    assert!(attempts.after(failure(Retry::BackOff)).await.is_ok());
    assert!(attempts.after(failure(Retry::SlowDown(None))).await.is_ok());
    assert!(attempts.after(failure(Retry::BackOff)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn reauthorizing_happens_once_and_beside_the_limit() {
    let host = host();
    let deadline = deadline(Duration::from_mins(4));
    let mut attempts = attempts(&host, &deadline, 2);
    assert!(attempts.after(failure(Retry::Reauthorize)).await.is_ok());
    assert!(attempts.after(failure(Retry::BackOff)).await.is_ok());
    assert!(attempts.after(failure(Retry::Reauthorize)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn tokens_that_never_live_long_enough_end_the_call() {
    let host = host();
    let deadline = deadline(Duration::from_mins(4));
    let mut attempts = attempts(&host, &deadline, 3);
    for _ in 0..MAX_RENEWALS {
        assert!(attempts.after(failure(Retry::Renew)).await.is_ok());
    }
    assert!(attempts.after(failure(Retry::Renew)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_wait_past_the_deadline_fails_at_once() {
    let host = host();
    let start = Instant::now();
    let deadline = deadline(Duration::from_secs(10));
    let mut attempts = attempts(&host, &deadline, 3);
    let error = attempts.after(failure(Retry::SlowDown(Some(Duration::from_hours(1))))).await.unwrap_err();
    assert!(!error.by_deadline, "nobody else who wants the same could do better");
    assert!(error.error.detail.contains("1h without a request"), "{}", error.error);
    assert_eq!(start.elapsed(), Duration::ZERO);
    host.turn(&deadline, &NoObserver).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(5), "the others hold back for half of what was left");
}

#[tokio::test(start_paused = true)]
async fn what_the_service_asks_for_beyond_a_call_holds_for_others_until_the_calls_deadline() {
    let budget = Budget::new(None, 8, std::collections::HashSet::new());
    let host = budget.host(&"http://localhost".parse().unwrap());
    let begin = |subject: &str| {
        let deadline = Deadline::of_poll(Duration::from_secs(10));
        let attempts = Attempts::new(&host, subject.to_owned(), &NoObserver, Operation::Token, &deadline, 3);
        attempts.err().map(|failed| (failed.error.reason, failed.error.detail, deadline.begun().is_some()))
    };
    // Beyond the deadline, however far; and within it, where the last attempt is told so.
    for (asked, limit, held) in [(2 * 3600, 3, 240), (1000 * 3600, 3, 240), (90, 1, 90)] {
        let deadline = deadline(Duration::from_mins(4));
        let asked = Duration::from_secs(asked);
        attempts(&host, &deadline, limit).after(failure(Retry::SlowDown(Some(asked)))).await.unwrap_err();
        tokio::time::sleep(Duration::from_secs(held - 60)).await;
        budget.resume();
        let (reason, detail, is_begun) = begin("subject").expect("it is left alone");
        assert_eq!((reason, is_begun), (Reason::ServerError, true), "what it was refused with");
        assert!(detail.contains("1m without a request"), "{detail}");
        assert_eq!(begin("another"), None, "it was asked about one alone");
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(begin("subject"), None);
    }
    // A service that says no time, or one that is over, is obeyed by a back-off.
    let deadline = deadline(Duration::from_mins(4));
    for nothing in [None, Some(Duration::ZERO)] {
        let host = self::host();
        attempts(&host, &deadline, 1).after(failure(Retry::SlowDown(nothing))).await.unwrap_err();
        assert!(host.held("subject").is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_service_asked_another_one_for_is_waited_for_within_the_own_deadline() {
    let host = host();
    let hold = Hold { until: Instant::now() + Duration::from_secs(7), reason: Reason::ServerError };
    host.hold("subject".to_owned(), hold);
    let heed = async |subject: &str, length: u64| {
        let (start, deadline) = (Instant::now(), Deadline::of_poll(Duration::from_secs(length)));
        let outcome = heed(&host, subject, &NoObserver, Operation::Token, &deadline).await;
        (outcome.map_err(|call| call.error.reason), start.elapsed().as_secs(), deadline.left().as_secs())
    };
    assert_eq!(heed("another", 10).await, (Ok(()), 0, 10));
    // There would be no time left for a request.
    for beyond in [5, 7, 9] {
        assert_eq!(heed("subject", beyond).await, (Err(Reason::ServerError), 0, beyond));
    }
    assert_eq!(heed("subject", 10).await, (Ok(()), 7, 3));
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_waited_for_in_full() {
    let host = host();
    let start = Instant::now();
    let deadline = deadline(Duration::from_mins(4));
    let mut attempts = attempts(&host, &deadline, 3);
    attempts.after(failure(Retry::SlowDown(Some(Duration::from_secs(7))))).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(7));
}

/// How long 50 calls wait that are asked to slow down in this way, on average.
async fn average_wait(asked: Option<Duration>) -> Duration {
    let mut waited = Duration::ZERO;
    for _ in 0..50 {
        let host = host();
        let start = Instant::now();
        let deadline = deadline(Duration::from_mins(4));
        let mut attempts = attempts(&host, &deadline, 3);
        attempts.after(failure(Retry::SlowDown(asked))).await.unwrap();
        attempts.after(failure(Retry::SlowDown(asked))).await.unwrap();
        waited += start.elapsed();
    }
    waited / 50
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_of_nothing_is_no_shorter_than_the_back_off() {
    for asked in [None, Some(Duration::ZERO), Some(Duration::from_millis(1))] {
        let average = average_wait(asked).await;
        // Half of one second and half of two: 50 of them stay within a third of that but for one run in millions.
        assert!((1000..2000).contains(&average.as_millis()), "{asked:?}: {average:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reload_ends_a_back_off_but_no_pause_that_was_asked_for() {
    for (retry, whole) in
        [(Retry::SlowDown(Some(Duration::from_secs(7))), true), (Retry::SlowDown(None), true), (Retry::BackOff, false)]
    {
        let budget = Arc::new(Budget::new(None, 8, std::collections::HashSet::new()));
        let host = budget.host(&"http://localhost".parse().unwrap());
        let reloads = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move {
                loop {
                    budget.resume();
                    tokio::time::sleep(Duration::from_micros(1)).await;
                }
            }
        });
        let start = Instant::now();
        for _ in 0..20 {
            let deadline = deadline(Duration::from_mins(4));
            let mut attempts = attempts(&host, &deadline, 3);
            attempts.after(failure(retry)).await.unwrap();
        }
        reloads.abort();
        assert_eq!(start.elapsed() > Duration::from_secs(2), whole, "{retry:?}: {:?}", start.elapsed());
    }
}
