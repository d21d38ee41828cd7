//! What the rows of the table hand their samples to.

use std::fmt;

use exporter_toolkit::exposition::{Buckets, Writer};
use invitations::Status;
use invitations::census::view::ByStatus;
use invitations::histogram::{self, Histogram};
use prometheus_client::encoding::{MetricEncoder, NativeHistogram, NativeHistogramBuckets, NoLabelSet};

use super::native::spans_and_deltas;

/// Takes the samples of one family.
#[derive(Debug)]
pub struct Samples<'e>(Form<'e>);

/// What becomes of samples.
#[derive(Debug)]
enum Form<'e> {
    /// They go to a registry's encoder, and so into the neutral form.
    Neutral(MetricEncoder<'e>),
    /// They are text at once.
    Text(Writer<'e>),
}

impl<'e> Samples<'e> {
    /// Samples that go through a registry's encoder.
    pub(super) fn neutral(encoder: MetricEncoder<'e>) -> Self {
        Self(Form::Neutral(encoder))
    }

    /// Samples that are written as text at once.
    pub(super) fn text(writer: Writer<'e>) -> Self {
        Self(Form::Text(writer))
    }

    /// Adds a sample of a gauge.
    pub(super) fn gauge(&mut self, labels: &[(&str, &str)], value: f64) -> fmt::Result {
        match &mut self.0 {
            Form::Neutral(encoder) => encoder.encode_family(&labels)?.encode_gauge(&value)?,
            Form::Text(writer) => writer.value(labels, value),
        }
        Ok(())
    }

    /// Adds a sample of a counter.
    pub(super) fn counter(&mut self, labels: &[(&str, &str)], value: u64) -> fmt::Result {
        match &mut self.0 {
            Form::Neutral(encoder) => {
                encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, u64>(&value, None)?;
            }
            Form::Text(writer) => writer.count("", labels, value),
        }
        Ok(())
    }

    /// Adds a sample of a counter that is not a whole number.
    pub(super) fn counter_seconds(&mut self, labels: &[(&str, &str)], value: f64) -> fmt::Result {
        match &mut self.0 {
            Form::Neutral(encoder) => {
                encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, f64, f64>(&value, None)?;
            }
            Form::Text(writer) => writer.value(labels, value),
        }
        Ok(())
    }

    /// Adds one sample per status: the label `status` goes last.
    pub(super) fn by_status(&mut self, labels: &[(&str, &str)], counts: &ByStatus) -> fmt::Result {
        self.by_statuses(labels, Status::ALL.into_iter().zip(*counts))
    }

    /// Adds one sample per status that occurs.
    pub(super) fn by_status_that_occurs(&mut self, labels: &[(&str, &str)], counts: &ByStatus) -> fmt::Result {
        self.by_statuses(labels, Status::ALL.into_iter().zip(*counts).filter(|(_, count)| *count > 0))
    }

    fn by_statuses(&mut self, labels: &[(&str, &str)], counts: impl Iterator<Item = (Status, u64)>) -> fmt::Result {
        if let Form::Text(writer) = &mut self.0 {
            writer.by_label(labels, "status", counts.map(|(status, count)| (status.as_str(), count)));
            return Ok(());
        }
        let mut labels = labels.to_vec();
        for (status, count) in counts {
            labels.push(("status", status.as_str()));
            self.gauge(&labels, count as f64)?;
            labels.pop();
        }
        Ok(())
    }

    /// Adds a histogram, without its exemplars: the library offers no way to make one.
    pub(super) fn histogram(&mut self, labels: &[(&str, &str)], histogram: &Histogram) -> fmt::Result {
        match &mut self.0 {
            Form::Neutral(encoder) => encode_histogram(encoder, labels, histogram)?,
            Form::Text(writer) => writer.histogram(labels, buckets(histogram)),
        }
        Ok(())
    }
}

fn buckets(histogram: &Histogram) -> Buckets<'_> {
    Buckets { bounds: histogram.bounds(), counts: histogram.counts(), sum: histogram.sum() }
}

fn encode_histogram(encoder: &mut MetricEncoder<'_>, labels: &[(&str, &str)], histogram: &Histogram) -> fmt::Result {
    let bounds = histogram.bounds().iter().copied().chain([f64::INFINITY]);
    let buckets: Vec<_> = bounds.zip(histogram.counts().iter().copied()).collect();
    let (spans, deltas) = spans_and_deltas(histogram.native_buckets());
    let native = NativeHistogram {
        schema: histogram::SCHEMA,
        zero_threshold: histogram::ZERO_THRESHOLD,
        zero_count: histogram.zero_count(),
        negative: NativeHistogramBuckets { spans: &[], deltas: &[] },
        positive: NativeHistogramBuckets { spans: &spans, deltas: &deltas },
        created: None,
    };
    encoder.encode_family(&labels)?.encode_histogram_with_native::<NoLabelSet>(
        histogram.sum(),
        histogram.count(),
        &buckets,
        None,
        native,
    )
}
