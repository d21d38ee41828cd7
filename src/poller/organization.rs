//! The loop of one organization.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use csp_api::{Error, Operation, Reason};
use futures_util::FutureExt;
use invitations::Millis;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::source::{Polled, Source};
use super::{DETAILS_DEADLINE, DETAILS_INTERVAL, DETAILS_RETRY, schedule};
use crate::config::{Credential, Organization};
use crate::snapshot::Board;

/// One organization's loop.
pub(super) struct Task {
    pub(super) organization: Arc<Organization>,
    pub(super) board: Arc<Board>,
    pub(super) source: watch::Receiver<Arc<dyn Source>>,
    pub(super) wake: Arc<Notify>,
}

impl Task {
    /// Polls for ever, the first time after `delay`.
    ///
    /// The next poll starts one pause after the start of the last one; one that
    /// is late is not made up for, so polls never bunch.
    pub(super) async fn run(self, delay: Duration) {
        let mut next = Instant::now() + delay;
        let mut name_due = next;
        let mut failures = 0;
        // Nothing is asked before the first poll.
        let mut may_ask = false;
        loop {
            self.rest(next, failures > 0, may_ask.then_some(&mut name_due)).await;
            let start = Instant::now();
            let result = self.poll(start, failures).await;
            failures = if result.is_ok() { 0 } else { failures + 1 };
            may_ask = may_ask_name(&result);
            next = start + schedule::pause(self.organization.interval, failures);
            self.announce(next);
        }
    }

    /// Waits for the next poll; a wake-up ends the wait of an organization that is failing. In between the name is
    /// asked for when it is due.
    async fn rest(&self, next: Instant, is_failing: bool, mut name_due: Option<&mut Instant>) {
        loop {
            let due = name_due.as_deref().copied();
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(next) => return,
                () = self.wake.notified() => if is_failing { return },
                () = tokio::time::sleep_until(due.unwrap_or(next)), if due.is_some() => {
                    let known = self.ask_display_name(next.min(Instant::now() + DETAILS_DEADLINE)).await;
                    if let Some(due) = name_due.as_deref_mut() {
                        *due = Instant::now() + if known { DETAILS_INTERVAL } else { DETAILS_RETRY };
                    }
                }
            }
        }
    }

    fn announce(&self, next: Instant) {
        let wait = next.saturating_duration_since(Instant::now());
        let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        let next_poll = Millis(Millis::now().0.saturating_add(wait));
        self.board.set_next_poll(&self.organization, Some(next_poll));
    }

    /// One poll and its result on the board.
    async fn poll(&self, start: Instant, failures_before: u32) -> Result<(), Error> {
        let Self { organization, board, .. } = self;
        board.set_next_poll(organization, None);
        let source = Arc::clone(&self.source.borrow());
        let deadline = start + organization.deadline;
        let result = poll_contained(&*source, organization, deadline).await;
        let now = Millis::now();
        let outcome = result.as_ref().map(|_| ()).map_err(Error::clone);
        log_outcome(organization, &result, failures_before, start.elapsed());
        board.update(organization, |entry| {
            entry.up = Some(result.is_ok());
            entry.last_attempt = Some(now);
            entry.duration = Some(start.elapsed());
            entry.polls += 1;
            entry.consecutive_failures = if result.is_ok() { 0 } else { failures_before + 1 };
            // Organizations may share a token, and another's trouble with it is none of this one's.
            entry.access_token_expiration =
                source.access_token_expiration(organization).or(entry.access_token_expiration);
            match result {
                Ok(Polled { view, lifecycle }) => {
                    entry.view = Some(view);
                    entry.lifecycle = lifecycle;
                    entry.last_success = Some(now);
                    entry.last_error = None;
                }
                Err(error) => {
                    entry.failures[error.reason as usize] += 1;
                    entry.last_error = Some((now, error));
                }
            }
        });
        outcome
    }

    /// Whether the name is known now.
    async fn ask_display_name(&self, deadline: Instant) -> bool {
        let Self { organization, board, .. } = self;
        let question = self.source.borrow().display_name(Arc::clone(organization), deadline);
        match contained(question, Operation::Organization).await {
            Ok(name) => {
                board.update(organization, |entry| entry.display_name = Some(name));
                true
            }
            Err(error) => {
                log_failure("asking for the organization's name failed", Some(&organization.name), None, &error);
                false
            }
        }
    }
}

