//! The exporter as a whole: everything wired together, and what the web side asks of it.
//!
//! **Who waits for whom?** A reload waits for its files, each no longer than [`file_reader::PATIENCE`], and for the one
//! before it; who asked for it waits for it, and nobody else. What takes its time on the CPU, or waits for a lock that such
//! work holds, is done on threads for that. A stop waits for requests under way ([`web::Limits::drain`]), for the polls' loops,
//! which end at once, and for the state, ten seconds at the most.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use csp_api::{BuildError, Client};
use exporter_toolkit::exposition::Scrape;
use exporter_toolkit::web;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::clock::{self, Reading, Steady};
use crate::config::{Config, Loader};
use crate::logging;
use crate::metrics::{self, Metrics};
use crate::panics;
use crate::poller::Poller;
use crate::poller::source::Upstream;
use crate::shard::Shard;
use crate::snapshot::{Latest, StatusReport};
use crate::state::{Finds, Lifecycle};

/// What an exporter needs beside its configuration.
pub(crate) struct Parts {
    /// Reads the configuration again at a reload.
    pub loader: Arc<Loader>,
    /// How often the configuration files are looked at, if at all.
    pub auto_reload: Option<Duration>,
    /// Which part of the organizations is this instance's.
    pub shard: Option<Shard>,
    /// The lifecycle's state.
    pub lifecycle: Arc<Lifecycle>,
    /// The metrics, over what is the latest.
    pub metrics: Arc<Metrics>,
    /// Where polls leave their results.
    pub latest: Arc<Latest>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("shard", &self.shard).finish_non_exhaustive()
    }
}

/// A running exporter.
#[derive(Debug)]
pub(crate) struct Exporter {
    parts: Parts,
    client: Mutex<Client>,
    poller: Arc<Poller>,
    started: Steady,
    /// How many reloads have begun.
    reloads: AtomicU64,
    /// Every organization had finished a first attempt once.
    was_ready: AtomicBool,
    /// Held throughout a reload: one after the other.
    reloading: tokio::sync::Mutex<LastReload>,
    /// Cancelled when the process is to end.
    stopping: CancellationToken,
}

/// A reload's number and how it ended.
#[derive(Debug)]
struct LastReload {
    number: u64,
    outcome: Result<(), String>,
}

impl Parts {
    /// Parts with fresh metrics; `lifecycle` is in memory unless it was opened.
    #[must_use]
    pub(crate) fn new(loader: Arc<Loader>, shard: Option<Shard>, lifecycle: Arc<Lifecycle>) -> Self {
        let latest = Arc::<Latest>::default();
        let snapshots = Arc::clone(&latest);
        let metrics = Arc::new(Metrics::new(move || snapshots.snapshot()));
        if let Some(shard) = shard {
            metrics.exporter().set_shard(shard.index(), shard.count());
        }
        Self { loader, auto_reload: None, shard, lifecycle, metrics, latest }
    }

    /// A client whose calls are counted.
    ///
    /// # Errors
    /// When a file or URL of the settings cannot be used.
    pub(crate) async fn client(&self, config: &Config) -> Result<Client, BuildError> {
        Client::new(&config.api, self.metrics.api()).await
    }
}

impl Exporter {
    /// Starts polling with a client of these parts. Needs a tokio runtime. Once `stopping` is cancelled, nobody waits
    /// for a reload any more.
    #[must_use]
    pub(crate) fn start(parts: Parts, config: &Config, client: Client, stopping: CancellationToken) -> Arc<Self> {
        parts.metrics.exporter().config_loaded(true, clock::now());
        let upstream = Arc::new(Upstream::new(config, client.clone(), Arc::clone(&parts.lifecycle)));
        let (latest, lifecycle) = (Arc::clone(&parts.latest), Arc::clone(&parts.lifecycle));
        let recounting = recount(Arc::clone(&latest), Arc::clone(&lifecycle), lifecycle.finds());
        let poller = Arc::new(Poller::start(config, upstream, latest, lifecycle, parts.shard));
        let preparing = prepare_scrapes(Arc::clone(&parts.latest), Arc::clone(&parts.metrics));
        tokio::spawn(poller.stopped().run_until_cancelled_owned(preparing));
        tokio::spawn(poller.stopped().run_until_cancelled_owned(recounting));
        let reloading = tokio::sync::Mutex::new(LastReload { number: 0, outcome: Ok(()) });
        let client = Mutex::new(client);
        let started = Steady::now();
        let (reloads, was_ready) = (AtomicU64::new(0), AtomicBool::new(false));
        let exporter = Arc::new(Self { parts, client, poller, started, reloads, was_ready, reloading, stopping });
        if let Some(interval) = exporter.parts.auto_reload {
            let reloading = Arc::clone(&exporter).reload_on_change(interval);
            tokio::spawn(exporter.stopping.clone().run_until_cancelled_owned(reloading));
        }
        exporter
    }

