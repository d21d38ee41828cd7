//! A list in, one organization's numbers out.

use std::convert::Infallible;
use std::sync::Arc;

use super::counts::{Census, Counts};
use super::criteria::Criteria;
use super::list::{ListError, ListReader};
use crate::IdentityKey;
use crate::Millis;

/// Counts a list while it arrives.
///
/// Memory is bounded by what is exported plus some sixty bytes an invitation
/// (its identity, its person's hash, its roles and groups as small numbers),
/// never by the body.
#[derive(Debug)]
pub struct CensusBuilder {
    reader: ListReader,
    counts: Counts,
}

impl CensusBuilder {
    /// No list yet; ages and expirations are reckoned from `at`.
    #[must_use]
    pub fn new(criteria: Arc<Criteria>, at: Millis) -> Self {
        Self::with_former(criteria, at, None)
    }

    /// The same, which also gives the identities that a state of the first format with this key has.
    #[must_use]
    pub fn with_former(criteria: Arc<Criteria>, at: Millis, former_key: Option<IdentityKey>) -> Self {
        Self { reader: ListReader::new(), counts: Counts::new(criteria, at, former_key) }
    }

    /// Takes the next piece of the body, of any length.
    ///
    /// # Errors
    /// When the body can no longer become a list; the builder is then of no further use.
    pub fn write(&mut self, chunk: &[u8]) -> Result<(), ListError> {
        let Self { reader, counts } = self;
        reader.write(chunk, |element| counts.add(element))?;
        if counts.is_too_varied() { Err(ListError::TooVaried) } else { Ok(()) }
    }

    /// Says that the body has ended. Cheap: the sums are drawn by [`CompleteList::census`].
    ///
    /// # Errors
    /// When the body was not a whole list.
    pub fn finish(self) -> Result<CompleteList, ListError> {
        let Self { mut reader, mut counts } = self;
        // The last element may have waited for its end until now.
        reader.finish(|element| counts.add(element))?;
        if counts.is_too_varied() { Err(ListError::TooVaried) } else { Ok(CompleteList { counts }) }
    }
}

/// A list that was read to its end.
#[derive(Debug)]
pub struct CompleteList {
    counts: Counts,
}

impl CompleteList {
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
