//! The loop of one organization.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use csp_api::{Deadline, Error, Operation, Reason};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tracing::{debug, info};

use super::QUESTION_DEADLINE;
use super::first_round::{FirstRound, Waiting};
use super::questions::ask_name;
use super::schedule::{self, Phase};
use super::source::{Polled, Source, Subject};
use super::timetable::Timetable;
use crate::clock::{Reading, Steady};
use crate::config::Organization;
use crate::snapshot::Latest;
use crate::{logging, panics};

/// One organization's loop.
pub(super) struct Task {
    pub(super) organization: Arc<Organization>,
    pub(super) latest: Arc<Latest>,
    pub(super) source: watch::Receiver<Arc<dyn Source>>,
    pub(super) wake: Arc<Notify>,
    /// Whether the last poll left an access token that the service took.
    pub(super) has_token: watch::Sender<bool>,
    pub(super) first_round: FirstRound,
}

/// How a wait for the next poll ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rested {
    Whole,
    /// A reload cut it short.
    Hurried,
}

/// How a poll went.
struct Outcome {
    result: Result<(), Error>,
    /// When its first request got its turn.
    begun: Instant,
    /// Of the organization's first good poll in this process: how many invitations it found, and how long it took.
    first: Option<(u64, Duration)>,
}

impl Task {
    /// Polls for ever: the first time at once, then at the organization's phase. At once means as soon as the shared budget
    /// lets it: see [`Deadline`]; and not before the service wants it, if it has said when.
    pub(super) async fn run(self, timetable: Timetable) {
        let phase = Phase::of(&self.organization.key());
        let interval = self.organization.interval;
        if let Some(not_before) = self.not_before() {
            // It said so under other settings.
            self.rest(not_before, Some(Instant::now())).await;
        }
        let mut waiting = Some(self.first_round.join());
        let (mut failures, mut hurried) = (0, 0);
        loop {
            let (is_first, due) = (waiting.is_some(), Instant::now());
            let Outcome { result, begun, first } = self.poll(failures, waiting.take()).await;
            if let Some((invitations, took)) = first {
                self.welcome(invitations, took);
            }
            failures = if result.is_ok() { 0 } else { failures + 1 };
            let (time, waited) = (timetable.time_of(begun), begun - due);
            let is_crowded = is_first && schedule::is_crowded(interval, waited);
            // Who has found nothing yet shows nothing: the next poll is not put off.
            let is_in_no_hurry = is_first && result.is_ok() && !is_crowded && schedule::outlasts(&self.organization);
            let after = if is_in_no_hurry { time + interval } else { time };
            let mut next = schedule::next_poll(phase, interval, after, failures);
            if let Some(not_before) = self.not_before() {
                next = next.max(phase.next(interval, timetable.time_of(not_before)));
            }
            let next = timetable.instant_of(next);
            let hurry = result.is_err().then(|| begun + schedule::least_gap(interval, hurried));
            let mut rested = self.rest(next, hurry).await;
            if rested == Rested::Whole && is_crowded && !self.first_round.is_over() {
                rested = self.rest(next + interval, hurry).await;
            }
            hurried = if rested == Rested::Hurried { hurried + 1 } else { 0 };
        }
    }

