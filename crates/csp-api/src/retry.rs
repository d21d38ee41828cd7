//! When a failed attempt is worth another one, and how long to wait before it.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::budget::Host;
use super::deadline::Deadline;
use super::error::{Error, Operation, Reason};
use super::observer::Observer;

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) retry: Retry,
}

/// What follows from a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// It would fail again.
    Never,
    /// It may pass: server errors, cut connections, timeouts.
    BackOff,
    /// The service asked to slow down, perhaps for this long.
    SlowDown(Option<Duration>),
    /// This caller's time is up.
    OutOfTime,
    /// The access token was refused; a new one may pass. Once, beside the limit of attempts.
    Reauthorize,
    /// The access token ran out before anything was sent.
    Renew,
}

/// A failed call.
#[derive(Debug, Clone)]
pub(super) struct CallError {
    pub(super) error: Error,
    /// Whether this caller's deadline ended it, so that another caller may still succeed.
    pub(super) by_deadline: bool,
}

/// The first back-off is drawn from zero to this; it doubles with each attempt.
const BASE: Duration = Duration::from_secs(1);
/// No back-off is longer.
const CAP: Duration = Duration::from_secs(15);
/// One refused organization holds the others back for no longer than this: a service that asks one of them for hours may
/// mean that one alone. Each of the others is told by its own answer.
const MAX_SHARED_PAUSE: Duration = Duration::from_secs(60);
/// How often a call takes another token because the last one ran out unused. More of them mean tokens that
/// live shorter than an exchange takes, and nothing but exchanges would ever be sent.
const MAX_RENEWALS: u32 = 4;

/// The attempts of one call.
pub(super) struct Attempts<'a> {
    host: &'a Host,
    /// What the call is about, for a service that wants to be left alone about it.
    subject: String,
    observer: &'a dyn Observer,
    operation: Operation,
    deadline: &'a Deadline,
    base: Duration,
    made: u32,
    limit: u32,
    reauthorized: bool,
    renewals: u32,
}

impl<'a> Attempts<'a> {
    /// # Errors
    /// While the service wants to be left alone about `subject`.
    pub(super) fn new(
        host: &'a Host,
        subject: String,
        observer: &'a dyn Observer,
        operation: Operation,
        deadline: &'a Deadline,
        limit: u32,
    ) -> Result<Self, CallError> {
        if let Some(until) = host.held(&subject) {
            let now = Instant::now();
            // Without a request the call begins, and ends, here.
            deadline.begin(now);
            let detail = format!("the service asked for {} without a request (Retry-After)", words(until - now));
            let error = Error::new(operation, Reason::RateLimited, detail).hint(HELD);
            return Err(CallError { error, by_deadline: false });
        }
        let base = BASE.min(deadline.left() / 10);
        Ok(Self {
            host,
            subject,
            observer,
            operation,
            deadline,
            base,
            made: 0,
            limit,
            reauthorized: false,
            renewals: 0,
        })
    }

