//! When to poll. Pure.

use std::time::Duration;

use crate::config::{Organization, OrganizationKey};

/// From this many failed polls in a row on, the gap doubles.
const PATIENCE: u32 = 5;
/// Longest gap, in intervals.
const LONGEST: u32 = 4;
/// The least time between two polls that reloads cause, when one of them has failed; it doubles with each further one.
const LEAST: Duration = Duration::from_secs(1);
/// Who waits for longer than this part of its interval waits in a crowd.
const CROWD: u32 = 60;
/// The golden ratio in 32 binary digits, four times: see [`Phase::of`].
const SPREAD: u128 = 0x9e37_79b9_9e37_79b9_9e37_79b9_9e37_79b9;

/// Where in its interval an organization is polled.
///
/// It comes from the organization's key alone, so that the load is even and the same after each restart, and an organization
/// that is added or removed moves no other. Times count from the epoch: that is what restarts have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Phase(u64);

impl Phase {
    /// The phase of an organization: its id, a number of 128 bits, times the golden ratio, of which the fraction counts
    /// (Fibonacci hashing). Random ids, as services give them, stay random. Ids that were counted up come out evenly
    /// spaced, wherever in the id the counter is. A group moves its entry to somewhere else.
    #[must_use]
    pub(crate) fn of(key: &OrganizationKey) -> Self {
        let (id, group) = key.as_str().split_once('/').unwrap_or((key.as_str(), ""));
        let digits = id.chars().filter_map(|digit| digit.to_digit(16));
        let number = digits.fold(0, |number: u128, digit| (number << 4) | u128::from(digit));
        let moved = match group {
            "" => 0,
            group => {
                let mut bytes = [0; 16];
                blake3::Hasher::new().update(group.as_bytes()).finalize_xof().fill(&mut bytes);
                u128::from_be_bytes(bytes)
            }
        };
        let [high @ .., _, _, _, _, _, _, _, _] = number.wrapping_add(moved).wrapping_mul(SPREAD).to_be_bytes();
        Self(u64::from_be_bytes(high))
    }

    /// The first moment after `after` that is at this phase of `interval`.
    #[must_use]
    pub(crate) fn next(self, interval: Duration, after: Duration) -> Duration {
        let interval = interval.as_nanos().max(1);
        let offset = (interval * u128::from(self.0)) >> 64;
        let after = after.as_nanos();
        let passed = (after + interval - offset) % interval;
        from_nanos(after + interval - passed)
    }

    /// The phase as a part of `whole`.
    #[must_use]
    pub(crate) fn part_of(self, whole: Duration) -> Duration {
        from_nanos((whole.as_nanos() * u128::from(self.0)) >> 64)
    }
}

/// Time from the start of one poll to the start of the next.
///
/// The interval; from five failed polls in a row on twice as long with each
/// further one, up to four intervals.
#[must_use]
pub(crate) fn gap(interval: Duration, consecutive_failures: u32) -> Duration {
    let doublings = (consecutive_failures + 1).saturating_sub(PATIENCE).min(LONGEST.ilog2());
    interval.saturating_mul(1 << doublings)
}

/// Time from the start of a failed poll to the next one that a reload may cause, after so many that reloads caused in a row.
///
/// None after a poll that was due: what was repaired is tried at once. But each poll that a reload has caused in vain
/// doubles it, up to the interval, so that a loop of reloads is no hammer, whatever the polls fail of: in an interval it
/// causes about as many polls as the interval in seconds has binary digits.
#[must_use]
pub(crate) fn least_gap(interval: Duration, hurried: u32) -> Duration {
    match hurried {
        0 => Duration::ZERO,
        _ => LEAST.saturating_mul(1 << (hurried - 1).min(31)).min(interval),
    }
}

/// Whether an organization whose first poll waited for others for so long is one of a crowd.
///
/// The first round of a crowd goes by the budget and not by phases: each of the crowd falls into its phase right after it,
/// so that the load is even from the end of the round on. Who found the budget free, and the list, has no reason to hurry,
/// and falls into its phase after its interval, if what it knows [outlasts] that.
#[must_use]
pub(crate) fn is_crowded(interval: Duration, waited: Duration) -> bool {
    waited > interval / CROWD
}

/// Whether what an organization's first poll has found is shown until a poll has ended that begins up to two intervals later.
#[must_use]
pub(crate) fn outlasts(organization: &Organization) -> bool {
    let Organization { interval, deadline, stale_after, .. } = organization;
    *stale_after >= interval.saturating_mul(2).saturating_add(*deadline)
}

