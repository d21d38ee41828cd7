//! A clock that only goes forward, beside the one on the wall.
//!
//! The wall clock says *when*: people and Prometheus ask for that. It may be set back or forward at any moment, so
//! it never says *how long ago*: an age that decides something is the distance of two [`Steady`] moments.

use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

use invitations::Millis;

/// What the wall clock says now.
pub(crate) fn now() -> Millis {
    SystemTime::now().into()
}

/// A moment of the clock that only goes forward, in milliseconds since the machine was started.
///
/// It is `CLOCK_BOOTTIME`, not the clock behind [`std::time::Instant`]: that one stands still while the machine is
/// suspended, and data that was good before a night's sleep would be taken for fresh after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Steady(pub i64);

impl Steady {
    /// This moment.
    #[must_use]
    pub(crate) fn now() -> Self {
        let now = clock_gettime(ClockId::Boottime);
        Self(now.tv_sec.saturating_mul(1000).saturating_add(now.tv_nsec / 1_000_000))
    }

    /// How long ago `earlier` was. None at all where it is later: two threads read the clock in any order.
    #[must_use]
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The moment that is so much later.
    #[must_use]
    pub(crate) fn after(self, distance: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(distance.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// Both clocks, read at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// What the wall clock says.
    pub wall: Millis,
    /// The moment that does not change its place when the wall clock is set.
    pub steady: Steady,
}

impl Reading {
    /// Both clocks now.
    #[must_use]
    pub(crate) fn now() -> Self {
        Self { wall: now(), steady: Steady::now() }
    }

    /// When `moment` was, or will be, by the wall clock as it goes now.
    #[must_use]
    pub(crate) fn wall_at(self, moment: Steady) -> Millis {
        Millis(self.wall.0.saturating_add(moment.0.saturating_sub(self.steady.0)))
    }

    /// The moment at which the wall clock, as it goes now, stood at `wall`. A time that is still to come is no age: it
    /// counts as now.
    #[must_use]
    pub(crate) fn steady_at(self, wall: Millis) -> Steady {
        Steady(self.steady.0.saturating_sub(self.wall.since(wall).max(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steady_clock_goes_on() {
        let before = Steady::now();
        assert!(before.0 > 0 && Steady::now() >= before);
        assert_eq!(before.since(before.after(Duration::from_secs(1))), Duration::ZERO);
        assert_eq!(before.after(Duration::from_secs(2)).since(before), Duration::from_secs(2));
        assert_eq!(before.after(Duration::MAX), Steady(i64::MAX));
    }

    #[test]
    fn moments_keep_their_distance_when_the_wall_clock_is_set() {
        let poll = Reading { wall: Millis(1_000_000), steady: Steady(5_000) };
        let a_day_back = Reading { wall: Millis(1_060_000 - Millis::DAY), steady: Steady(65_000) };
        assert_eq!(a_day_back.wall.since(a_day_back.wall_at(poll.steady)), 60_000);
    }
}
