//! Length-delimited protobuf of `io.prometheus.client.MetricFamily`.
//!
//! A message is the concatenation of its fields, in any order: name, help, type and unit make the header, each
//! metric is one field more. The messages of plain samples are written here, for the library's model takes a dozen
//! allocations for each; what is rare is left to it.

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model as model;
use prost::Message;
use prost::encoding::{self, WireType, encode_key, encode_varint, encoded_len_varint};

use super::sample::{Labels, Sample, Value};
use super::{Header, Kind};

/// Fields of `MetricFamily` and `Metric`.
const METRIC: u32 = 4;
const LABEL: u32 = 1;
const GAUGE: u32 = 2;
const COUNTER: u32 = 3;
const HISTOGRAM: u32 = 7;

pub(super) fn header(family: &Header<'_>, out: &mut Vec<u8>) {
    let kind = match family.kind {
        Kind::Counter => model::MetricType::Counter,
        Kind::Gauge => model::MetricType::Gauge,
        Kind::Histogram => model::MetricType::Histogram,
    };
    let header = model::MetricFamily {
        name: family.name.to_owned(),
        help: family.help.to_owned(),
        r#type: kind.into(),
        metric: Vec::new(),
        unit: family.unit().unwrap_or_default().to_owned(),
    };
    out.extend_from_slice(&header.encode_to_vec());
}

pub(super) fn sample(kind: Kind, sample: Sample<'_>, out: &mut Vec<u8>) {
    let Sample { labels, value } = sample;
    let mut message = Vec::with_capacity(256);
    for &pair in labels {
        label(pair, &mut message);
    }
    match value {
        Value::Count(count) => number(kind, count as f64, &mut message),
        Value::Number(value) => number(kind, value, &mut message),
        Value::Exemplified(value, exemplar) => {
            let counter = model::Counter { value, exemplar: Some(exemplar.clone()), ..Default::default() };
            encoding::message::encode(COUNTER, &counter, &mut message);
        }
        Value::Histogram(histogram) => encoding::message::encode(HISTOGRAM, histogram, &mut message),
    }
    metric(&[&message], out);
}

/// One metric for each value of one more label.
pub(super) fn by_label<'v>(
    kind: Kind,
    labels: Labels<'_>,
    name: &str,
    counts: impl Iterator<Item = (&'v str, u64)>,
    out: &mut Vec<u8>,
) {
    let (mut common, mut own) = (Vec::with_capacity(256), Vec::with_capacity(64));
    for &pair in labels {
        label(pair, &mut common);
    }
    for (value, count) in counts {
        own.clear();
        label((name, value), &mut own);
        number(kind, count as f64, &mut own);
        metric(&[&common, &own], out);
    }
}

/// A metric whose message consists of these parts.
fn metric(parts: &[&[u8]], out: &mut Vec<u8>) {
    encode_key(METRIC, WireType::LengthDelimited, out);
    length(parts.iter().map(|part| part.len()).sum(), out);
    for part in parts {
        out.extend_from_slice(part);
    }
}

fn label((name, value): (&str, &str), out: &mut Vec<u8>) {
    /// The length of a field of a message, none of which is left out but the empty ones.
    fn field(text: &str) -> usize {
        if text.is_empty() { 0 } else { 1 + encoded_len_varint(text.len() as u64) + text.len() }
    }
    encode_key(LABEL, WireType::LengthDelimited, out);
    length(field(name) + field(value), out);
    for (tag, text) in [(1, name), (2, value)] {
        if !text.is_empty() {
            encode_key(tag, WireType::LengthDelimited, out);
            length(text.len(), out);
            out.extend_from_slice(text.as_bytes());
        }
    }
}

/// The message of a gauge or counter: its value is the first field of both, and left out when it is zero.
fn number(kind: Kind, value: f64, out: &mut Vec<u8>) {
    let field = if kind == Kind::Counter { COUNTER } else { GAUGE };
    encode_key(field, WireType::LengthDelimited, out);
    if value == 0.0 {
        length(0, out);
    } else {
        length(9, out);
        encoding::double::encode(1, &value, out);
    }
}

/// The prefix of a message.
pub(super) fn length(length: usize, out: &mut Vec<u8>) {
    encode_varint(length as u64, out);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A metric as the library's model writes it.
    fn modelled(labels: &[(String, String)], kind: Kind, value: f64) -> Vec<u8> {
        let label = |(name, value): &(String, String)| model::LabelPair { name: name.clone(), value: value.clone() };
        let mut metric = model::Metric { label: labels.iter().map(label).collect(), ..Default::default() };
        match kind {
            Kind::Counter => metric.counter = Some(model::Counter { value, ..Default::default() }),
            _ => metric.gauge = Some(model::Gauge { value }),
        }
        model::MetricFamily { metric: vec![metric], ..Default::default() }.encode_to_vec()
    }

    proptest! {
        #[test]
        fn samples_are_written_as_the_library_writes_its_model(
            labels in prop::collection::vec(("[a-z]{0,3}", ".{0,200}"), 0..5),
            is_counter: bool,
            value in prop_oneof![Just(0.0), any::<f64>()],
            count in 0_u64..1 << 53,
        ) {
            let kind = if is_counter { Kind::Counter } else { Kind::Gauge };
            let pairs: Vec<_> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let mut written = Vec::new();
            sample(kind, Sample { labels: &pairs, value: Value::Number(value) }, &mut written);
            prop_assert_eq!(written, modelled(&labels, kind, value));
            if let Some(((name, value), rest)) = pairs.split_last() {
                let mut written = Vec::new();
                by_label(kind, rest, name, std::iter::once((*value, count)), &mut written);
                prop_assert_eq!(written, modelled(&labels, kind, count as f64));
            }
        }
    }
}
