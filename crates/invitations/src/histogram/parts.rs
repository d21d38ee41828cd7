//! A histogram as plain data, for a durable store.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Histogram, native};

/// Everything of a [`Histogram`] but its exemplars, which are worth nothing after a restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parts {
    /// Upper bounds of the classic buckets, so that a later version with other bounds notices.
    pub bounds: Vec<f64>,
    /// Observations per classic bucket, not cumulative; one more than bounds.
    pub counts: Vec<u64>,
    /// The sum of all values.
    pub sum: f64,
    /// Observations in the native bucket around zero.
    pub zero_count: u64,
    /// Occupied native buckets, ascending, as index and count.
    pub native: Vec<(i32, u64)>,
}

/// Two histograms, or a histogram and stored parts, that don't fit each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch;

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the histogram has other buckets, or counts that contradict each other")
    }
}

impl std::error::Error for Mismatch {}

impl Histogram {
    /// The plain data to store.
    #[must_use]
    pub fn to_parts(&self) -> Parts {
        let Self { bounds, counts, sum, zero_count, native, exemplars: _ } = self;
        Parts {
            bounds: bounds.to_vec(),
            counts: counts.clone(),
            sum: *sum,
            zero_count: *zero_count,
            native: native.iter().map(|(index, count)| (*index, *count)).collect(),
        }
    }

    /// The histogram that [`Self::to_parts`] was called on.
    ///
    /// # Errors
    ///
    /// When the parts have other bounds, or contradict themselves: stored data is not trusted.
    pub fn from_parts(bounds: &'static [f64], parts: Parts) -> Result<Self, Mismatch> {
        let Parts { bounds: stored, counts, sum, zero_count, native } = parts;
        let (lowest, highest) = native::range(bounds);
        let classic = counts.iter().try_fold(0u64, |total, count| total.checked_add(*count));
        let sparse = native.iter().try_fold(zero_count, |total, (_, count)| total.checked_add(*count));
        let plausible = stored == bounds
            && counts.len() == bounds.len() + 1
            && sum.is_finite()
            && sum >= 0.0
            && classic.is_some()
            && classic == sparse
            && native.is_sorted_by(|a, b| a.0 < b.0)
            && native.iter().all(|(index, _)| (lowest..=highest).contains(index));
        if !plausible {
            return Err(Mismatch);
        }
        Ok(Self { bounds, counts, sum, zero_count, native: native.into_iter().collect(), exemplars: Vec::new() })
    }
}
