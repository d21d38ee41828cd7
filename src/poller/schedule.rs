//! When to poll. Pure.

use std::time::Duration;

/// First polls start spread over this long at the most.
const FIRST_POLLS: Duration = Duration::from_secs(10);
/// From this many failed polls in a row on, the pause doubles.
const PATIENCE: u32 = 5;
/// Longest pause, in intervals.
const LONGEST: u32 = 4;

/// How long after the start the first poll of organization `place` of `count` begins: spread evenly over
/// the shorter of its interval and ten seconds.
#[must_use]
pub fn first_delay(interval: Duration, place: usize, count: usize) -> Duration {
    let spread = interval.min(FIRST_POLLS);
    spread.mul_f64(place as f64 / count.max(1) as f64)
}

/// Time from the start of one poll to the start of the next.
///
/// The interval; from five failed polls in a row on twice as long with each
/// further one, up to four intervals.
#[must_use]
pub fn pause(interval: Duration, consecutive_failures: u32) -> Duration {
    let doublings = (consecutive_failures + 1).saturating_sub(PATIENCE).min(LONGEST.ilog2());
    interval.saturating_mul(1 << doublings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_from_five_failures_on_up_to_four_intervals() {
        let minute = Duration::from_secs(60);
        let pauses: Vec<u64> = (0..9).map(|failures| pause(minute, failures).as_secs() / 60).collect();
        assert_eq!(pauses, [1, 1, 1, 1, 1, 2, 4, 4, 4]);
        assert_eq!(pause(minute, u32::MAX - 1), 4 * minute);
    }

    #[test]
    fn first_polls_are_spread_over_the_shorter_of_interval_and_ten_seconds() {
        let delays: Vec<u64> = (0..4)
            .map(|place| u64::try_from(first_delay(Duration::from_secs(300), place, 4).as_millis()).unwrap())
            .collect();
        assert_eq!(delays, [0, 2500, 5000, 7500]);
        assert_eq!(first_delay(Duration::from_secs(2), 1, 2), Duration::from_secs(1));
        assert_eq!(first_delay(Duration::from_secs(2), 0, 1), Duration::ZERO);
    }
}
