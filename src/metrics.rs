//! From a snapshot to the bytes of a scrape.
//!
//! Everything passes through `prometheus_client` registries into one neutral form, Prometheus' protobuf model,
//! which the exposition formats are written from. The samples of an organization change only with its snapshot,
//! so they are encoded once for each format and data state and kept: a scrape mostly copies.

use std::sync::Arc;

use bytes::Bytes;
use exporter_toolkit::exposition::{self, Encoding, Scrape, negotiate};
use invitations::Millis;
use prometheus_client::registry::{Metric, Registry};

use crate::snapshot::Snapshot;

mod api;
mod blocks;
mod cache;
mod collect;
mod exporter;
pub mod families;
pub mod family;
mod kept;
mod layout;
mod native;
mod polled;
mod samples;

pub use api::ApiMetrics;
pub use exporter::ExporterMetrics;

use blocks::Blocks;
use cache::Cache;
use families::FAMILIES;
use family::{Family, Part};
use kept::{Kept, Maker};
use layout::Layout;
use polled::Polled;

type Snapshots = Box<dyn Fn() -> Arc<Snapshot> + Send + Sync>;

/// All metrics of the exporter.
pub struct Metrics {
    registry: Registry,
    snapshots: Snapshots,
    api: Arc<ApiMetrics>,
    exporter: Arc<ExporterMetrics>,
    cache: Cache,
    kept: Kept,
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
        Self { registry, snapshots: Box::new(source), api, exporter, cache: Cache::default(), kept: Kept::default() }
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
    pub fn scrape(&self, now: Millis, accept: Option<&str>, accept_encoding: Option<&str>) -> Scrape {
        let (encoding, content_type) = negotiate::format(accept);
        let gzip = negotiate::gzip(accept_encoding);
        let snapshot = (self.snapshots)();
        let making = Making { metrics: self, encoding, snapshot: &snapshot, now };
        let body = self.kept.find_or_make(encoding, gzip, &snapshot, now, &making);
        Scrape { content_type, content_encoding: gzip.then_some("gzip"), body }
    }

    /// What [`Self::scrape`] would give, when nothing has to be encoded or compressed for it.
    #[must_use]
    pub fn kept_scrape(&self, now: Millis, accept: Option<&str>, accept_encoding: Option<&str>) -> Option<Scrape> {
        let (encoding, content_type) = negotiate::format(accept);
        let gzip = negotiate::gzip(accept_encoding);
        let body = self.kept.find(encoding, gzip, &(self.snapshots)(), now)?;
        Some(Scrape { content_type, content_encoding: gzip.then_some("gzip"), body })
    }

    /// Makes what comes from polls in the forms that scrapes have asked for lately, so that the next one finds it.
    ///
    /// Work for the CPU. Without it the scrape does it all the same, and takes longer.
    pub fn prepare(&self, now: Millis) {
        let snapshot = (self.snapshots)();
        for encoding in Encoding::ALL {
            let making = Making { metrics: self, encoding, snapshot: &snapshot, now };
            self.kept.prepare(encoding, &snapshot, now, &making);
        }
    }

    /// Lets the next scrape show what has just happened in the exporter itself.
    pub fn refresh(&self) {
        self.kept.forget_own();
    }

    /// The invitation and polling families of every organization at `now`, and the lifecycle's if it is kept, in the
    /// text format 0.0.4: what a text file collector can take without a clash.
    #[must_use]
    pub fn once_text(&self, now: Millis, lifecycle: bool) -> Bytes {
        let wanted = |family: &Family| match family.part {
            Part::Invitations | Part::Polling => true,
            Part::Lifecycle => lifecycle,
            Part::Api | Part::Exporter | Part::Process => false,
        };
        let organizations = self.cache.organizations(&(self.snapshots)());
        let sources: Vec<&Blocks> = organizations.iter().map(|cached| cached.blocks(Encoding::Text, now)).collect();
        // What belongs to no organization is about this process, which is gone when the file is read.
        Layout { encoding: Encoding::Text, sources: &sources }.plain(wanted).into()
    }
}

/// What a scrape of one snapshot in one format is made of.
struct Making<'m> {
    metrics: &'m Metrics,
    encoding: Encoding,
    snapshot: &'m Arc<Snapshot>,
    now: Millis,
}

impl Maker for Making<'_> {
    fn polled(&self) -> Polled {
        let Self { metrics, encoding, snapshot, now } = self;
        Polled::new(*encoding, snapshot, metrics.cache.organizations(snapshot), *now)
    }

    /// The families that belong to no organization, and the end of the exposition.
    fn own(&self) -> Vec<u8> {
        let Self { metrics, encoding, snapshot, .. } = self;
        let own = collect::own(&metrics.registry, snapshot, &metrics.api.durations());
        let blocks = Blocks::encode(*encoding, &own);
        let mut out = Layout { encoding: *encoding, sources: &[&blocks] }.plain(|_| true);
        exposition::finish(*encoding, &mut out);
        out
    }
}

/// Registers a metric under a row of the table.
fn register(registry: &mut Registry, name: &str, metric: impl Metric) {
    match families::position(name).and_then(|position| FAMILIES.get(position)) {
        Some(family) => family.register(registry, metric),
        None => debug_assert!(false, "{name} is not in the table"),
    }
}
