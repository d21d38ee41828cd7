//! The one way from samples to bytes.

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model as model;

use super::sample::{Labels, Sample, Value};
use super::{Encoding, Header, openmetrics, protobuf, text};

/// Writes the samples of one family in one format.
#[derive(Debug)]
pub struct Writer<'o> {
    encoding: Encoding,
    family: Header<'o>,
    out: &'o mut Vec<u8>,
}

impl<'o> Writer<'o> {
    /// Appends to `out`.
    pub fn new(encoding: Encoding, family: Header<'o>, out: &'o mut Vec<u8>) -> Self {
        Self { encoding, family, out }
    }

    /// Adds a sample.
    pub fn sample(&mut self, sample: Sample<'_>) {
        let Self { encoding, family, out } = self;
        match encoding {
            Encoding::Text => text::sample(family.name, sample, out),
            Encoding::OpenMetrics => openmetrics::sample(family.name, sample, out),
            Encoding::Protobuf => protobuf::sample(family.kind, sample, out),
        }
    }

    /// Adds a sample for each of these values of one more label, which goes last. What they have in common is written
    /// once and copied: most samples of an exposition are of this kind.
    pub fn by_label<'v>(&mut self, labels: Labels<'_>, label: &str, counts: impl Iterator<Item = (&'v str, u64)>) {
        let Self { encoding, family, out } = self;
        match encoding {
            Encoding::Text | Encoding::OpenMetrics => text::by_label(family.name, labels, label, counts, out),
            Encoding::Protobuf => protobuf::by_label(family.kind, labels, label, counts, out),
        }
    }

    /// Adds a sample of the library's model.
    pub fn metric(&mut self, metric: &model::Metric) {
        let labels: Vec<_> = metric.label.iter().map(|label| (&*label.name, &*label.value)).collect();
        let value = match metric {
            model::Metric { histogram: Some(histogram), .. } => Value::Histogram(histogram),
            model::Metric { counter: Some(counter), .. } => match &counter.exemplar {
                Some(exemplar) => Value::Exemplified(counter.value, exemplar),
                None => Value::Number(counter.value),
            },
            model::Metric { gauge: Some(gauge), .. } => Value::Number(gauge.value),
            model::Metric { untyped: Some(untyped), .. } => Value::Number(untyped.value),
            _ => return,
        };
        self.sample(Sample { labels: &labels, value });
    }
}
