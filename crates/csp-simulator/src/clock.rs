//! Two clocks at once: the simulated one, in which things happen, and the real one, in which they are reported.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

/// Where simulated time starts, in its own milliseconds: the same in each run, so that a seed alone decides what
/// has happened by then, and late enough that nothing reaches back before zero.
const START: i64 = 1_000_000_000_000;

/// One day in milliseconds.
pub(super) const DAY: i64 = 24 * HOUR;
/// One hour in milliseconds.
pub(super) const HOUR: i64 = 3600 * 1000;

/// Simulated time, `speed` times as fast as the real one.
#[derive(Debug)]
pub(super) struct Clock {
    /// In milliseconds since the Unix epoch.
    started: i64,
    speed: f64,
    skipped: AtomicI64,
}

/// One moment, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// In simulated milliseconds.
    pub(super) simulated: i64,
    /// In milliseconds since the Unix epoch.
    pub(super) real: i64,
}

impl Clock {
    /// A clock that starts at `started`, in milliseconds since the Unix epoch.
    pub(super) fn new(started: i64, speed: f64) -> Self {
        Self { started, speed, skipped: AtomicI64::new(0) }
    }

    /// Jumps ahead in simulated time.
    pub(super) fn skip(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 4);
        self.skipped.fetch_add(by, Ordering::SeqCst);
    }

    /// The moment that is `real`, in milliseconds since the Unix epoch, on the real clock.
    #[expect(clippy::cast_possible_truncation, reason = "float casts saturate")]
    pub(super) fn at(&self, real: i64) -> Moment {
        let elapsed = real.saturating_sub(self.started).max(0);
        // Real time exactly: at speed 1 each report of a record shows the very same time.
        let ahead = elapsed.saturating_add((elapsed as f64 * (self.speed - 1.0)) as i64);
        let simulated = START.saturating_add(ahead).saturating_add(self.skipped.load(Ordering::SeqCst));
        Moment { simulated, real }
    }

    /// This moment.
    pub(super) fn now(&self) -> Moment {
        self.at(Timestamp::now().as_millisecond())
    }

    /// When the simulator was started, in milliseconds since the Unix epoch.
    pub(super) fn started(&self) -> i64 {
        self.started
    }
}

impl Moment {
    /// A simulated time as it is reported at this moment: as long ago on the real clock as it is on the simulated one.
    pub(super) fn report(self, simulated: i64) -> i64 {
        simulated - self.simulated + self.real
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTED: i64 = 1_790_000_000_000;

    #[test]
    fn the_shift_keeps_durations_and_lets_ages_grow_with_the_speed() {
        let clock = Clock::new(STARTED, 60.0);
        let (generated, redeemed) = (START - 5000, START - 2000);
        let first = clock.at(STARTED);
        let later = clock.at(STARTED + 1000);
        for moment in [first, later] {
            assert_eq!(moment.report(redeemed) - moment.report(generated), 3000);
            assert_eq!(moment.report(moment.simulated), moment.real);
        }
        let age = |moment: Moment| moment.real - moment.report(generated);
        assert_eq!(age(later) - age(first), 60_000);
    }

    #[test]
    fn at_real_speed_each_report_of_a_record_shows_the_same_time() {
        let clock = Clock::new(STARTED, 1.0);
        let at = |millis| clock.at(STARTED + millis).report(START + 17);
        assert_eq!(at(0), at(123_456_789));
    }

    #[test]
    fn at_speed_zero_only_skips_move_simulated_time() {
        let clock = Clock::new(STARTED, 0.0);
        assert_eq!(clock.at(STARTED + 5000).simulated, START);
        clock.skip(Duration::from_secs(9));
        assert_eq!(clock.at(STARTED + 5000).simulated, START + 9000);
    }
}