/// A credential that was just refused, by itself or as an access token, is not tried again for a name.
fn may_ask_name(poll: &Result<(), Error>) -> bool {
    !poll.as_ref().is_err_and(|error| error.operation == Operation::Token || error.reason == Reason::Unauthorized)
}

/// One poll, and the organization's name, onto the board.
pub async fn once(organization: Arc<Organization>, board: Arc<Board>, source: watch::Receiver<Arc<dyn Source>>) {
    let task = Task { organization, board, source, wake: Arc::default() };
    let start = Instant::now();
    let result = task.poll(start, 0).await;
    if may_ask_name(&result) {
        task.ask_display_name(Instant::now() + DETAILS_DEADLINE.min(task.organization.deadline)).await;
    }
}

/// One poll that may panic without harm to anybody else.
async fn poll_contained(
    source: &dyn Source,
    organization: &Arc<Organization>,
    deadline: Instant,
) -> Result<Polled, Error> {
    contained(source.poll(Arc::clone(organization), deadline), Operation::Invitations).await
}

/// Turns a panic into an [`Reason::Internal`]; the panic hook has counted and logged it.
async fn contained<T>(call: impl Future<Output = Result<T, Error>>, operation: Operation) -> Result<T, Error> {
    let caught = AssertUnwindSafe(call).catch_unwind().await;
    caught.unwrap_or_else(|_| Err(Error::new(operation, Reason::Internal, "the exporter panicked")))
}

/// Asks now and then when a long-lived API token runs out.
pub(super) async fn watch_api_token(
    credential: Arc<Credential>,
    board: Arc<Board>,
    source: watch::Receiver<Arc<dyn Source>>,
    wake: Arc<Notify>,
) {
    loop {
        let deadline = Instant::now() + DETAILS_DEADLINE;
        let question = source.borrow().api_token_expiration(Arc::clone(&credential), deadline);
        match contained(question, Operation::TokenDetails).await {
            Ok(expiration) => board.set_api_token_expiration(&credential.name, expiration),
            Err(error) => {
                log_failure("asking when the API token runs out failed", None, Some(&credential.name), &error);
            }
        }
        // A reload often follows the rotation of a token: the new one's end shows at once.
        tokio::select! {
            () = tokio::time::sleep(DETAILS_INTERVAL) => {}
            () = wake.notified() => {}
        }
    }
}

fn log_outcome(organization: &Organization, result: &Result<Polled, Error>, failures_before: u32, took: Duration) {
    match result {
        Ok(polled) => {
            let invitations: u64 = polled.view.by_status.iter().sum();
            if failures_before > 0 {
                info!(organization = organization.name, failed_polls = failures_before, "polling works again");
            }
            debug!(organization = organization.name, invitations, seconds = took.as_secs_f64(), "poll succeeded");
        }
        Err(error) => log_failure("poll failed", Some(&organization.name), None, error),
    }
}

/// The one line of a failure: who, what, why, the id for the vendor's support, what it means and what to do.
fn log_failure(message: &str, organization: Option<&str>, credentials: Option<&str>, error: &Error) {
    warn!(
        organization,
        credentials,
        operation = error.operation.as_str(),
        reason = error.reason.as_str(),
        status = error.status,
        request_id = error.request_id,
        detail = error.detail,
        meaning = error.meaning(),
        action = error.action(),
        "{message}"
    );
}
