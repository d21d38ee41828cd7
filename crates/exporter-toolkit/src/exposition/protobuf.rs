//! Length-delimited protobuf of `io.prometheus.client.MetricFamily`.
//!
//! A message is the concatenation of its fields, in any order: name, help, type and unit make the header, each
//! metric is one field more.

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::{MetricFamily, MetricType};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::header::{Header, Kind};

/// The field of `MetricFamily` that holds a metric.
const METRIC: u32 = 4;

pub(super) fn header(family: &Header<'_>, out: &mut Vec<u8>) {
    let kind = match family.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
    };
    let header = MetricFamily {
        name: family.name.to_owned(),
        help: family.help.to_owned(),
        r#type: kind.into(),
        metric: Vec::new(),
        unit: family.unit().unwrap_or_default().to_owned(),
    };
    out.extend_from_slice(&header.encode_to_vec());
}

pub(super) fn samples(family: &MetricFamily, out: &mut Vec<u8>) {
    for metric in &family.metric {
        encode_key(METRIC, WireType::LengthDelimited, out);
        out.extend_from_slice(&metric.encode_length_delimited_to_vec());
    }
}

/// The prefix of a message.
pub(super) fn length(length: usize, out: &mut Vec<u8>) {
    encode_varint(length as u64, out);
}
