//! The time that phases count in.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Time since the epoch, read once and then counted by a clock that nobody sets: a wall clock that is corrected moves no
/// poll. After a restart it is read again, so that the phases are the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timetable {
    anchor: Instant,
    time: Duration,
}

impl Timetable {
    /// Counts from now on.
    pub(super) fn start() -> Self {
        // A clock from before 1970 gives phases, too.
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { anchor: Instant::now(), time }
    }

    /// Counts from now on, as if it were `time`.
    #[cfg(test)]
    pub(super) fn starting_at(time: Duration) -> Self {
        Self { anchor: Instant::now(), time }
    }

    /// The time since the epoch at `instant`, which is not before the start.
    pub(super) fn time_of(self, instant: Instant) -> Duration {
        self.time + instant.saturating_duration_since(self.anchor)
    }

    /// When it is `time`. What is past is the start.
    pub(super) fn instant_of(self, time: Duration) -> Instant {
        self.anchor + time.saturating_sub(self.time)
    }

    /// The time since the epoch now.
    pub(super) fn now(self) -> Duration {
        self.time_of(Instant::now())
    }
}
