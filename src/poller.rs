//! Polls every organization in the background, each in a loop of its own.
//!
//! One organization that hangs, fails or panics is felt by nobody else: every
//! poll is a task with a deadline, and its result reaches the [`Latest`] as a
//! whole or not at all.
//!
//! **Who waits for whom, and for how long?** A loop waits for time, for a reload, and for its own poll: for the poll's turn
//! in the [budget](csp_api::Budget) as long as it takes, then until its deadline, then five seconds for the disk. Its locks
//! are held for moments. Nobody waits for a loop but a stop, which ends it wherever it waits.

pub(crate) mod capacity;
mod first_round;
pub(crate) mod heartbeat;
mod loops;
mod organization;
mod pace;
mod questions;
pub(crate) mod schedule;
pub(crate) mod source;
#[cfg(test)]
mod tests;
mod timetable;

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;
use url::Url;

use crate::clock::Reading;
use crate::config::{Config, Credential, CredentialKind, Organization, OrganizationKey};
use crate::shard::Shard;
use crate::snapshot::Latest;
use crate::state::Lifecycle;
use first_round::FirstRound;
use heartbeat::Heartbeat;
use loops::{Loop, stop_others};
pub(crate) use organization::once;
use pace::Pace;
pub(crate) use questions::DEADLINE as QUESTION_DEADLINE;
use questions::{NameTask, TokenTask};
use source::Source;
use timetable::Timetable;

/// The running loops of one instance. Dropping it stops them; [`Poller::shutdown`] also waits for them.
#[derive(Debug)]
pub(crate) struct Poller {
    latest: Arc<Latest>,
    lifecycle: Arc<Lifecycle>,
    shard: Option<Shard>,
    heartbeat: Arc<Heartbeat>,
    source: watch::Sender<Arc<dyn Source>>,
    timetable: Timetable,
    first_round: FirstRound,
    running: Mutex<Running>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// The loops by the key of their organization, and by the name of their credential.
#[derive(Debug, Default)]
struct Running {
    organizations: HashMap<OrganizationKey, Loop<Organization>>,
    names: HashMap<OrganizationKey, Loop<Named>>,
    /// Whether the last poll of each organization left an access token, for the loop that asks for its name.
    has_token: HashMap<OrganizationKey, watch::Sender<bool>>,
    credentials: HashMap<String, Loop<Credential>>,
    /// Of the questions to each console.
    paces: HashMap<Option<Url>, Arc<Pace>>,
}

/// What an organization is asked for its name with: a reload that changes nothing of it asks for no name.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    key: OrganizationKey,
    label: String,
    credential: Arc<Credential>,
}

impl Named {
    fn new(key: OrganizationKey, organization: &Organization) -> Self {
        let Organization { name, credential, .. } = organization;
        Self { key, label: name.clone(), credential: Arc::clone(credential) }
    }
}

impl Poller {
    /// Starts polling the organizations of `config` that belong to `shard`. Needs a tokio runtime.
    #[must_use]
    pub(crate) fn start(
        config: &Config,
        source: Arc<dyn Source>,
        latest: Arc<Latest>,
        lifecycle: Arc<Lifecycle>,
        shard: Option<Shard>,
    ) -> Self {
        Self::start_at(Timetable::start(), config, source, latest, lifecycle, shard)
    }

