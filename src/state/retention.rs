//! How long the state of an organization is kept that the configuration does not have any more.

use std::time::Duration;

use invitations::Millis;

use crate::clock::{Reading, Steady};

/// How long an organization may stay away from the configuration and continue.
const MAX_AWAY: Duration = Duration::from_secs(24 * 3600);

/// Whether the configuration has an organization, and since when it has not.
///
/// Ages are distances on the clock that only goes forward: a wall clock that is set two days ahead drops nobody. Only
/// what another process wrote down is by the wall clock, and is put in its place on the steady one when it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Retention {
    away_since: Option<Steady>,
    dropped: bool,
}

/// What a look into the configuration changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// It went away or came back.
    Moved,
    /// It was away for too long and begins anew if it comes back.
    Dropped,
}

impl Retention {
    /// What a file says that is read at `now`. A moment that is still to come is no age: it counts as now.
    pub(super) fn stored(away_since: Option<Millis>, now: Reading) -> Self {
        Self { away_since: away_since.map(|since| now.steady_at(since)), dropped: false }
    }

    /// The configuration has it, or not, at `now`; if that is news it has been away since `gone_since`.
    pub(super) fn keep(&mut self, is_kept: bool, gone_since: Steady, now: Steady) -> Change {
        let before = self.away_since;
        let away_since = before.or((!is_kept).then_some(gone_since));
        if away_since.is_some_and(|since| now.since(since) > MAX_AWAY) {
            self.dropped = true;
            return Change::Dropped;
        }
        self.away_since = if is_kept { None } else { away_since };
        if self.away_since == before { Change::None } else { Change::Moved }
    }

    /// Since when the configuration does not have it, for a file.
    pub(super) fn away_since(&self, now: Reading) -> Option<Millis> {
        self.away_since.map(|since| now.wall_at(since))
    }

    /// Whether it was away for too long: it is nobody's any more.
    pub(super) fn is_dropped(&self) -> bool {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = Millis::DAY;

    #[test]
    fn a_day_away_is_forgiven_and_a_moment_more_is_not() {
        for (away, change) in [(DAY, Change::Moved), (DAY + 1, Change::Dropped)] {
            let mut retention = Retention::default();
            assert_eq!(retention.keep(true, Steady(5), Steady(5)), Change::None);
            assert_eq!(retention.keep(false, Steady(10), Steady(10)), Change::Moved);
            assert_eq!(retention.keep(true, Steady(10 + away), Steady(10 + away)), change, "{away}");
        }
    }

    #[test]
    fn what_was_stored_survives_a_clock_that_was_set() {
        let now = Reading { wall: Millis(100 * DAY), steady: Steady(3 * DAY) };
        let mut yesterday = Retention::stored(Some(Millis(99 * DAY - 1)), now);
        assert_eq!(yesterday.keep(true, now.steady, now.steady), Change::Dropped);
        let mut to_come = Retention::stored(Some(Millis(200 * DAY)), now);
        assert_eq!(to_come.away_since(now), Some(now.wall));
        assert_eq!(to_come.keep(true, now.steady, now.steady), Change::Moved);
    }
}
