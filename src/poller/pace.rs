//! The pace of questions that no poll depends on.
//!
//! **Who waits for whom, and for how long?** A question waits for the turns of those before it, and for polls, as long as
//! these leave nothing of the budget: that has no end where the budget is too small, and harms nobody but who wants to
//! know a name. Polls never wait here.

use std::pin::pin;
use std::time::Duration;

use csp_api::Deadline;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

/// All questions together take this long, unless they need less with [`LONGEST_GAP`] between two.
const ROUND: Duration = Duration::from_secs(3600);
/// However few they are, the time between two questions is no longer.
const LONGEST_GAP: Duration = Duration::from_secs(2);
/// So many may come at once after a time without any.
const BURST: u32 = 10;

/// Lets the questions of a start, which all want to be asked at once, come one by one. Later they have phases in their
/// hour, which do the same.
#[derive(Debug)]
pub(super) struct Pace {
    gap: Mutex<Duration>,
    /// When the next question may be asked; `None` before the first. Held by the first who waits, until its question got its
    /// turn in the budget: the others wait behind it for the rest of the gap and for that turn, never for an answer.
    earliest: tokio::sync::Mutex<Option<Instant>>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { gap: Mutex::new(LONGEST_GAP), earliest: tokio::sync::Mutex::default() }
    }
}

impl Pace {
    /// Says how many questions there are.
    pub(super) fn set_questions(&self, count: usize) {
        *self.gap.lock() = LONGEST_GAP.min(ROUND / u32::try_from(count).unwrap_or(u32::MAX).max(1));
    }

    /// Asks a question when it may be asked: first come, first served. `question` goes by `deadline`.
    pub(super) async fn ask<T>(&self, deadline: &Deadline, question: impl Future<Output = T>) -> T {
        let mut earliest = self.earliest.lock().await;
        if let Some(earliest) = *earliest {
            sleep_until(earliest).await;
        }
        let mut question = pin!(question);
        let answer = tokio::select! {
            biased;
            answer = &mut question => Some(answer),
            _ = deadline.beginning() => None,
        };
        // What was not sent after all costs nothing.
        if let Some(begun) = deadline.begun() {
            let gap = *self.gap.lock();
            // As a bucket that a burst empties and each gap fills by one.
            let full = begun.checked_sub(gap * BURST).unwrap_or(begun);
            *earliest = Some(earliest.map_or(full, |earliest| earliest.max(full)) + gap);
        }
        drop(earliest);
        match answer {
            Some(answer) => answer,
            None => question.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn seconds(pace: &Pace, count: u32) -> u64 {
        let start = Instant::now();
        for _ in 0..count {
            let deadline = Deadline::of_question(ROUND);
            pace.ask(&deadline, async { deadline.begin(Instant::now()) }).await;
        }
        start.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn few_are_asked_at_once_and_many_one_by_one_within_an_hour() {
        let pace = Pace::default();
        pace.set_questions(10);
        assert_eq!(seconds(&pace, 10).await, 0);
        assert_eq!(seconds(&pace, 100).await, 198);
        pace.set_questions(10_000);
        let hour = seconds(&pace, 10_000).await;
        assert!((3590..3610).contains(&hour), "{hour}");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(seconds(&pace, 10).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_waits_for_the_turn_of_the_one_before_but_not_for_its_answer() {
        let (pace, start) = (Pace::default(), Instant::now());
        let asked = |turn: u64, answer: u64| {
            let (pace, deadline) = (&pace, Deadline::of_question(ROUND));
            async move {
                let question = async {
                    tokio::time::sleep(Duration::from_secs(turn)).await;
                    deadline.begin(Instant::now());
                    tokio::time::sleep(Duration::from_secs(answer)).await;
                };
                pace.ask(&deadline, question).await;
                start.elapsed().as_secs()
            }
        };
        let unsent = async {
            pace.ask(&Deadline::of_question(ROUND), async {}).await;
            start.elapsed().as_secs()
        };
        assert_eq!(tokio::join!(asked(100, 50), unsent, asked(0, 0)), (150, 100, 100));
    }
}
