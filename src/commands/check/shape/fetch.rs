//! Fetches the answers that the report is about, one organization after the other.

use std::sync::Arc;
use std::time::Duration;

use csp_api::{Client, Deadline, Error, Head, Operation, Sink, SinkError};
use invitations::census::Criteria;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Answer, report};
use crate::config::{Config, Organization};

/// A longer answer is not held in memory for a report: its beginning would say as much.
const LONGEST: usize = 256 << 20;

/// When the request for the list was sent, so that waits for tokens and turns don't count.
#[derive(Debug, Default)]
struct Stopwatch(Mutex<Option<Instant>>);

impl csp_api::Observer for Stopwatch {
    fn request(&self, operation: Operation) {
        if operation == Operation::Invitations {
            *self.0.lock() = Some(Instant::now());
        }
    }
}

impl Stopwatch {
    fn elapsed(&self) -> Duration {
        self.0.lock().map(|start| start.elapsed()).unwrap_or_default()
    }
}

/// The report of each organization, and whether all of them answered.
pub(crate) async fn reports(config: &Config, organizations: &[Arc<Organization>]) -> (String, bool) {
    let stopwatch = Arc::<Stopwatch>::default();
    // Why not names files and settings: `check` without `--shape` says it.
    let Ok(client) = Client::new(&config.api, Arc::clone(&stopwatch) as _).await else {
        return ("the settings of api cannot be used; see check without --shape\n".to_owned(), false);
    };
    let criteria = Arc::new(Criteria::new(&config.metrics));
    let (mut text, mut is_whole) = (String::new(), true);
    for (place, organization) in organizations.iter().enumerate() {
        let deadline = Deadline::of_poll(organization.deadline.max(config.api.timeout));
        let sink = || Whole { stopwatch: Arc::clone(&stopwatch), answer: Answer::default() };
        let answer = client.invitations(&organization.target(), config.expand, &deadline, sink).await;
        is_whole &= answer.is_ok();
        text += &match &answer {
            Ok(answer) => report(place + 1, Ok(answer), &criteria),
            Err(error) => report(place + 1, Err(&failure(error)), &criteria),
        };
    }
    (text, is_whole)
}

/// Why there is no answer, in closed words: a detail could name a file, a host or a credential of ours.
fn failure(error: &Error) -> String {
    let status = error.status.map(|status| format!(", status {status}")).unwrap_or_default();
    format!("{} ({}{status}): {}", error.reason.as_str(), error.operation, error.meaning())
}

/// Keeps the whole answer with its head.
struct Whole {
    stopwatch: Arc<Stopwatch>,
    answer: Answer,
}

impl Sink for Whole {
    type Output = Answer;

    fn begin(&mut self, head: &Head<'_>) {
        self.answer.first_byte = self.stopwatch.elapsed();
        self.answer.version = format!("{:?}", head.version);
        self.answer.status = head.status.as_u16();
        let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.as_str().to_owned(), value.to_str().unwrap_or_default().to_owned())
        };
        self.answer.headers = head.headers.iter().map(line).collect();
    }

    fn write(&mut self, chunk: &[u8]) -> Result<(), SinkError> {
        if self.answer.body.len() + chunk.len() > LONGEST {
            return Err(SinkError::TooLarge(format!("the answer is longer than {} MiB", LONGEST >> 20)));
        }
        self.answer.body.extend_from_slice(chunk);
        Ok(())
    }

    fn finish(mut self) -> Result<Answer, SinkError> {
        self.answer.total = self.stopwatch.elapsed();
        Ok(self.answer)
    }
}
