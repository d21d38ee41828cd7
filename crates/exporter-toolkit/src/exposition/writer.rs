//! Samples straight into a text format, without the neutral form in between.
//!
//! The neutral form costs a dozen allocations a sample. That is nothing for the exporter's own metrics, but
//! the samples of organizations are counted by the hundred thousand.

use super::{number, text};

/// Writes the samples of one family.
#[derive(Debug)]
pub struct Writer<'o> {
    name: &'o str,
    /// How the format writes the bound of a bucket.
    bound: fn(f64, &mut Vec<u8>),
    out: &'o mut Vec<u8>,
}

/// The classic buckets of a histogram.
#[derive(Debug, Clone, Copy)]
pub struct Buckets<'h> {
    /// Upper bounds, ascending, without `+Inf`.
    pub bounds: &'h [f64],
    /// Observations per bucket, not cumulative; the last entry is what is above all bounds.
    pub counts: &'h [u64],
    /// The sum of all values.
    pub sum: f64,
}

type Labels<'l> = &'l [(&'l str, &'l str)];

impl<'o> Writer<'o> {
    pub(super) fn new(name: &'o str, bound: fn(f64, &mut Vec<u8>), out: &'o mut Vec<u8>) -> Self {
        Self { name, bound, out }
    }

    /// A sample of a counter or gauge.
    pub fn value(&mut self, labels: Labels<'_>, value: f64) {
        self.series("", labels, None);
        number::value(value, self.out);
        self.out.push(b'\n');
    }

    /// A sample of a counter.
    pub fn count(&mut self, suffix: &str, labels: Labels<'_>, count: u64) {
        self.series(suffix, labels, None);
        number::count(count, self.out);
        self.out.push(b'\n');
    }

    /// One sample for each of these values of one more label, which goes last.
    pub fn by_label<'v>(&mut self, labels: Labels<'_>, label: &str, counts: impl Iterator<Item = (&'v str, u64)>) {
        let start = self.out.len();
        self.series("", labels, None);
        // What all of them begin with, without the brace and the space.
        let end = self.out.len() - 2;
        self.out.truncate(end);
        for (position, (value, count)) in counts.enumerate() {
            if position > 0 {
                self.out.extend_from_within(start..end);
            }
            for part in [",", label, "=\"", value, "\"} "] {
                self.out.extend_from_slice(part.as_bytes());
            }
            number::count(count, self.out);
            self.out.push(b'\n');
        }
    }

    /// A histogram with its classic buckets: the text formats have no others.
    pub fn histogram(&mut self, labels: Labels<'_>, histogram: Buckets<'_>) {
        let Buckets { bounds, counts, sum } = histogram;
        let bounds = bounds.iter().copied().chain([f64::INFINITY]);
        let mut cumulative = 0;
        for (bound, count) in bounds.zip(counts) {
            cumulative += count;
            let mut le = Vec::new();
            (self.bound)(bound, &mut le);
            self.series("_bucket", labels, Some(&le));
            number::count(cumulative, self.out);
            self.out.push(b'\n');
        }
        self.series("_sum", labels, None);
        number::value(sum, self.out);
        self.out.push(b'\n');
        self.count("_count", labels, cumulative);
    }

    fn series(&mut self, suffix: &str, labels: Labels<'_>, le: Option<&[u8]>) {
        text::series(self.out, self.name, suffix, labels.iter().copied(), le);
    }
}
