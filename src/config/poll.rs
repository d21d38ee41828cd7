//! `poll`: how often, how long, and with which expansions.

use std::time::Duration;

use exporter_toolkit::document::{Fields, Node, Wrong, boolean, positive_duration};

use super::Expand;

/// The shortest interval.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest default of `deadline`.
const LONGEST_DEADLINE: Duration = Duration::from_secs(240);

/// The settings that each organization's times come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    pub(super) interval: Duration,
    deadline: Option<Duration>,
    stale_after: Option<Duration>,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { interval: Duration::from_secs(300), deadline: None, stale_after: None }
    }
}

impl Schedule {
    /// The deadline of an organization with this interval.
    pub(super) fn deadline(&self, interval: Duration) -> Duration {
        self.deadline.unwrap_or_else(|| (interval * 4 / 5).min(LONGEST_DEADLINE))
    }

    /// The age at which an organization with this interval is withdrawn.
    pub(super) fn stale_after(&self, interval: Duration) -> Duration {
        self.stale_after.unwrap_or(interval * 4)
    }
}

pub(super) fn read(mut fields: Fields<'_, '_>) -> (Expand, Schedule) {
    let schedule = Schedule {
        interval: fields.or("interval", Schedule::default().interval, interval),
        deadline: fields.optional("deadline", positive_duration),
        stale_after: fields.optional("stale_after", positive_duration),
    };
    if schedule.deadline(schedule.interval) >= schedule.interval {
        fields.problem_at("deadline", "must be below poll.interval");
    }
    if schedule.stale_after(schedule.interval) < schedule.interval {
        fields.problem_at("stale_after", "must be at least poll.interval");
    }
    let expand =
        Expand { roles: fields.or("expand_roles", true, boolean), groups: fields.or("expand_groups", true, boolean) };
    fields.finish();
    (expand, schedule)
}

/// A time between two polls.
pub(super) fn interval(node: &Node) -> Result<Duration, Wrong> {
    let interval = positive_duration(node)?;
    if interval < SHORTEST { Err("must be at least 1s".into()) } else { Ok(interval) }
}
