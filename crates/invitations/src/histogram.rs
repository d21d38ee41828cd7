//! A histogram that is classic and native at once, as a plain value.
//!
//! `prometheus_client`'s histogram can be neither read back, merged nor restored, and carries no exemplars
//! next to native buckets. This one can, because redemption durations must survive a restart; it knows
//! nothing of an exposition format.

use std::collections::BTreeMap;

use crate::Millis;

mod native;
mod parts;
#[cfg(test)]
mod tests;

use native::native_index;
pub use native::{SCHEMA, ZERO_THRESHOLD};
pub use parts::{Mismatch, Parts};

/// An observation that can be looked up elsewhere, by the request id that the upstream gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// The value that was observed.
    pub value: f64,
    /// When it was observed.
    pub at: Millis,
    /// The upstream's id of the request.
    pub request_id: String,
}

/// Counts of observations by size, in fixed classic buckets and in sparse native ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One per bound and one for what is above all of them; not cumulative.
    counts: Vec<u64>,
    sum: f64,
    zero_count: u64,
    native: BTreeMap<i32, u64>,
    exemplars: Vec<Option<Exemplar>>,
}

impl Histogram {
    /// An empty histogram with these upper bounds (inclusive, ascending, finite; `+Inf` is implied).
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        debug_assert!(bounds.is_sorted_by(|a, b| a < b) && bounds.iter().all(|bound| bound.is_finite()));
        Self {
            bounds,
            counts: vec![0; bounds.len() + 1],
            sum: 0.0,
            zero_count: 0,
            native: BTreeMap::new(),
            exemplars: Vec::new(),
        }
    }

    /// Counts `value`.
    ///
    /// A negative value counts as zero, because the sum of a Prometheus histogram must never fall; a value
    /// that is not finite is dropped, because the sum would never recover from it.
    pub fn observe(&mut self, value: f64) {
        self.record(value);
    }

    /// Counts `value` and remembers it as the latest exemplar of its classic bucket.
    pub fn observe_with_exemplar(&mut self, value: f64, at: Millis, request_id: &str) {
        let Some(bucket) = self.record(value) else { return };
        if self.exemplars.is_empty() {
            self.exemplars.resize(self.counts.len(), None);
        }
        self.exemplars[bucket] = Some(Exemplar { value: value.max(0.0), at, request_id: request_id.to_owned() });
    }

    /// The classic bucket that `value` was counted in.
    fn record(&mut self, value: f64) -> Option<usize> {
        if !value.is_finite() {
            return None;
        }
        let value = value.max(0.0);
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket] += 1;
        self.sum += value;
        if value <= ZERO_THRESHOLD {
            self.zero_count += 1;
        } else {
            let (lowest, highest) = native::range(self.bounds);
            *self.native.entry(native_index(value).clamp(lowest, highest)).or_default() += 1;
        }
        Some(bucket)
    }

    /// Adds all observations of `other`, without their exemplars.
    ///
    /// # Errors
    ///
    /// When the bounds differ; nothing is added then.
    pub fn merge(&mut self, other: &Self) -> Result<(), Mismatch> {
        if self.bounds != other.bounds {
            return Err(Mismatch);
        }
        let Self { bounds: _, counts, sum, zero_count, native, exemplars: _ } = self;
        for (mine, theirs) in counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        *sum += other.sum;
        *zero_count += other.zero_count;
        for (index, theirs) in &other.native {
            *native.entry(*index).or_default() += theirs;
        }
        Ok(())
    }

    /// The upper bounds of the classic buckets, without `+Inf`.
    #[must_use]
    pub fn bounds(&self) -> &'static [f64] {
        self.bounds
    }

    /// Observations per classic bucket, not cumulative; the last entry is what is above all bounds.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// How many values were observed.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all values.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Observations within [`ZERO_THRESHOLD`] of zero.
    #[must_use]
    pub fn zero_count(&self) -> u64 {
        self.zero_count
    }

    /// The occupied native buckets, ascending, as index and count (not cumulative).
    pub fn native_buckets(&self) -> impl Iterator<Item = (i32, u64)> + '_ {
        self.native.iter().map(|(index, count)| (*index, *count))
    }

    /// The latest exemplar of each classic bucket, with the bucket's position in [`Self::counts`].
    pub fn exemplars(&self) -> impl Iterator<Item = (usize, &Exemplar)> {
        self.exemplars.iter().enumerate().filter_map(|(i, exemplar)| Some((i, exemplar.as_ref()?)))
    }
}
