//! The exposition formats: bytes from the neutral form.
//!
//! Headers and samples are written apart, so that the samples of an organization can be kept and put together
//! with those of the others, scrape by scrape.

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::MetricFamily;

use super::family::Family;

mod gzip;
pub mod negotiate;
mod number;
mod openmetrics;
mod protobuf;
mod text;

pub(super) use gzip::{Piece, member};

/// How bytes are laid out; several content types share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// The Prometheus text format.
    Text,
    /// The `OpenMetrics` text format.
    OpenMetrics,
    /// Length-delimited `io.prometheus.client.MetricFamily`.
    Protobuf,
}

impl Encoding {
    /// Every encoding; `ALL[e as usize] == e`.
    pub const ALL: [Self; 3] = [Self::Text, Self::OpenMetrics, Self::Protobuf];
}

/// What precedes the samples of a family.
pub(super) fn encode_header(encoding: Encoding, family: &Family, out: &mut Vec<u8>) {
    match encoding {
        Encoding::Text => text::header(family, out),
        Encoding::OpenMetrics => openmetrics::header(family, out),
        Encoding::Protobuf => protobuf::header(family, out),
    }
}

/// The samples of a family, or a part of them.
pub(super) fn encode_samples(encoding: Encoding, family: &MetricFamily, out: &mut Vec<u8>) {
    match encoding {
        Encoding::Text => text::samples(family, out),
        Encoding::OpenMetrics => openmetrics::samples(family, out),
        Encoding::Protobuf => protobuf::samples(family, out),
    }
}

/// Puts one family together: nothing at all when it has no samples.
pub(super) fn assemble(encoding: Encoding, family: &Family, blocks: &[&[u8]], out: &mut Vec<u8>) {
    let length: usize = blocks.iter().map(|block| block.len()).sum();
    if length == 0 {
        return;
    }
    let mut header = Vec::new();
    encode_header(encoding, family, &mut header);
    if encoding == Encoding::Protobuf {
        protobuf::length(header.len() + length, out);
    }
    out.extend_from_slice(&header);
    for block in blocks {
        out.extend_from_slice(block);
    }
}

/// What ends an exposition.
pub(super) fn finish(encoding: Encoding, out: &mut Vec<u8>) {
    if encoding == Encoding::OpenMetrics {
        out.extend_from_slice(b"# EOF\n");
    }
}
