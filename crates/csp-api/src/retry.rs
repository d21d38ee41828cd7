//! When a failed attempt is worth another one, and how long to wait before it.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::budget::{Hold, Host};
use super::deadline::Deadline;
use super::error::{Error, Operation};
use super::observer::Observer;

#[cfg(test)]
mod tests;

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
    /// Whether this caller has sent nothing: another one's failure is shared, or the service wants to be left alone.
    pub(super) is_unsent: bool,
}

/// Waits until the service may be asked about `subject` again. What it asked another call for, this one waits for within
/// its own time.
///
/// # Errors
/// At once, when that leaves less than a quarter of its time for the request.
pub(super) async fn heed(
    host: &Host,
    subject: &str,
    observer: &dyn Observer,
    operation: Operation,
    deadline: &Deadline,
) -> Result<(), CallError> {
    while let Some(hold) = host.held(subject) {
        let now = Instant::now();
        // Nothing but the service is waited for, so the call begins here.
        deadline.begin(now);
        if hold.until - now + deadline.length() / 4 > deadline.left() {
            return Err(held(operation, hold, now));
        }
        tokio::time::sleep_until(hold.until).await;
        observer.throttle_wait(now.elapsed());
    }
    Ok(())
}

/// The failure of a call that the service does not want.
fn held(operation: Operation, hold: Hold, now: Instant) -> CallError {
    let detail = format!("the service asked for {} without a request (Retry-After)", words(hold.until - now));
    let error = Error::new(operation, hold.reason, detail).hint(HELD);
    CallError { error, by_deadline: false, is_unsent: true }
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
    /// While the service wants to be left alone about `subject`; [`heed`] waits for the end of that.
    pub(super) fn new(
        host: &'a Host,
        subject: String,
        observer: &'a dyn Observer,
        operation: Operation,
        deadline: &'a Deadline,
        limit: u32,
    ) -> Result<Self, CallError> {
        if let Some(hold) = host.held(&subject) {
            let now = Instant::now();
            // Without a request the call begins, and ends, here.
            deadline.begin(now);
            return Err(held(operation, hold, now));
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
            Retry::Never => return Err(CallError { error, by_deadline: false, is_unsent: false }),
            Retry::OutOfTime | Retry::Renew | Retry::Reauthorize => {
                let by_deadline = left.is_zero() || retry == Retry::OutOfTime;
                return Err(CallError { error, by_deadline, is_unsent: false });
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
                        let hold = Hold { until: Instant::now() + asked.min(left), reason: error.reason };
                        self.host.hold(self.subject.clone(), hold);
                        let separator = if error.detail.is_empty() { "" } else { "; " };
                        let asked = words(asked);
                        error.detail =
                            format!("{}{separator}it asked for {asked} without a request (Retry-After)", error.detail);
                        error.hint.get_or_insert(HELD.into());
                    }
                    // What one is asked to wait for, another who wants the same is asked, too.
                    let by_deadline = self.made < self.limit && asked.is_none();
                    return Err(CallError { error, by_deadline, is_unsent: false });
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