    /// Waits until the next attempt may be made.
    ///
    /// # Errors
    /// Gives the failure back when there is to be no other attempt.
    pub(super) async fn after(&mut self, failure: Failure) -> Result<(), CallError> {
        let Failure { mut error, retry } = failure;
        let left = self.deadline.left();
        match retry {
            Retry::Renew if !left.is_zero() && self.renewals < MAX_RENEWALS => {
                self.renewals += 1;
                return Ok(());
            }
            Retry::Reauthorize if !self.reauthorized && !left.is_zero() => self.reauthorized = true,
            // What would fail again fails for everybody, however little time this caller had.
            Retry::Never => return Err(CallError { error, by_deadline: false }),
            Retry::OutOfTime | Retry::Renew | Retry::Reauthorize => {
                return Err(CallError { error, by_deadline: left.is_zero() || retry == Retry::OutOfTime });
            }
            Retry::BackOff | Retry::SlowDown(_) => {
                self.made += 1;
                let back_off = jittered(self.base, self.made, left);
                let delay = match retry {
                    // A wait of nothing, or until a date that is over, is no leave to hurry.
                    Retry::SlowDown(Some(asked)) => asked.max(back_off),
                    _ => back_off,
                };
                if matches!(retry, Retry::SlowDown(_)) {
                    self.host.pause(shared_pause(delay, left));
                }
                if self.made >= self.limit || delay >= left {
                    let asked =
                        if let Retry::SlowDown(asked) = retry { asked.filter(|asked| !asked.is_zero()) } else { None };
                    if let Some(asked) = asked {
                        // No reload shortens it. No wait outlives the time that the poll had: a header of some box on the way
                        // could else blind an organization for days. The next poll asks again, and once: it is told again.
                        self.host.hold(self.subject.clone(), Instant::now() + asked.min(left));
                        let separator = if error.detail.is_empty() { "" } else { "; " };
                        let asked = words(asked);
                        error.detail =
                            format!("{}{separator}it asked for {asked} without a request (Retry-After)", error.detail);
                        error.hint.get_or_insert(HELD.into());
                    }
                    // What one is asked to wait for, another who wants the same is asked, too.
                    return Err(CallError { error, by_deadline: self.made < self.limit && asked.is_none() });
                }
                if matches!(retry, Retry::SlowDown(_)) {
                    // Not to be cut short: the service asked for it.
                    tokio::time::sleep(delay).await;
                    self.observer.throttle_wait(delay);
                } else {
                    self.host.back_off(delay).await;
                }
            }
        }
        self.observer.retry(self.operation);
        Ok(())
    }
}

/// Full jitter: anything from nothing to the doubled base, but always leaving half of the time that is left.
fn jittered(base: Duration, made: u32, left: Duration) -> Duration {
    let most = base.saturating_mul(1 << made.saturating_sub(1).min(16)).min(CAP).min(left / 2);
    most.mul_f64(rand::random_range(0.0..=1.0))
}

/// How long the other callers hold back. A wait that the asking poll can make is shared whole (up to a
/// minute). One that it cannot make ends that poll at once; the others then hold back for half of the
/// time that it had left, so that one organization that is always refused slows the others down without
/// stopping them.
fn shared_pause(asked: Duration, left: Duration) -> Duration {
    if asked < left { asked.min(MAX_SHARED_PAUSE) } else { (left / 2).min(MAX_SHARED_PAUSE) }
}

/// What to do about a service that wants to be left alone.
const HELD: &str = "nothing: the next poll asks again; look for other clients that share the limit";

/// A time as people say it: `90s`, `2h`, `1h 30m`.
fn words(time: Duration) -> String {
    let seconds = time.as_millis().div_ceil(1000);
    let parts = [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if parts.is_empty() { "no time".to_owned() } else { parts.join(" ") }
}

/// Reads `Retry-After`: seconds, or an HTTP date (RFC 9110, section 10.2.3), which counts from `now`, the date of the
/// answer. A date that has passed is no wait.
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::from(u32::MAX))));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use std::sync::Arc;

    use super::*;
    use crate::budget::Budget;
    use crate::observer::NoObserver;

    fn failure(retry: Retry) -> Failure {
        Failure { error: Error::new(Operation::Invitations, Reason::ServerError, ""), retry }
    }

    fn host() -> Arc<Host> {
        Budget::new(None, 8).host(&"http://localhost".parse().unwrap())
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
        let budget = Budget::new(None, 8);
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
            assert_eq!((reason, is_begun), (Reason::RateLimited, true));
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
            assert_eq!(host.held("subject"), None);
        }
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
        for (retry, whole) in [
            (Retry::SlowDown(Some(Duration::from_secs(7))), true),
            (Retry::SlowDown(None), true),
            (Retry::BackOff, false),
        ] {
            let budget = Arc::new(Budget::new(None, 8));
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
}