    /// Stops polling, then writes the state.
    pub(crate) async fn shutdown(&self) {
        self.poller.shutdown().await;
        let lifecycle = Arc::clone(&self.parts.lifecycle);
        let closed = tokio::task::spawn_blocking(move || lifecycle.close(Reading::now()));
        if closed.await.is_err() {
            error!("writing the state panicked");
        }
    }

    /// Reads the configuration again and goes over to it; a bad one changes nothing.
    ///
    /// Nobody but the caller waits for it. Those who ask while a reload runs share the next one, which begins after
    /// they asked: however many ask while a disk hangs, two reloads answer them all.
    ///
    /// # Errors
    /// Every problem of the new configuration.
    pub(crate) async fn reload_configuration(&self) -> Result<(), String> {
        let reload = self.stopping.run_until_cancelled(self.reload_in_turn());
        reload.await.unwrap_or_else(|| Err("the exporter is stopping".to_owned()))
    }

    async fn reload_in_turn(&self) -> Result<(), String> {
        let begun_before = self.reloads.load(Ordering::SeqCst);
        let mut last = self.reloading.lock().await;
        if last.number > begun_before {
            return last.outcome.clone();
        }
        let number = self.reloads.fetch_add(1, Ordering::SeqCst) + 1;
        file_reader::try_again();
        let outcome = self.reload_now().await;
        log_reload(&outcome);
        *last = LastReload { number, outcome: outcome.clone() };
        outcome
    }

    /// Reloads whenever a configuration file has changed, looking each `interval`. A reload that failed is tried again,
    /// for what it failed of may be elsewhere; what is known to be wrong is not logged again.
    pub(crate) async fn reload_on_change(self: Arc<Self>, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            let (seen, is_good) = {
                let last = self.reloading.lock().await;
                (self.reloads.load(Ordering::SeqCst), last.outcome.is_ok())
            };
            // A disk that hangs is looked at for long: who asks for a reload meanwhile does not wait for that.
            if is_good && !self.parts.loader.has_changed().await {
                continue;
            }
            let mut last = self.reloading.lock().await;
            if self.reloads.load(Ordering::SeqCst) != seen {
                continue;
            }
            self.reloads.fetch_add(1, Ordering::SeqCst);
            let outcome = self.reload_now().await;
            if outcome != last.outcome || outcome.is_ok() {
                log_reload(&outcome);
            }
            last.outcome = outcome;
        }
    }

    async fn reload_now(&self) -> Result<(), String> {
        let result = self.apply_configuration().await;
        let exporter_metrics = self.parts.metrics.exporter();
        exporter_metrics.config_loaded(result.is_ok(), clock::now());
        let metrics = Arc::clone(&self.parts.metrics);
        // It waits for scrapes that are being encoded: off the runtime's workers.
        let refreshed = tokio::task::spawn_blocking(move || metrics.refresh());
        if refreshed.await.is_err() {
            error!("forgetting the last scrapes panicked");
        }
        result
    }

    async fn apply_configuration(&self) -> Result<(), String> {
        let config = self.parts.loader.load().await.map_err(|problems| problems.to_string())?;
        let client = self.client.lock().clone();
        let client = client.reconfigured(&config.api).await.map_err(|error| error.to_string())?;
        let upstream = Arc::new(Upstream::new(&config, client.clone(), Arc::clone(&self.parts.lifecycle)));
        // Once ready it stays ready, whatever organizations come.
        let _ = web::Application::ready(self);
        for warning in &config.warnings {
            warn!("{warning}");
        }
        let poller = Arc::clone(&self.poller);
        // Thousands of organizations take their time: off the runtime's workers.
        let arranged = tokio::task::spawn_blocking(move || poller.reload(&config, upstream));
        arranged
            .await
            .map_err(|_| "going over to the new configuration failed: a fault in the exporter itself".to_owned())?;
        *self.client.lock() = client;
        Ok(())
    }

    /// What the status page shows.
    #[must_use]
    pub(crate) fn status(&self) -> StatusReport {
        let now = Reading::now();
        StatusReport {
            now: now.wall,
            started: now.wall_at(self.started),
            config_reload_successful: self.parts.metrics.exporter().config_load_successful(),
            shard: self.parts.shard.map(|shard| (shard.index(), shard.count())),
            organizations: self.parts.latest.status(now),
        }
    }
}

