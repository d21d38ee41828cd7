//! What invitations are counted by.

use std::cmp::Ordering;

use crate::settings::Metrics;

/// What invitations are counted by, the same for every poll of an instance: what keeps its name, which roles are
/// privileged, which domains are trusted.
#[derive(Debug)]
pub struct Criteria {
    pub(super) metrics: Metrics,
    /// Shortest first: few names, of which most roles have none, are found by comparing sooner than by hashing.
    privileged: Vec<String>,
}

impl Criteria {
    /// Those of these settings.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let mut privileged = metrics.privileged_roles.clone();
        privileged.sort_unstable_by(|a, b| by_length(a, b));
        Self { metrics: metrics.clone(), privileged }
    }

    /// Whether invitations with this role are privileged.
    pub(super) fn is_privileged(&self, role: &str) -> bool {
        self.privileged.binary_search_by(|name| by_length(name, role)).is_ok()
    }

    /// Whether there are domains to trust.
    pub(super) fn judges_domains(&self) -> bool {
        self.metrics.trusted_domains.is_some()
    }

    /// Whether a user is of a trusted domain.
    pub(super) fn trusts(&self, username: Option<&str>) -> bool {
        let domain = username.and_then(|name| name.rsplit_once('@')).map_or("", |(_, domain)| domain);
        !domain.is_empty()
            && self.metrics.trusted_domains.iter().flatten().any(|entry| match entry.strip_prefix('*') {
                Some(suffix) => domain.len() > suffix.len() && domain.ends_with(suffix),
                None => domain == entry,
            })
    }
}

/// An order in which most names are told apart by their length alone.
fn by_length(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}
