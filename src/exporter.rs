//! The exporter as a whole: everything wired together, and what the web side asks of it.

use std::fmt;
use std::sync::Arc;

use csp_api::{BuildError, Client};
use exporter_toolkit::exposition::Scrape;
use exporter_toolkit::web;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use invitations::Millis;
use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::{error, info};

use crate::config::{Config, Problems};
use crate::logging;
use crate::metrics::Metrics;
use crate::panics;
use crate::poller::Poller;
use crate::poller::source::Upstream;
use crate::shard::Shard;
use crate::snapshot::{Board, StatusReport};
use crate::state::Lifecycle;

/// Reads the configuration anew, from wherever it came at the start.
pub type Loader = Box<dyn Fn() -> Result<Config, Problems> + Send + Sync>;

/// What an exporter needs beside its configuration.
pub struct Parts {
    /// Reads the configuration again at a reload.
    pub loader: Loader,
    /// Which part of the organizations is this instance's.
    pub shard: Option<Shard>,
    /// The lifecycle's state.
    pub lifecycle: Arc<Lifecycle>,
    /// The metrics, over `board`.
    pub metrics: Arc<Metrics>,
    /// Where polls leave their results.
    pub board: Arc<Board>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("shard", &self.shard).finish_non_exhaustive()
    }
}

/// A running exporter.
#[derive(Debug)]
pub struct Exporter {
    parts: Parts,
    client: Mutex<Client>,
    poller: Poller,
    started: Millis,
    /// Held throughout a reload: one after the other.
    reloading: tokio::sync::Mutex<()>,
}

impl Parts {
    /// Parts with fresh metrics; `lifecycle` is in memory unless it was opened.
    #[must_use]
    pub fn new(loader: Loader, shard: Option<Shard>, lifecycle: Arc<Lifecycle>) -> Self {
        let board = Arc::<Board>::default();
        let snapshots = Arc::clone(&board);
        let metrics = Arc::new(Metrics::new(move || snapshots.snapshot()));
        if let Some(shard) = shard {
            metrics.exporter().set_shard(shard.index(), shard.count());
        }
        Self { loader, shard, lifecycle, metrics, board }
    }

    /// A client whose calls are counted.
    ///
    /// # Errors
    /// When a file or URL of the settings cannot be used.
    pub fn client(&self, config: &Config) -> Result<Client, BuildError> {
        Client::new(&config.api, self.metrics.api())
    }
}

impl Exporter {
    /// Starts polling with a client of these parts. Needs a tokio runtime.
    #[must_use]
    pub fn start(parts: Parts, config: &Config, client: Client) -> Arc<Self> {
        let now = Millis::now();
        parts.metrics.exporter().config_loaded(true, now);
        let upstream = Arc::new(Upstream::new(config, client.clone(), Arc::clone(&parts.lifecycle)));
        let (board, lifecycle) = (Arc::clone(&parts.board), Arc::clone(&parts.lifecycle));
        let poller = Poller::start(config, upstream, board, lifecycle, parts.shard);
        let preparing = prepare_scrapes(Arc::clone(&parts.board), Arc::clone(&parts.metrics));
        tokio::spawn(poller.stopped().run_until_cancelled_owned(preparing));
        let reloading = tokio::sync::Mutex::default();
        Arc::new(Self { parts, client: Mutex::new(client), poller, started: now, reloading })
    }

    /// Stops polling, then writes the state.
    pub async fn shutdown(&self) {
        self.poller.shutdown().await;
        let lifecycle = Arc::clone(&self.parts.lifecycle);
        let closed = tokio::task::spawn_blocking(move || lifecycle.close(Millis::now()));
        if closed.await.is_err() {
            error!("writing the state panicked");
        }
    }

    /// Reads the configuration again and goes over to it; a bad one changes nothing.
    ///
    /// # Errors
    /// Every problem of the new configuration.
    pub async fn reload_configuration(&self) -> Result<(), String> {
        let _one_at_a_time = self.reloading.lock().await;
        let result = self.apply_configuration();
        let exporter_metrics = self.parts.metrics.exporter();
        exporter_metrics.config_loaded(result.is_ok(), Millis::now());
        self.parts.metrics.refresh();
        match &result {
            Ok(()) => info!("configuration reloaded"),
            Err(problems) => error!(problems, "the configuration was not reloaded and the old one stays"),
        }
        result
    }

    fn apply_configuration(&self) -> Result<(), String> {
        let config = (self.parts.loader)().map_err(|problems| problems.to_string())?;
        let client = self.client.lock().reconfigured(&config.api).map_err(|error| error.to_string())?;
        let upstream = Upstream::new(&config, client.clone(), Arc::clone(&self.parts.lifecycle));
        self.poller.reload(&config, Arc::new(upstream));
        *self.client.lock() = client;
        Ok(())
    }

    /// What the status page shows.
    #[must_use]
    pub fn status(&self) -> StatusReport {
        let now = Millis::now();
        StatusReport {
            now,
            started: self.started,
            config_reload_successful: self.parts.metrics.exporter().config_load_successful(),
            shard: self.parts.shard.map(|shard| (shard.index(), shard.count())),
            organizations: self.parts.board.status(now),
        }
    }
}

/// Has scrapes at hand before they are asked for, whenever polls have changed something.
async fn prepare_scrapes(board: Arc<Board>, metrics: Arc<Metrics>) {
    /// Of this many parts of the time of a CPU it takes one: where polls end all the time, it prepares less often.
    const PARTS: u32 = 20;
    loop {
        board.changed().await;
        let start = Instant::now();
        let prepared = Arc::clone(&metrics);
        if tokio::task::spawn_blocking(move || prepared.prepare(Millis::now())).await.is_err() {
            error!("preparing a scrape panicked");
        }
        tokio::time::sleep(start.elapsed() * PARTS).await;
    }
}

impl web::Exporter for Exporter {
    fn kept_scrape(&self, accept: Option<&str>, accept_encoding: Option<&str>) -> Option<Scrape> {
        self.parts.metrics.kept_scrape(Millis::now(), accept, accept_encoding)
    }

    fn scrape(&self, accept: Option<&str>, accept_encoding: Option<&str>) -> Scrape {
        let own = self.parts.metrics.exporter();
        own.heartbeat(self.poller.heartbeat().last());
        own.set_troubles(panics::count(), logging::lines_dropped());
        if let Some(durable) = self.parts.lifecycle.durable() {
            own.set_state_durable(durable);
        }
        self.parts.metrics.scrape(Millis::now(), accept, accept_encoding)
    }

    fn health(&self) -> Result<(), String> {
        self.poller.heartbeat().check()
    }

    fn ready(&self) -> Result<(), String> {
        let snapshot = self.parts.board.snapshot();
        let waiting = snapshot.organizations.iter().filter(|entry| entry.up.is_none()).count();
        let all = snapshot.organizations.len();
        if waiting == 0 {
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