    fn start_at(
        timetable: Timetable,
        config: &Config,
        source: Arc<dyn Source>,
        latest: Arc<Latest>,
        lifecycle: Arc<Lifecycle>,
        shard: Option<Shard>,
    ) -> Self {
        let poller = Self {
            latest,
            lifecycle,
            shard,
            heartbeat: Arc::default(),
            source: watch::Sender::new(source),
            timetable,
            first_round: FirstRound::default(),
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
    pub(crate) fn heartbeat(&self) -> &Arc<Heartbeat> {
        &self.heartbeat
    }

    /// Cancelled when the poller stops.
    #[must_use]
    pub(crate) fn stopped(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Goes over to a new configuration. Organizations that stay keep their state, those whose settings changed and
    /// those whose last poll failed are polled at once, those that are gone disappear. Polls that wait for their turn go by
    /// the new settings.
    pub(crate) fn reload(&self, config: &Config, source: Arc<dyn Source>) {
        self.source.send_replace(source);
        self.arrange(config);
        self.resume();
    }

    /// Ends the longer gaps after failures: organizations whose last poll failed are polled at once, and in a loop of reloads less and less
    /// at once: see [`schedule::least_gap`]. API tokens that have changed are asked for their expiration.
    pub(crate) fn resume(&self) {
        self.source.borrow().resume();
        let running = self.running.lock();
        running.organizations.values().for_each(|of| of.wake.notify_one());
        running.credentials.values().for_each(|of| of.wake.notify_one());
    }

    /// Stops every loop and waits for the end of what is under way.
    pub(crate) async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn arrange(&self, config: &Config) {
        for shortfall in capacity::shortfalls(config, self.shard) {
            warn!("the budget cannot serve all organizations in their intervals: {shortfall}");
        }
        let organizations: Vec<Arc<Organization>> = config
            .organizations
            .iter()
            .filter(|organization| self.shard.is_none_or(|shard| shard.owns(&organization.key())))
            .cloned()
            .collect();
        let keys: Vec<_> = organizations.iter().map(|organization| organization.key()).collect();
        self.lifecycle.keep(&keys, Reading::now());
        let mut running = self.running.lock();
        let Running { organizations: loops, names, has_token, credentials, paces } = &mut *running;
        stop_others(loops, &organizations, Organization::key);
        self.latest.arrange(&organizations, |key| self.lifecycle.shown(key));
        if !has_token.is_empty() {
            let keys: HashSet<_> = keys.iter().collect();
            has_token.retain(|key, _| keys.contains(key));
        }
        loops.reserve(keys.len().saturating_sub(loops.len()));
        has_token.reserve(keys.len().saturating_sub(has_token.len()));
        let mut starting = Vec::new();
        for (organization, key) in organizations.iter().zip(&keys) {
            if loops.contains_key(key) {
                continue;
            }
            let of = Loop::new(organization, &self.stop);
            let task = organization::Task {
                organization: Arc::clone(organization),
                latest: Arc::clone(&self.latest),
                source: self.source.subscribe(),
                wake: Arc::clone(&of.wake),
                has_token: has_token.entry(key.clone()).or_default().clone(),
                first_round: self.first_round.clone(),
            };
            starting.push((of.stop.clone(), task));
            loops.insert(key.clone(), of);
        }
        let timetable = self.timetable;
        loops::start(&self.tasks, &self.stop, starting, move |task: organization::Task| task.run(timetable));
        self.arrange_names(names, has_token, paces, &organizations, keys);
        self.arrange_credentials(credentials, paces, &organizations);
        let mut questions: HashMap<&Option<Url>, usize> = HashMap::new();
        let of_names = names.values().map(|of| &of.subject.credential.url);
        for url in of_names.chain(credentials.values().map(|of| &of.subject.url)) {
            *questions.entry(url).or_default() += 1;
        }
        paces.retain(|url, pace| {
            let questions = questions.get(url).copied().unwrap_or_default();
            pace.set_questions(questions);
            questions > 0
        });
    }

    fn arrange_names(
        &self,
        loops: &mut HashMap<OrganizationKey, Loop<Named>>,
        has_token: &HashMap<OrganizationKey, watch::Sender<bool>>,
        paces: &mut HashMap<Option<Url>, Arc<Pace>>,
        organizations: &[Arc<Organization>],
        keys: Vec<OrganizationKey>,
    ) {
        let named = organizations.iter().zip(keys).map(|(organization, key)| Arc::new(Named::new(key, organization)));
        let named: Vec<_> = named.collect();
        stop_others(loops, &named, |named| named.key.clone());
        loops.reserve(named.len().saturating_sub(loops.len()));
        let mut starting = Vec::new();
        for (organization, named) in organizations.iter().zip(&named) {
            if let (false, Some(has_token)) = (loops.contains_key(&named.key), has_token.get(&named.key)) {
                let of = Loop::new(named, &self.stop);
                let task = NameTask {
                    organization: Arc::clone(organization),
                    latest: Arc::clone(&self.latest),
                    source: self.source.subscribe(),
                    has_token: has_token.subscribe(),
                    pace: Arc::clone(paces.entry(named.credential.url.clone()).or_default()),
                };
                starting.push((of.stop.clone(), task));
                loops.insert(named.key.clone(), of);
            }
        }
        let timetable = self.timetable;
        loops::start(&self.tasks, &self.stop, starting, move |task: NameTask| task.run(timetable));
    }

    /// The service tells when API tokens run out; OAuth apps do not.
    fn arrange_credentials(
        &self,
        loops: &mut HashMap<String, Loop<Credential>>,
        paces: &mut HashMap<Option<Url>, Arc<Pace>>,
        organizations: &[Arc<Organization>],
    ) {
        let mut used: Vec<Arc<Credential>> = organizations
            .iter()
            .map(|organization| Arc::clone(&organization.credential))
            .filter(|credential| matches!(credential.kind, CredentialKind::ApiToken { .. }))
            .collect();
        used.sort_by(|a, b| a.name.cmp(&b.name));
        used.dedup_by(|a, b| a.name == b.name);
        stop_others(loops, &used, |credential| credential.name.clone());
        // What was told of another token than this one is not shown of it.
        self.latest.retain_api_token_expirations(|name| loops.contains_key(name));
        for credential in used {
            if !loops.contains_key(&credential.name) {
                let of = Loop::new(&credential, &self.stop);
                let task = TokenTask {
                    credential: Arc::clone(&credential),
                    latest: Arc::clone(&self.latest),
                    source: self.source.subscribe(),
                    wake: Arc::clone(&of.wake),
                    pace: Arc::clone(paces.entry(credential.url.clone()).or_default()),
                };
                self.tasks.spawn(of.stop.clone().run_until_cancelled_owned(task.run(self.timetable)));
                loops.insert(credential.name.clone(), of);
            }
        }
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
