//! Samples straight into a text format, without the neutral form in between.
//!
//! The neutral form costs a dozen allocations a sample. That is nothing for the exporter's own metrics, but
//! the samples of organizations are counted by the hundred thousand.

use super::{number, text};
use crate::census::Status;
use crate::histogram::Histogram;

/// Writes the samples of one family.
#[derive(Debug)]
pub(in crate::metrics) struct Writer<'o> {
    name: &'static str,
    /// How the format writes the bound of a bucket.
    bound: fn(f64, &mut Vec<u8>),
    out: &'o mut Vec<u8>,
}

type Labels<'l> = &'l [(&'l str, &'l str)];

impl<'o> Writer<'o> {
    pub(super) fn new(name: &'static str, bound: fn(f64, &mut Vec<u8>), out: &'o mut Vec<u8>) -> Self {
        Self { name, bound, out }
    }

    /// A sample of a counter or gauge.
    pub(in crate::metrics) fn value(&mut self, labels: Labels<'_>, value: f64) {
        self.series("", labels, None);
        number::value(value, self.out);
        self.out.push(b'\n');
    }

    /// A sample of a counter.
    pub(in crate::metrics) fn count(&mut self, suffix: &str, labels: Labels<'_>, count: u64) {
        self.series(suffix, labels, None);
        number::count(count, self.out);
        self.out.push(b'\n');
    }

    /// One sample for each of these statuses: the label `status` goes last.
    pub(in crate::metrics) fn by_status(&mut self, labels: Labels<'_>, counts: impl Iterator<Item = (Status, u64)>) {
        let mut counts = counts.peekable();
        if counts.peek().is_none() {
            return;
        }
        let start = self.out.len();
        self.series("", labels, None);
        // What all of them begin with, without the brace and the space.
        let end = self.out.len() - 2;
        self.out.truncate(end);
        for (position, (status, count)) in counts.enumerate() {
            if position > 0 {
                self.out.extend_from_within(start..end);
            }
            for part in [",status=\"", status.as_str(), "\"} "] {
                self.out.extend_from_slice(part.as_bytes());
            }
            number::count(count, self.out);
            self.out.push(b'\n');
        }
    }

    /// A histogram with its classic buckets: the text formats have no others.
    pub(in crate::metrics) fn histogram(&mut self, labels: Labels<'_>, histogram: &Histogram) {
        let bounds = histogram.bounds().iter().copied().chain([f64::INFINITY]);
        let mut cumulative = 0;
        for (bound, count) in bounds.zip(histogram.counts()) {
            cumulative += count;
            let mut le = Vec::new();
            (self.bound)(bound, &mut le);
            self.series("_bucket", labels, Some(&le));
            number::count(cumulative, self.out);
            self.out.push(b'\n');
        }
        self.series("_sum", labels, None);
        number::value(histogram.sum(), self.out);
        self.out.push(b'\n');
        self.count("_count", labels, histogram.count());
    }

    fn series(&mut self, suffix: &str, labels: Labels<'_>, le: Option<&[u8]>) {
        text::series(self.out, self.name, suffix, labels.iter().copied(), le);
    }
}
