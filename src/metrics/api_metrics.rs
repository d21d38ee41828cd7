//! Counts what the client does.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use csp_api::{Observer, Operation, Reason};
use invitations::histogram::Histogram;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::register;
use super::samples::Samples;
use crate::clock;

type Labels<const N: usize> = [(&'static str, &'static str); N];
type Codes = [(&'static str, String); 3];

/// From what a cache could answer to twice the default limit of one request.
const DURATION_BOUNDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Distinct pairs of error codes that keep their names: the upstream must not be able to fill a database.
const MAX_ERROR_CODES: usize = 50;
const OTHER: &str = "other";

/// What is counted about calls of the upstream, over all organizations.
#[derive(Debug)]
pub struct ApiMetrics {
    requests: Family<Labels<1>, Counter>,
    failures: Family<Labels<2>, Counter>,
    responses: Family<[(&'static str, String); 2], Counter>,
    error_codes: Family<Codes, Counter>,
    seen_error_codes: Mutex<BTreeSet<(String, String)>>,
    retries: Family<Labels<1>, Counter>,
    bytes: Family<Labels<1>, Counter>,
    throttle_wait: Counter<f64, AtomicU64>,
    durations: [Mutex<Histogram>; Operation::ALL.len()],
}

impl ApiMetrics {
    /// Registers everything, with every closed label value at zero.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            failures: Family::default(),
            responses: Family::default(),
            error_codes: Family::default(),
            seen_error_codes: Mutex::default(),
            retries: Family::default(),
            bytes: Family::default(),
            throttle_wait: Counter::default(),
            durations: Operation::ALL.map(|_| Mutex::new(Histogram::new(DURATION_BOUNDS))),
        };
        for operation in Operation::ALL {
            for family in [&metrics.requests, &metrics.retries, &metrics.bytes] {
                let _created = family.get_or_create(&labels(operation));
            }
            for reason in Reason::ALL {
                let _created = metrics.failures.get_or_create(&with_reason(operation, reason));
            }
        }
        register(registry, "csp_api_requests_total", metrics.requests.clone());
        register(registry, "csp_api_request_failures_total", metrics.failures.clone());
        register(registry, "csp_api_responses_total", metrics.responses.clone());
        register(registry, "csp_api_error_codes_total", metrics.error_codes.clone());
        register(registry, "csp_api_retries_total", metrics.retries.clone());
        register(registry, "csp_api_response_bytes_total", metrics.bytes.clone());
        register(registry, "csp_api_throttle_wait_seconds_total", metrics.throttle_wait.clone());
        metrics
    }

    /// The histograms as they are now, in the order of [`Operation::ALL`].
    pub(super) fn durations(&self) -> Durations {
        Durations(self.durations.each_ref().map(|histogram| histogram.lock().clone()))
    }
}

impl Observer for ApiMetrics {
    fn request(&self, operation: Operation) {
        self.requests.get_or_create(&labels(operation)).inc();
    }

    fn response(&self, operation: Operation, status: u16) {
        let labels = [("operation", operation.as_str().to_owned()), ("code", status.to_string())];
        self.responses.get_or_create(&labels).inc();
    }

    fn failure(&self, operation: Operation, reason: Reason) {
        self.failures.get_or_create(&with_reason(operation, reason)).inc();
    }

    fn retry(&self, operation: Operation) {
        self.retries.get_or_create(&labels(operation)).inc();
    }

    fn duration(&self, operation: Operation, took: Duration, request_id: Option<&str>) {
        let Some(histogram) = self.durations.get(operation as usize) else { return };
        let seconds = took.as_secs_f64();
        match request_id.filter(|id| is_clean(id, 100)) {
            Some(id) => histogram.lock().observe_with_exemplar(seconds, clock::now(), id),
            None => histogram.lock().observe(seconds),
        }
    }

    fn bytes(&self, operation: Operation, count: u64) {
        self.bytes.get_or_create(&labels(operation)).inc_by(count);
    }

    fn error_codes(&self, operation: Operation, csp_error_code: &str, module_code: &str) {
        let clean = |code: &str| if is_clean(code, 64) { code } else { OTHER }.to_owned();
        let mut pair = (clean(csp_error_code), clean(module_code));
        let mut seen = self.seen_error_codes.lock();
        if !seen.contains(&pair) {
            if seen.len() < MAX_ERROR_CODES {
                seen.insert(pair.clone());
            } else {
                pair = (OTHER.to_owned(), OTHER.to_owned());
            }
        }
        drop(seen);
        let labels =
            [("operation", operation.as_str().to_owned()), ("csp_error_code", pair.0), ("module_code", pair.1)];
        self.error_codes.get_or_create(&labels).inc();
    }

    fn throttle_wait(&self, waited: Duration) {
        self.throttle_wait.inc_by(waited.as_secs_f64());
    }
}

fn labels(operation: Operation) -> Labels<1> {
    [("operation", operation.as_str())]
}

fn with_reason(operation: Operation, reason: Reason) -> Labels<2> {
    [("operation", operation.as_str()), ("reason", reason.as_str())]
}

/// Whether `text` matches `[A-Za-z0-9._-]{1,limit}`.
fn is_clean(text: &str, limit: usize) -> bool {
    (1..=limit).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// The histograms at one moment, so that buckets and exemplars of a scrape belong together.
#[derive(Debug, Clone)]
pub(super) struct Durations([Histogram; Operation::ALL.len()]);

impl Durations {
    /// Adds one histogram per operation.
    pub(super) fn produce(&self, samples: &mut Samples<'_>) {
        for (operation, histogram) in Operation::ALL.iter().zip(&self.0) {
            samples.histogram(&[("operation", operation.as_str())], histogram);
        }
    }
}