fn log_reload(outcome: &Result<(), String>) {
    match outcome {
        Ok(()) => info!("configuration reloaded"),
        Err(problems) => error!(problems, "the configuration was not reloaded and the old one stays"),
    }
}

/// Shows what is found in the state folder after the start.
async fn recount(latest: Arc<Latest>, lifecycle: Arc<Lifecycle>, mut finds: Finds) {
    loop {
        finds.next().await;
        latest.recount(|key| lifecycle.shown(key));
    }
}

/// Has scrapes at hand before they are asked for, whenever polls have changed something.
async fn prepare_scrapes(latest: Arc<Latest>, metrics: Arc<Metrics>) {
    /// Of this many parts of the time of a CPU it takes one: where polls end all the time, it prepares less often.
    const PARTS: u32 = 20;
    loop {
        // What nobody asks for any more is forgotten also when no poll ends.
        drop(tokio::time::timeout(metrics::FORGOTTEN_LATE, latest.changed()).await);
        let start = Instant::now();
        let prepared = Arc::clone(&metrics);
        let prepared = tokio::task::spawn_blocking(move || prepared.prepare(Steady::now())).await;
        if prepared.is_err() {
            error!("preparing a scrape panicked");
        }
        tokio::time::sleep(start.elapsed() * PARTS).await;
    }
}

impl web::Application for Exporter {
    fn cached_scrape(&self, accept: Option<&str>, accept_encoding: Option<&str>) -> Option<Scrape> {
        self.parts.metrics.cached_scrape(Steady::now(), accept, accept_encoding)
    }

    fn scrape(&self, accept: Option<&str>, accept_encoding: Option<&str>) -> Scrape {
        let own = self.parts.metrics.exporter();
        own.heartbeat(self.poller.heartbeat().last());
        own.set_troubles(panics::count(), logging::lines_dropped());
        let lifecycle = &self.parts.lifecycle;
        if let Some((durable, resets)) = lifecycle.durable().zip(lifecycle.resets()) {
            own.set_state(durable, resets);
        }
        self.parts.metrics.scrape(Steady::now(), accept, accept_encoding)
    }

    fn health(&self) -> Result<(), String> {
        self.poller.heartbeat().check()
    }

    fn ready(&self) -> Result<(), String> {
        let snapshot = self.parts.latest.snapshot();
        let waiting = snapshot.organizations.iter().filter(|entry| entry.up.is_none()).count();
        let all = snapshot.organizations.len();
        if waiting == 0 || self.was_ready.load(Ordering::Relaxed) {
            if !self.was_ready.swap(true, Ordering::Relaxed) {
                // Who waited for this finds every organization in the next scrape.
                self.parts.metrics.refresh();
            }
            Ok(())
        } else {
            Err(format!("{waiting} of {all} organizations have not finished a first attempt"))
        }
    }

    fn reload(&self) -> BoxFuture<'_, Result<(), String>> {
        self.reload_configuration().boxed()
    }

    fn count_request(&self, handler: &'static str, status: u16) {
        self.parts.metrics.exporter().http_request(handler, status);
    }
}