    /// Waits for the next poll. A reload cuts that short to `hurry`, if there is one, but ends no pause that the service
    /// asked for.
    async fn rest(&self, next: Instant, hurry: Option<Instant>) -> Rested {
        let (mut at, mut rested) = (next, Rested::Whole);
        loop {
            self.announce(at);
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(at) => return rested,
                () = self.wake.notified() => {
                    // Asked anew: the reload may have led to another host.
                    let sooner = hurry.map(|hurry| self.not_before().map_or(hurry, |not_before| not_before.max(hurry)));
                    if let Some(sooner) = sooner.filter(|&sooner| sooner < at) {
                        (at, rested) = (sooner, Rested::Hurried);
                    }
                }
            }
        }
    }

    /// When the service wants to be asked again, where it has said so.
    fn not_before(&self) -> Option<Instant> {
        self.source.borrow().not_before(Subject::Poll(&self.organization))
    }

    /// Tells whoever has just set it up that an organization works, once.
    fn welcome(&self, invitations: u64, took: Duration) {
        let console = self.source.borrow().console(&self.organization);
        info!(
            organization = self.organization.name,
            invitations,
            console = console.as_ref().map(|url| url.as_str().trim_end_matches('/')),
            seconds = took.as_secs_f64(),
            "the first list of invitations is there"
        );
    }

    fn announce(&self, next: Instant) {
        let wait = next.saturating_duration_since(Instant::now());
        self.latest.set_next_poll(&self.organization, Some(Steady::now().after(wait)));
    }

    /// One poll, whose result becomes the latest. `waiting` ends when the poll begins.
    async fn poll(&self, failures_before: u32, waiting: Option<Waiting>) -> Outcome {
        let Self { organization, latest, .. } = self;
        latest.set_next_poll(organization, None);
        let mut newest = self.source.clone();
        let deadline = Deadline::of_poll(organization.deadline);
        let (source, result) = loop {
            let source = Arc::clone(&newest.borrow_and_update());
            let poll = source.poll(Arc::clone(organization), deadline.clone());
            let mut poll = pin!(panics::contained(poll, Operation::Invitations));
            tokio::select! {
                biased;
                result = &mut poll => break (source, result),
                _ = deadline.beginning() => {
                    drop(waiting);
                    break (source, poll.await);
                }
                // It waits for its turn, and nothing has been sent: it goes by the new settings, and its deadline keeps its
                // place in the queue.
                Ok(()) = newest.changed() => {}
            }
        };
        let begun = deadline.begun().unwrap_or_else(Instant::now);
        let (now, took) = (Reading::now(), begun.elapsed());
        log_outcome(organization, &result, failures_before, took);
        let mut outcome = Outcome { result: result.as_ref().map(|_| ()).map_err(Error::clone), begun, first: None };
        latest.update(organization, |entry| {
            entry.up = Some(result.is_ok());
            entry.last_attempt = Some(now);
            entry.duration = Some(took);
            entry.polls += 1;
            entry.consecutive_failures = if result.is_ok() { 0 } else { failures_before + 1 };
            // Organizations may share a token, and another's trouble with it is none of this one's.
            entry.access_token_expiration =
                source.access_token_expiration(organization).or(entry.access_token_expiration);
            match result {
                Ok(Polled { view, lifecycle }) => {
                    outcome.first = entry.last_success.is_none().then(|| (view.by_status.iter().sum(), took));
                    entry.view = Some(view);
                    entry.lifecycle = lifecycle.tally();
                    entry.last_success = Some(now);
                    entry.last_error = None;
                }
                Err(error) => {
                    entry.failures[error.reason as usize] += 1;
                    entry.last_error = Some((now, error));
                }
            }
        });
        self.has_token.send_replace(!has_refused_credential(&outcome.result));
        outcome
    }
}

fn has_refused_credential(poll: &Result<(), Error>) -> bool {
    poll.as_ref().is_err_and(|error| error.operation == Operation::Token || error.reason == Reason::Unauthorized)
}

/// One poll, and the question for the organization's name.
pub(crate) async fn once(
    organization: Arc<Organization>,
    latest: Arc<Latest>,
    source: watch::Receiver<Arc<dyn Source>>,
) {
    let task = Task {
        organization,
        latest,
        source,
        wake: Arc::default(),
        has_token: watch::Sender::default(),
        first_round: FirstRound::default(),
    };
    task.poll(0, None).await;
    if *task.has_token.borrow() {
        let Task { organization, latest, source, .. } = task;
        // Whether it is known is seen in the snapshot.
        let deadline = Deadline::of_poll(QUESTION_DEADLINE.min(organization.deadline));
        let _ = ask_name(&organization, &latest, &source, deadline).await;
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
        Err(error) => logging::call_failed("poll failed", Some(&organization.name), None, error),
    }
}
