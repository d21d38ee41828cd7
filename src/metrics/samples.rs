//! What the rows of the table hand their samples to.

use std::time::{Duration, UNIX_EPOCH};

use exporter_toolkit::exposition::{Labels, Sample, Value, Writer};
use invitations::Status;
use invitations::census::view::ByStatus;
use invitations::histogram::{self, Exemplar, Histogram};
use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model as model;

use super::native::spans_and_deltas;

/// Takes the samples of one family.
#[derive(Debug)]
pub(crate) struct Samples<'e>(Writer<'e>);

impl<'e> Samples<'e> {
    /// Samples that `writer` writes.
    pub(super) fn new(writer: Writer<'e>) -> Self {
        Self(writer)
    }

    /// Adds a sample of a gauge.
    pub(super) fn gauge(&mut self, labels: Labels<'_>, value: f64) {
        self.0.sample(Sample { labels, value: Value::Number(value) });
    }

    /// Adds a sample of a counter.
    pub(super) fn counter(&mut self, labels: Labels<'_>, value: u64) {
        self.0.sample(Sample { labels, value: Value::Count(value) });
    }

    /// Adds one sample per status: the label `status` goes last.
    pub(super) fn by_status(&mut self, labels: Labels<'_>, counts: &ByStatus) {
        self.by_statuses(labels, Status::ALL.into_iter().zip(*counts));
    }

    /// Adds one sample per status that occurs.
    pub(super) fn by_status_that_occurs(&mut self, labels: Labels<'_>, counts: &ByStatus) {
        self.by_statuses(labels, Status::ALL.into_iter().zip(*counts).filter(|(_, count)| *count > 0));
    }

    /// Adds one sample per value of a label, which goes last.
    pub(super) fn by_label<'v>(
        &mut self,
        labels: Labels<'_>,
        label: &str,
        counts: impl Iterator<Item = (&'v str, u64)>,
    ) {
        self.0.by_label(labels, label, counts);
    }

    fn by_statuses(&mut self, labels: Labels<'_>, counts: impl Iterator<Item = (Status, u64)>) {
        self.by_label(labels, "status", counts.map(|(status, count)| (status.as_str(), count)));
    }

    /// Adds a histogram with its native buckets and its exemplars.
    pub(super) fn histogram(&mut self, labels: Labels<'_>, histogram: &Histogram) {
        self.0.sample(Sample { labels, value: Value::Histogram(&modelled(histogram)) });
    }

    /// Adds the samples of a family that lives in a registry.
    pub(super) fn registered(&mut self, family: &model::MetricFamily) {
        family.metric.iter().for_each(|metric| self.0.metric(metric));
    }
}

fn modelled(histogram: &Histogram) -> model::Histogram {
    let bounds = histogram.bounds().iter().copied().chain([f64::INFINITY]);
    let mut cumulative_count = 0;
    let buckets = bounds.zip(histogram.counts()).map(|(upper_bound, count)| {
        cumulative_count += count;
        model::Bucket { cumulative_count, upper_bound, ..Default::default() }
    });
    let mut bucket: Vec<_> = buckets.collect();
    for (position, exemplar) in histogram.exemplars() {
        if let Some(bucket) = bucket.get_mut(position) {
            bucket.exemplar = Some(exemplified(exemplar));
        }
    }
    let (spans, positive_delta) = spans_and_deltas(histogram.native_buckets());
    model::Histogram {
        sample_count: histogram.count(),
        sample_sum: histogram.sum(),
        bucket,
        schema: histogram::SCHEMA,
        zero_threshold: histogram::ZERO_THRESHOLD,
        zero_count: histogram.zero_count(),
        positive_span: spans.into_iter().map(|(offset, length)| model::BucketSpan { offset, length }).collect(),
        positive_delta,
        ..Default::default()
    }
}

fn exemplified(exemplar: &Exemplar) -> model::Exemplar {
    let Exemplar { value, at, request_id } = exemplar;
    let at = UNIX_EPOCH + Duration::from_millis(u64::try_from(at.0).unwrap_or(0));
    let label = vec![model::LabelPair { name: "request_id".to_owned(), value: request_id.clone() }];
    model::Exemplar { label, value: *value, timestamp: Some(at.into()) }
}
