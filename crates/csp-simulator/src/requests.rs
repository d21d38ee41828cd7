//! What was asked: counts for tests and rehearsals, without secrets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use axum::http::request::Parts;
use parking_lot::Mutex;
use serde::Serialize;

/// What has been asked of the simulator so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// Every request.
    pub total: u64,
    /// The most requests that were under way at once, bodies of answers included.
    pub max_concurrent: u64,
    /// By operation: `token`, `token_details`, `invitations`, `invitation`, `organization`, `groups`,
    /// `user_organizations`, `other`.
    pub operations: BTreeMap<&'static str, OperationRequests>,
}

/// The requests of one operation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OperationRequests {
    /// Every request of this operation.
    pub total: u64,
    /// By the organization's id, where the request names one that exists.
    pub organizations: BTreeMap<String, u64>,
    /// Path and query of the last one; requests carry their secrets elsewhere.
    pub last_target: String,
    /// Headers of the last one, without those that carry a secret.
    pub last_headers: BTreeMap<String, String>,
}

impl Requests {
    /// How often `operation` was asked for.
    #[must_use]
    pub fn count(&self, operation: &str) -> u64 {
        self.operations.get(operation).map_or(0, |requests| requests.total)
    }

    /// How often `operation` was asked for of the organization with the id `organization`.
    #[must_use]
    pub fn count_of(&self, operation: &str, organization: &str) -> u64 {
        self.operations.get(operation).and_then(|r| r.organizations.get(organization)).copied().unwrap_or(0)
    }
}

/// Keeps [`Requests`].
#[derive(Debug, Default)]
pub(super) struct Recorder {
    requests: Mutex<Requests>,
    under_way: Arc<AtomicU64>,
}

/// Held while a request is under way.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<AtomicU64>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Recorder {
    /// Notes that a request has begun.
    pub(super) fn begin(&self) -> UnderWay {
        let concurrent = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        let mut requests = self.requests.lock();
        requests.total += 1;
        requests.max_concurrent = requests.max_concurrent.max(concurrent);
        UnderWay(Arc::clone(&self.under_way))
    }

    /// Notes what the request wants.
    pub(super) fn note(&self, operation: &'static str, organization: Option<&str>, parts: &Parts) {
        let secret = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE];
        let headers = parts.headers.iter().filter(|(name, _)| !secret.contains(name) && *name != "csp-auth-token");
        let headers = headers
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let mut requests = self.requests.lock();
        let entry = requests.operations.entry(operation).or_default();
        entry.total += 1;
        entry.last_target = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        entry.last_headers = headers;
        if let Some(organization) = organization {
            *entry.organizations.entry(organization.to_owned()).or_default() += 1;
        }
    }

    /// What was noted so far.
    pub(super) fn requests(&self) -> Requests {
        self.requests.lock().clone()
    }

    /// Forgets what was noted so far.
    pub(super) fn reset(&self) {
        *self.requests.lock() = Requests::default();
    }
}
