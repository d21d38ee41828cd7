//! Polls every organization in the background, each in a loop of its own.
//!
//! One organization that hangs, fails or panics is felt by nobody else: every
//! poll is a task with a deadline, and its result reaches the [`Board`] as a
//! whole or not at all.

pub mod heartbeat;
mod organization;
pub mod schedule;
pub mod source;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use invitations::Millis;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, Credential, CredentialKind, Organization, OrganizationKey};
use crate::shard::Shard;
use crate::snapshot::Board;
use crate::state::Lifecycle;
use heartbeat::Heartbeat;
pub use organization::once;
use source::Source;

/// How often names of organizations and expirations of API tokens are asked for.
const DETAILS_INTERVAL: Duration = Duration::from_secs(3600);
/// After a failure they are asked for sooner, but not at each poll: nothing depends on them.
const DETAILS_RETRY: Duration = Duration::from_secs(300);
/// Limit of a question that no poll depends on.
pub(crate) const DETAILS_DEADLINE: Duration = Duration::from_secs(60);

/// The running loops of one instance. Dropping it stops them; [`Poller::shutdown`] also waits for them.
#[derive(Debug)]
pub struct Poller {
    board: Arc<Board>,
    lifecycle: Arc<Lifecycle>,
    shard: Option<Shard>,
    heartbeat: Arc<Heartbeat>,
    source: watch::Sender<Arc<dyn Source>>,
    running: Mutex<Running>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// The loops by the key of their organization, and by the name of their credential.
#[derive(Debug, Default)]
struct Running {
    organizations: HashMap<OrganizationKey, Loop<Organization>>,
    credentials: HashMap<String, Loop<Credential>>,
}

#[derive(Debug)]
struct Loop<T> {
    subject: Arc<T>,
    stop: CancellationToken,
    wake: Arc<Notify>,
}

impl Poller {
    /// Starts polling the organizations of `config` that belong to `shard`. Needs a tokio runtime; blocks on the
    /// state folder for a moment.
    #[must_use]
    pub fn start(
        config: &Config,
        source: Arc<dyn Source>,
        board: Arc<Board>,
        lifecycle: Arc<Lifecycle>,
        shard: Option<Shard>,
    ) -> Self {
        let poller = Self {
            board,
            lifecycle,
            shard,
            heartbeat: Arc::default(),
            source: watch::Sender::new(source),
            running: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        poller.tasks.spawn(poller.stop.clone().run_until_cancelled_owned(Arc::clone(&poller.heartbeat).beat()));
        poller.arrange(config);
        poller
    }

    /// Sign of life of the scheduler.
    #[must_use]
    pub fn heartbeat(&self) -> &Arc<Heartbeat> {
        &self.heartbeat
    }

    /// Cancelled when the poller stops.
    #[must_use]
    pub fn stopped(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Goes over to a new configuration. Organizations that stay keep their state, those whose settings changed and
    /// those whose last poll failed are polled at once, those that are gone disappear.
    pub fn reload(&self, config: &Config, source: Arc<dyn Source>) {
        self.source.send_replace(source);
        self.arrange(config);
        self.resume();
    }

    /// Ends back-off pauses: organizations whose last poll failed are polled at once.
    pub fn resume(&self) {
        self.source.borrow().resume();
        let running = self.running.lock();
        running.organizations.values().for_each(|of| of.wake.notify_one());
        running.credentials.values().for_each(|of| of.wake.notify_one());
    }

    /// Stops every loop and waits for the end of what is under way.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn arrange(&self, config: &Config) {
        let organizations: Vec<Arc<Organization>> = config
            .organizations
            .iter()
            .filter(|organization| self.shard.is_none_or(|shard| shard.owns(&organization.key())))
            .cloned()
            .collect();
        let keys: Vec<_> = organizations.iter().map(|organization| organization.key()).collect();
        self.lifecycle.keep(&keys, Millis::now());
        let mut running = self.running.lock();
        let Running { organizations: loops, credentials } = &mut *running;
        stop_others(loops, &organizations, Organization::key);
        self.board.arrange(&organizations, |id| self.lifecycle.tally(id));
        let added: Vec<_> =
            organizations.iter().filter(|organization| !loops.contains_key(&organization.key())).collect();
        let count = added.len();
        for (place, organization) in added.into_iter().enumerate() {
            let delay = schedule::first_delay(organization.interval, place, count);
            let of = self.new_loop(organization);
            let task = organization::Task {
                organization: Arc::clone(organization),
                board: Arc::clone(&self.board),
                source: self.source.subscribe(),
                wake: Arc::clone(&of.wake),
            };
            self.tasks.spawn(of.stop.clone().run_until_cancelled_owned(task.run(delay)));
            loops.insert(organization.key(), of);
        }
        self.arrange_credentials(credentials, &organizations);
    }

    /// The service tells when API tokens run out; OAuth apps do not.
    fn arrange_credentials(&self, loops: &mut HashMap<String, Loop<Credential>>, organizations: &[Arc<Organization>]) {
        let mut used: Vec<Arc<Credential>> = organizations
            .iter()
            .map(|organization| Arc::clone(&organization.credential))
            .filter(|credential| matches!(credential.kind, CredentialKind::ApiToken { .. }))
            .collect();
        used.sort_by(|a, b| a.name.cmp(&b.name));
        used.dedup_by(|a, b| a.name == b.name);
        stop_others(loops, &used, |credential| credential.name.clone());
        self.board.retain_api_token_expirations(|name| used.iter().any(|credential| credential.name == name));
        for credential in used {
            if !loops.contains_key(&credential.name) {
                let of = self.new_loop(&credential);
                let (board, source) = (Arc::clone(&self.board), self.source.subscribe());
                let watch = organization::watch_api_token(Arc::clone(&credential), board, source, Arc::clone(&of.wake));
                self.tasks.spawn(of.stop.clone().run_until_cancelled_owned(watch));
                loops.insert(credential.name.clone(), of);
            }
        }
    }

    fn new_loop<T>(&self, subject: &Arc<T>) -> Loop<T> {
        Loop { subject: Arc::clone(subject), stop: self.stop.child_token(), wake: Arc::default() }
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Stops the loops of subjects that are gone or whose settings changed.
fn stop_others<K: Eq + Hash, T: PartialEq>(loops: &mut HashMap<K, Loop<T>>, stay: &[Arc<T>], key: impl Fn(&T) -> K) {
    let stay: HashMap<K, &Arc<T>> = stay.iter().map(|subject| (key(subject), subject)).collect();
    loops.retain(|key, of| {
        let stays = stay.get(key).is_some_and(|subject| **subject == of.subject);
        if !stays {
            of.stop.cancel();
        }
        stays
    });
}
