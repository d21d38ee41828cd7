//! The fold: a list's elements in, one organization's numbers out.

use std::convert::Infallible;
use std::sync::Arc;

use super::View;
use super::counts::Counts;
use super::list::{ListError, ListReader};
use crate::Millis;
use crate::settings::Metrics;
use crate::{Former, IdentityKey, Sighting};

/// How a list is turned into numbers: the same for every poll of an instance.
#[derive(Debug)]
pub struct Rules {
    pub(super) metrics: Metrics,
    /// Sorted: few names, of which most roles have none, are found by comparing sooner than by hashing.
    privileged: Vec<String>,
}

impl Rules {
    /// Rules for these settings.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let mut privileged = metrics.privileged_roles.clone();
        privileged.sort_unstable();
        Self { metrics: metrics.clone(), privileged }
    }

    /// Whether invitations with this role are privileged.
    pub(super) fn is_privileged(&self, role: &str) -> bool {
        self.privileged.binary_search_by(|name| name.as_str().cmp(role)).is_ok()
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

/// A whole list, counted.
#[derive(Debug)]
pub struct Census {
    /// The numbers.
    pub view: View,
    /// Every invitation of the list, for the lifecycle; in no particular order.
    pub sightings: Vec<Sighting>,
    /// Their identities in a state of the first format, where its key was given.
    pub former: Option<Vec<Former>>,
}

/// Counts a list while it arrives.
///
/// Memory is bounded by what is exported plus some sixty bytes an invitation
/// (its identity, its person's hash, its roles and groups as small numbers),
/// never by the body.
#[derive(Debug)]
pub struct Fold {
    reader: ListReader,
    counts: Counts,
}

impl Fold {
    /// An empty fold; ages and expirations are reckoned from `at`.
    #[must_use]
    pub fn new(rules: Arc<Rules>, at: Millis) -> Self {
        Self::with_former(rules, at, None)
    }

    /// The same, which also gives the identities that a state of the first format with this key has.
    #[must_use]
    pub fn with_former(rules: Arc<Rules>, at: Millis, former_key: Option<IdentityKey>) -> Self {
        Self { reader: ListReader::new(), counts: Counts::new(rules, at, former_key) }
    }

    /// Takes the next piece of the body, of any length.
    ///
    /// # Errors
    /// When the body can no longer become a list; the fold is then of no further use.
    pub fn write(&mut self, chunk: &[u8]) -> Result<(), ListError> {
        let Self { reader, counts } = self;
        reader.write(chunk, |element| counts.add(element))?;
        if counts.is_too_varied() { Err(ListError::TooVaried) } else { Ok(()) }
    }

    /// Says that the body has ended. Cheap: the sums are drawn by [`Whole::census`].
    ///
    /// # Errors
    /// When the body was not a whole list.
    pub fn finish(self) -> Result<Whole, ListError> {
        let Self { mut reader, mut counts } = self;
        // The last element may have waited for its end until now.
        reader.finish(|element| counts.add(element))?;
        if counts.is_too_varied() { Err(ListError::TooVaried) } else { Ok(Whole { counts }) }
    }
}

/// A list that was read to its end.
#[derive(Debug)]
pub struct Whole {
    counts: Counts,
}

impl Whole {
    /// How many elements the list had.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.counts.len()
    }

    /// Whether the list had no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Draws the sums. Takes time in proportion to the list: not for a thread that serves others.
    #[must_use]
    pub fn census(self) -> Census {
        let Ok(census) = self.census_unless(|| Ok::<(), Infallible>(()));
        census
    }

    /// The same, but ends early with what `check` says: it is asked now and then where drawing the sums takes long.
    ///
    /// # Errors
    /// Those of `check`.
    pub fn census_unless<E>(self, check: impl FnMut() -> Result<(), E>) -> Result<Census, E> {
        self.counts.census(check)
    }
}
