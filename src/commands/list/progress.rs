//! A line for the person who waits at a terminal.

use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// Before this nobody wonders.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far the fetching is. Silent unless standard error is a terminal.
pub(super) struct Progress<W> {
    total: usize,
    /// Where the line goes, when somebody watches.
    out: Option<W>,
    /// When it is written the next time.
    due: Instant,
    is_shown: bool,
}

impl Progress<io::Stderr> {
    pub(super) fn new(total: usize) -> Self {
        Self::to(io::stderr().is_terminal().then(io::stderr), total)
    }
}

impl<W: Write> Progress<W> {
    fn to(out: Option<W>, total: usize) -> Self {
        Self { total, out, due: Instant::now() + PATIENCE, is_shown: false }
    }

    /// Waits for `next`, of which `done` have ended, and says so each second since the start, however often one ends.
    pub(super) async fn beside<T>(&mut self, next: impl Future<Output = T>, done: usize) -> T {
        let mut next = std::pin::pin!(next);
        if self.out.is_none() {
            return next.await;
        }
        loop {
            match timeout_at(self.due, &mut next).await {
                Ok(output) => return output,
                Err(_) => self.show(done),
            }
        }
    }

    fn show(&mut self, done: usize) {
        self.due += PATIENCE;
        self.is_shown = true;
        let total = self.total;
        // Nobody is left to tell when this fails.
        let _ = self.out.as_mut().map(|out| write!(out, "\r{done} of {total} organizations fetched …\u{1b}[K"));
    }

    /// Takes the line away again.
    pub(super) fn clear(&mut self) {
        if self.is_shown {
            let _ = self.out.as_mut().map(|out| write!(out, "\r\u{1b}[K"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written while so many organizations take so long, one after the other.
    async fn written(organizations: usize, each: Duration) -> String {
        let mut out = Vec::new();
        let mut progress = Progress::to(Some(&mut out), organizations);
        for done in 0..organizations {
            progress.beside(tokio::time::sleep(each), done).await;
        }
        progress.clear();
        String::from_utf8(out).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_is_told_each_second_also_where_none_takes_a_second() {
        let line = |done| format!("\r{done} of 9 organizations fetched …\u{1b}[K");
        let lines = [2, 4, 6].map(line).concat();
        assert_eq!(written(9, Duration::from_millis(430)).await, format!("{lines}\r\u{1b}[K"));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_takes_long_is_told_of_too_and_a_short_wait_is_none() {
        let told = written(1, Duration::from_millis(2500)).await;
        assert_eq!(told.matches("0 of 1 organizations").count(), 2, "{told:?}");
        assert_eq!(written(3, Duration::from_millis(300)).await, "");
    }
}
