//! Counts what the exporter does on its own account.

use std::sync::atomic::{AtomicU64, Ordering};

use invitations::Millis;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::register;
use crate::build_info;

type Seconds = Gauge<f64, AtomicU64>;

/// The handlers that answer with 200, which their counters start from.
const HANDLERS: [&str; 7] = ["metrics", "health", "ready", "reload", "status", "api", "style"];

/// What is counted about the exporter itself.
#[derive(Debug)]
pub struct ExporterMetrics {
    reload_successful: Gauge,
    reload_success: Seconds,
    heartbeat: Seconds,
    shard_index: Gauge,
    shards: Gauge,
    panics: Counter,
    log_lines_dropped: Counter,
    http_requests: Family<[(&'static str, String); 2], Counter>,
    /// Empty, and so absent, until it is known.
    state_durable: Family<[(&'static str, &'static str); 0], Gauge>,
    state_resets: Family<[(&'static str, &'static str); 0], Counter>,
}

impl ExporterMetrics {
    /// Registers everything; unsharded, no reload yet.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            reload_successful: Gauge::default(),
            reload_success: Seconds::default(),
            heartbeat: Seconds::default(),
            shard_index: Gauge::default(),
            shards: Gauge::default(),
            panics: Counter::default(),
            log_lines_dropped: Counter::default(),
            http_requests: Family::default(),
            state_durable: Family::default(),
            state_resets: Family::default(),
        };
        metrics.set_shard(1, 1);
        for handler in HANDLERS {
            let _created =
                metrics.http_requests.get_or_create(&[("handler", handler.to_owned()), ("code", "200".to_owned())]);
        }
        let build = Family::<[(&'static str, &'static str); 3], Gauge>::default();
        let labels = [
            ("version", build_info::VERSION),
            ("revision", build_info::REVISION),
            ("rust_version", build_info::RUST_VERSION),
        ];
        build.get_or_create(&labels).set(1);
        register(registry, "csp_exporter_build_info", build);
        register(registry, "csp_exporter_config_last_reload_successful", metrics.reload_successful.clone());
        register(registry, "csp_exporter_config_last_reload_success_timestamp_seconds", metrics.reload_success.clone());
        register(registry, "csp_exporter_scheduler_heartbeat_timestamp_seconds", metrics.heartbeat.clone());
        register(registry, "csp_exporter_shard_index", metrics.shard_index.clone());
        register(registry, "csp_exporter_shards", metrics.shards.clone());
        register(registry, "csp_exporter_panics_total", metrics.panics.clone());
        register(registry, "csp_exporter_log_lines_dropped_total", metrics.log_lines_dropped.clone());
        register(registry, "csp_exporter_http_requests_total", metrics.http_requests.clone());
        register(registry, "csp_exporter_state_durable", metrics.state_durable.clone());
        register(registry, "csp_exporter_state_resets_total", metrics.state_resets.clone());
        metrics
    }

    /// A load of the configuration, the first included, has ended.
    pub fn config_loaded(&self, successful: bool, at: Millis) {
        self.reload_successful.set(i64::from(successful));
        if successful {
            self.reload_success.set(at.as_seconds());
        }
    }

    /// Whether the last load of the configuration succeeded.
    #[must_use]
    pub(crate) fn config_load_successful(&self) -> bool {
        self.reload_successful.get() == 1
    }

    /// The scheduler is alive.
    pub(crate) fn heartbeat(&self, at: Millis) {
        self.heartbeat.set(at.as_seconds());
    }

    /// Which shard this is: a 1-based index, and how many there are.
    pub(crate) fn set_shard(&self, index: u32, count: u32) {
        self.shard_index.set(i64::from(index));
        self.shards.set(i64::from(count));
    }

    /// How many tasks ended in a panic, and how many log lines nobody took, since the start.
    pub(crate) fn set_troubles(&self, panics: u64, log_lines_dropped: u64) {
        self.panics.inner().store(panics, Ordering::Relaxed);
        self.log_lines_dropped.inner().store(log_lines_dropped, Ordering::Relaxed);
    }

    /// A request was answered by one of a closed set of handlers.
    pub fn http_request(&self, handler: &'static str, code: u16) {
        let labels = [("handler", handler.to_owned()), ("code", code.to_string())];
        self.http_requests.get_or_create(&labels).inc();
    }

    /// Whether the state folder takes what is written, and how many stored states had to be set aside since the start;
    /// never called without one.
    pub fn set_state(&self, durable: bool, resets: u64) {
        self.state_durable.get_or_create(&[]).set(i64::from(durable));
        let counter = self.state_resets.get_or_create(&[]);
        counter.inc_by(resets.saturating_sub(counter.get()));
    }
}
