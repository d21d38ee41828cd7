//! From a snapshot to the bytes of a scrape.
//!
//! Each family of the table hands its samples to one [writer](exporter_toolkit::exposition::Writer), which knows the format. What comes from
//! polls changes only with the snapshot, so it is written once for each form that is asked for, and kept in `pieces`
//! as they are sent; what is the exporter's own lives in a `prometheus_client` registry and is written for each scrape.

use std::sync::Arc;

use bytes::Bytes;
use exporter_toolkit::exposition::{Encoding, Scrape, negotiate};
use prometheus_client::registry::{Metric, Registry};

use crate::clock::Steady;
use crate::snapshot::Snapshot;

mod api_metrics;
mod cache;
mod exporter_metrics;
pub mod families;
pub(crate) mod family;
mod native;
mod pieces;
mod samples;
mod uncached;

pub use api_metrics::ApiMetrics;
pub use exporter_metrics::ExporterMetrics;

use cache::ScrapeCache;
use families::FAMILIES;
use family::{Chapter, Family};

pub(crate) use cache::FORGOTTEN_LATE;

type Snapshots = Box<dyn Fn() -> Arc<Snapshot> + Send + Sync>;

/// All metrics of the exporter.
pub struct Metrics {
    registry: Registry,
    snapshots: Snapshots,
    api: Arc<ApiMetrics>,
    exporter: Arc<ExporterMetrics>,
    cache: ScrapeCache,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Metrics over the snapshots that `source` gives; it is asked once for each scrape.
    pub fn new(source: impl Fn() -> Arc<Snapshot> + Send + Sync + 'static) -> Self {
        let mut registry = Registry::default();
        let api = Arc::new(ApiMetrics::new(&mut registry));
        let exporter = Arc::new(ExporterMetrics::new(&mut registry));
        Self { registry, snapshots: Box::new(source), api, exporter, cache: ScrapeCache::default() }
    }

    /// Where the client's calls are counted.
    #[must_use]
    pub fn api(&self) -> Arc<ApiMetrics> {
        Arc::clone(&self.api)
    }

    /// Where the exporter's own doings are counted.
    #[must_use]
    pub fn exporter(&self) -> Arc<ExporterMetrics> {
        Arc::clone(&self.exporter)
    }

    /// Everything at `now`, in the format that the headers `Accept` and `Accept-Encoding` ask for.
    ///
    /// Encoding and compressing are work for the CPU, as far as they have to be done at all.
    #[must_use]
    pub fn scrape(&self, now: Steady, accept: Option<&str>, accept_encoding: Option<&str>) -> Scrape {
        let (encoding, content_type) = negotiate::format(accept);
        let gzip = negotiate::gzip(accept_encoding);
        let own = |snapshot: &Snapshot| uncached::encode(encoding, &self.registry, snapshot, &self.api.durations());
        let body = self.cache.find_or_make(encoding, gzip, &self.snapshots, now, own);
        Scrape { content_type, content_encoding: gzip.then_some("gzip"), body }
    }

    /// What [`Self::scrape`] would give, when nothing has to be encoded or compressed for it.
    #[must_use]
    pub(crate) fn cached_scrape(
        &self,
        now: Steady,
        accept: Option<&str>,
        accept_encoding: Option<&str>,
    ) -> Option<Scrape> {
        let (encoding, content_type) = negotiate::format(accept);
        let gzip = negotiate::gzip(accept_encoding);
        let body = self.cache.find(encoding, gzip, &self.snapshots, now)?;
        Some(Scrape { content_type, content_encoding: gzip.then_some("gzip"), body })
    }

    /// Makes what comes from polls in the forms that scrapes have asked for lately, so that the next one finds it, and
    /// forgets the other forms. To be called when something has changed, and each `FORGOTTEN_LATE`.
    ///
    /// Work for the CPU. Without it the scrape does it all the same, and takes longer.
    pub fn prepare(&self, now: Steady) {
        self.cache.prepare(&self.snapshots, now);
    }

    /// Lets the next scrape show what has just happened in the exporter itself.
    pub(crate) fn refresh(&self) {
        self.cache.forget_own();
    }

    /// The invitation and polling families of every organization at `now`, and the lifecycle's if it is kept, in the
    /// text format 0.0.4: what a text file collector can take without a clash.
    #[must_use]
    pub fn once_text(&self, now: Steady, lifecycle: bool) -> Bytes {
        let wanted = |family: &Family| match family.chapter {
            Chapter::Invitations | Chapter::Polling => true,
            Chapter::Lifecycle => lifecycle,
            Chapter::Api | Chapter::Exporter | Chapter::Process => false,
        };
        // What belongs to no organization is about this process, which is gone when the file is read.
        pieces::text(Encoding::Text, &(self.snapshots)(), now, wanted).into()
    }
}

/// Registers a metric under a row of the table.
fn register(registry: &mut Registry, name: &str, metric: impl Metric) {
    match families::position(name).and_then(|position| FAMILIES.get(position)) {
        Some(family) => family.register(registry, metric),
        None => debug_assert!(false, "{name} is not in the table"),
    }
}