/// When the poll after one that began at `begun` is due: at the organization's phase, so that the gap is at most
/// [`gap`], and shorter where the last poll was out of phase. One that is late is not made up for.
#[must_use]
pub(crate) fn next_poll(phase: Phase, interval: Duration, begun: Duration, consecutive_failures: u32) -> Duration {
    let skipped = gap(interval, consecutive_failures).saturating_sub(interval);
    phase.next(interval, begun).saturating_add(skipped)
}

fn from_nanos(nanos: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    let seconds = u64::try_from(nanos / SECOND).unwrap_or(u64::MAX);
    Duration::new(seconds, u32::try_from(nanos % SECOND).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn phase(id: &str) -> Phase {
        Phase::of(&OrganizationKey::new(id, None))
    }

    /// How many of these come in each of `parts` equal parts of an interval.
    fn spread(ids: impl Iterator<Item = String>, parts: u64) -> Vec<u32> {
        let mut counts = vec![0; usize::try_from(parts).unwrap()];
        for id in ids {
            counts[usize::try_from((u128::from(phase(&id).0) * u128::from(parts)) >> 64).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn the_gap_doubles_from_five_failures_on_up_to_four_intervals() {
        let gaps: Vec<u64> = (0..9).map(|failures| gap(MINUTE, failures).as_secs() / 60).collect();
        assert_eq!(gaps, [1, 1, 1, 1, 1, 2, 4, 4, 4]);
        assert_eq!(gap(MINUTE, u32::MAX - 1), 4 * MINUTE);
    }

    #[test]
    fn reloads_hurry_a_failing_organization_at_once_and_then_less_and_less() {
        let gaps: Vec<u64> = (0..10).map(|hurried| least_gap(MINUTE, hurried).as_secs()).collect();
        assert_eq!(gaps, [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(least_gap(MINUTE, u32::MAX), MINUTE);
    }

    #[test]
    fn phases_of_random_ids_are_spread_over_the_interval() {
        let random = |number: u32| {
            let hex = blake3::hash(&number.to_be_bytes()).to_hex();
            format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
        };
        let counts = spread((0..10_000).map(random), 10);
        assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
    }

    #[test]
    fn ids_that_were_counted_up_come_out_evenly_spaced() {
        for id in [
            |n: u32| format!("00000000-0000-4000-8000-{n:012}"),
            |n: u32| format!("{n:08x}-0000-4000-8000-000000000000"),
            |n: u32| format!("{n:08x}-0000-4000-8000-{n:012x}"),
            |n: u32| format!("0b0a6c5e-3f0e-4a8b-{n:04x}-2e3f40516273"),
        ] {
            let counts = spread((0..1000).map(id), 100);
            assert!(counts.iter().all(|count| (7..=13).contains(count)), "{}: {counts:?}", id(1));
        }
    }

    #[test]
    fn a_group_has_a_phase_of_its_own() {
        let id = "0b0a6c5e-3f0e-4a8b-9c1d-2e3f40516273";
        let of = |group| Phase::of(&OrganizationKey::new(id, group));
        assert_eq!(of(None), phase(&id.to_uppercase()));
        assert!(of(Some("a")) != of(None) && of(Some("a")) != of(Some("A")));
    }

    proptest! {
        #[test]
        fn the_next_moment_is_the_first_after_at_the_phase(
            phase in any::<u64>(), interval in 1_u64..100_000_000_000, after in any::<u64>()
        ) {
            let (phase, interval, after) = (Phase(phase), Duration::from_nanos(interval), Duration::from_nanos(after));
            let next = phase.next(interval, after);
            prop_assert!(after < next && next <= after + interval);
            prop_assert_eq!((next.as_nanos() - phase.part_of(interval).as_nanos()) % interval.as_nanos(), 0);
        }
    }

    #[test]
    fn a_crowd_is_where_the_first_poll_waits_for_a_notable_part_of_the_interval() {
        assert_eq!(
            [0, 1, 2, 60].map(|waited| is_crowded(MINUTE, Duration::from_secs(waited))),
            [false, false, true, true]
        );
    }

    #[test]
    fn a_failing_organization_falls_into_its_phase_too() {
        let phase = phase("1");
        let at = |minutes: u64| phase.part_of(MINUTE) + 1000 * MINUTE + Duration::from_secs(60 * minutes);
        let late = Duration::from_secs(7);
        let next = |failures| next_poll(phase, MINUTE, at(0) + late, failures);
        assert_eq!([0, 1, 4, 5, 6, 7].map(next), [1, 1, 1, 2, 4, 4].map(at));
        assert_eq!(next_poll(phase, MINUTE, at(0).abs_diff(late), 0), at(0), "a first poll falls into its phase");
        assert_eq!(next_poll(phase, MINUTE, at(3) + late, 0), at(4), "a late one is not made up for");
    }
}
