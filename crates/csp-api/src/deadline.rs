//! How long a call may take, and from when on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// The time that a call has, counted from the moment when its first request gets its turn in the budget.
///
/// What it waits before that, it waits for others: that is not its fault, and does not shorten its time. It also says
/// whom the call lets go first: questions go after polls, see [`Deadline::of_question`], and who has waited for longer goes
/// before who came later. So a poll that is begun anew, with the same deadline, keeps its place. Clones are one deadline.
#[derive(Debug, Clone)]
pub struct Deadline {
    length: Duration,
    is_question: bool,
    /// Goes up with each deadline.
    number: u64,
    begun: watch::Sender<Option<Instant>>,
}

impl Deadline {
    /// The deadline of a poll, and of whatever else somebody waits for.
    #[must_use]
    pub fn of_poll(length: Duration) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { length, is_question: false, number, begun: watch::Sender::new(None) }
    }

    /// The deadline of a question that no poll depends on: its requests take what polls leave of the budget.
    #[must_use]
    pub fn of_question(length: Duration) -> Self {
        Self { is_question: true, ..Self::of_poll(length) }
    }

    /// When the first request got its turn; `None` before.
    #[must_use]
    pub fn begun(&self) -> Option<Instant> {
        *self.begun.borrow()
    }

    /// When the time is up; `None` while it has not begun to count.
    #[must_use]
    pub fn at(&self) -> Option<Instant> {
        self.begun().map(|begun| begun + self.length)
    }

    /// What is left of the time: all of it while it has not begun to count.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.at().map_or(self.length, |at| at.saturating_duration_since(Instant::now()))
    }

    /// The whole time.
    pub(super) fn length(&self) -> Duration {
        self.length
    }

    pub(super) fn is_question(&self) -> bool {
        self.is_question
    }

    /// The place in a queue: the smaller, the earlier.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Lets the time count from `begun`, unless it counts already.
    pub fn begin(&self, begun: Instant) {
        self.begun.send_if_modified(|counted| {
            let is_first = counted.is_none();
            counted.get_or_insert(begun);
            is_first
        });
    }

    /// Returns when the time has begun to count, with the moment.
    pub async fn beginning(&self) -> Instant {
        let mut begun = self.begun.subscribe();
        match begun.wait_for(Option::is_some).await.map(|begun| *begun) {
            Ok(Some(begun)) => begun,
            // The sender is `self`, and what was waited for is a moment.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_counts_from_the_first_turn_alone() {
        let deadline = Deadline::of_poll(Duration::from_secs(10));
        tokio::time::sleep(Duration::from_hours(1)).await;
        assert_eq!((deadline.begun(), deadline.at(), deadline.left()), (None, None, Duration::from_secs(10)));
        let start = Instant::now();
        deadline.begin(start);
        assert_eq!(deadline.at(), Some(start + Duration::from_secs(10)));
        tokio::time::sleep(Duration::from_secs(4)).await;
        deadline.begin(Instant::now());
        assert_eq!(deadline.at(), Some(start + Duration::from_secs(10)), "a second turn moves nothing");
        assert_eq!((deadline.begun(), deadline.left()), (Some(start), Duration::from_secs(6)));
        assert_eq!(deadline.beginning().await, start);
        tokio::time::sleep(Duration::from_secs(7)).await;
        assert_eq!(deadline.left(), Duration::ZERO);
    }
}
