//! Questions that no poll depends on: what the service calls an organization, and when an API token runs out.
//!
//! They are asked at the start and every hour, each at a phase of its own in the hour; after a failure again within five
//! minutes, unless the service wants to be left alone for longer. What they wait for is their [`Pace`], and then the budget that polls leave: see [`Deadline::of_question`].

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use super::pace::Pace;
use super::schedule::Phase;
use super::source::{Source, Subject};
use super::timetable::Timetable;
use crate::config::{Credential, Organization, OrganizationKey};
use crate::snapshot::Latest;
use crate::{logging, panics};
use csp_api::{Deadline, Error, Operation, SecretId};
use invitations::Millis;

/// How often a question is asked.
const INTERVAL: Duration = Duration::from_secs(3600);
/// After a failure it is asked again within this, and not before half of it is over.
const RETRY: Duration = Duration::from_secs(300);
/// Limit of one question, from its turn on.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Asks for the name of one organization, now and then.
pub(super) struct NameTask {
    pub(super) organization: Arc<Organization>,
    pub(super) latest: Arc<Latest>,
    pub(super) source: watch::Receiver<Arc<dyn Source>>,
    /// Whether the last poll left an access token.
    pub(super) has_token: watch::Receiver<bool>,
    pub(super) pace: Arc<Pace>,
}

impl NameTask {
    /// Asks for ever, the first time after the first poll that leaves an access token.
    pub(super) async fn run(mut self, timetable: Timetable) {
        let phase = Phase::of(&self.organization.key());
        // It fails when the organization's polls have ended.
        while self.has_token.wait_for(|has_token| *has_token).await.is_ok() {
            self.has_token.mark_unchanged();
            let deadline = Deadline::of_question(DEADLINE);
            let question = ask_name(&self.organization, &self.latest, &self.source, deadline.clone());
            match self.pace.ask(&deadline, question).await {
                Ok(true) => sleep_until(timetable.instant_of(phase.next(INTERVAL, timetable.now()))).await,
                Err(_) => sleep_until(retry(phase, &self.source, Subject::Name(&self.organization))).await,
                // The token ran out meanwhile: the next poll brings another one.
                Ok(false) => drop(self.has_token.changed().await),
            }
        }
    }
}

/// Whether there was an access token to ask with.
pub(super) async fn ask_name(
    organization: &Arc<Organization>,
    latest: &Latest,
    source: &watch::Receiver<Arc<dyn Source>>,
    deadline: Deadline,
) -> Result<bool, Error> {
    let question = source.borrow().display_name(Arc::clone(organization), deadline);
    let asked = panics::contained(question, Operation::Organization).await;
    match asked {
        Ok(Some(name)) => {
            latest.update(organization, |entry| entry.display_name = Some(name));
            Ok(true)
        }
        Ok(None) => Ok(false),
        Err(error) => {
            logging::call_failed("asking for the organization's name failed", Some(&organization.name), None, &error);
            Err(error)
        }
    }
}

/// Asks now and then when one API token runs out, and at once when its secret has changed.
pub(super) struct TokenTask {
    pub(super) credential: Arc<Credential>,
    pub(super) latest: Arc<Latest>,
    pub(super) source: watch::Receiver<Arc<dyn Source>>,
    /// Told that the configuration was read again.
    pub(super) wake: Arc<Notify>,
    pub(super) pace: Arc<Pace>,
}

impl TokenTask {
    /// Asks for ever. What can be seen belongs to the secret that was read last, by whomever; nothing is shown of one
    /// that has not been asked for.
    pub(super) async fn run(self, timetable: Timetable) {
        let Self { credential, latest, .. } = &self;
        // Like an organization's: a name is as good as an id.
        let phase = Phase::of(&OrganizationKey::new("", Some(&credential.name)));
        let mut last_read = self.source.borrow().api_token(credential);
        let mut asked = None;
        let mut is_urgent = false;
        loop {
            let deadline = Deadline::of_question(DEADLINE);
            let question = self.ask(deadline.clone());
            // What has changed since is not made to wait behind what has not.
            let answer = if is_urgent { question.await } else { self.pace.ask(&deadline, question).await };
            let is_answered = answer.is_ok();
            let next = match &answer {
                Ok(_) => timetable.instant_of(phase.next(INTERVAL, timetable.now())),
                Err(_) => retry(phase, &self.source, Subject::Expiration(credential)),
            };
            if let Ok((secret, expiration)) = answer {
                asked = Some(secret);
                latest.set_api_token_expiration(&credential.name, expiration);
            }
            // The secret that need not be asked for again before its time.
            let tried = if is_answered { asked } else { *last_read.borrow_and_update() };
            loop {
                if *last_read.borrow_and_update() != asked {
                    latest.set_api_token_expiration(&credential.name, None);
                }
                is_urgent = *last_read.borrow() != tried;
                if is_urgent {
                    break;
                }
                tokio::select! {
                    () = sleep_until(next) => break,
                    changed = last_read.changed() => if changed.is_err() { return },
                    () = self.wake.notified() => self.look().await,
                }
            }
        }
    }

    async fn ask(&self, deadline: Deadline) -> Result<(SecretId, Option<Millis>), Error> {
        let question = self.source.borrow().api_token_expiration(Arc::clone(&self.credential), deadline);
        let asked = panics::contained(question, Operation::TokenDetails).await;
        if let Err(error) = &asked {
            let message = "asking when the API token runs out failed";
            logging::call_failed(message, None, Some(&self.credential.name), error);
        }
        asked
    }

    /// Reads the secret, to see whether it is another one.
    async fn look(&self) {
        let look = self.source.borrow().read_api_token(Arc::clone(&self.credential));
        look.await;
    }
}

/// When a question that failed is asked again.
fn retry(phase: Phase, source: &watch::Receiver<Arc<dyn Source>>, subject: Subject<'_>) -> Instant {
    let retry = Instant::now() + RETRY / 2 + phase.part_of(RETRY / 2);
    source.borrow().not_before(subject).map_or(retry, |not_before| not_before.max(retry))
}
