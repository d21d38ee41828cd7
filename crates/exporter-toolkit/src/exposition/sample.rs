//! What a family consists of, whatever the format.

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model as model;

/// Names and values of labels, in the order in which they are written.
pub type Labels<'l> = &'l [(&'l str, &'l str)];

/// One sample of a family.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'s> {
    /// Its labels, without `le`.
    pub labels: Labels<'s>,
    /// Its value.
    pub value: Value<'s>,
}

/// The value of a sample.
#[derive(Debug, Clone, Copy)]
pub enum Value<'v> {
    /// Of a counter or gauge that counts.
    Count(u64),
    /// Of a counter or gauge.
    Number(f64),
    /// Of a counter whose last increment can be looked up elsewhere.
    Exemplified(f64, &'v model::Exemplar),
    /// Classic buckets, of which the last is `+Inf`, native ones and exemplars; the text formats leave out what
    /// they cannot say.
    Histogram(&'v model::Histogram),
}
