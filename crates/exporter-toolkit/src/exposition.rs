//! The exposition formats: bytes from the neutral form.
//!
//! Headers and samples are written apart, so that the samples of an organization can be kept and put together
//! with those of the others, scrape by scrape.

use bytes::Bytes;
use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::MetricFamily;

mod gzip;
mod header;
pub mod negotiate;
mod number;
mod openmetrics;
mod protobuf;
mod registry;
mod text;
mod writer;

pub use gzip::{Compressor, Member, Piece};
pub use header::{Header, Kind};
pub use registry::scrape;
pub use writer::{Buckets, Writer};

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

/// The answer to one scrape.
#[derive(Debug, Clone)]
pub struct Scrape {
    /// Value of the header `Content-Type`: what `body` is, before it was compressed.
    pub content_type: String,
    /// Value of the header `Content-Encoding`, when `body` is compressed.
    pub content_encoding: Option<&'static str>,
    /// The exposition, one piece after the other.
    pub body: [Bytes; 2],
}

fn encode_header(encoding: Encoding, family: &Header<'_>, out: &mut Vec<u8>) {
    match encoding {
        Encoding::Text => text::header(family, out),
        Encoding::OpenMetrics => openmetrics::header(family, out),
        Encoding::Protobuf => protobuf::header(family, out),
    }
}

/// The samples of a family, or a part of them.
pub fn encode_samples(encoding: Encoding, family: &MetricFamily, out: &mut Vec<u8>) {
    match encoding {
        Encoding::Text => text::samples(family, out),
        Encoding::OpenMetrics => openmetrics::samples(family, out),
        Encoding::Protobuf => protobuf::samples(family, out),
    }
}

/// What writes the samples of a family without the neutral form; none in a format that is not text.
#[must_use]
pub fn writer<'o>(encoding: Encoding, family: &Header<'o>, out: &'o mut Vec<u8>) -> Option<Writer<'o>> {
    let bound = match encoding {
        Encoding::Text => number::value,
        Encoding::OpenMetrics => number::canonical,
        Encoding::Protobuf => return None,
    };
    Some(Writer::new(family.name, bound, out))
}

/// What precedes the samples of a family, when they have this length altogether.
#[must_use]
pub fn preamble(encoding: Encoding, family: &Header<'_>, length: usize) -> Vec<u8> {
    let mut header = Vec::new();
    encode_header(encoding, family, &mut header);
    if encoding == Encoding::Protobuf {
        let mut message = Vec::new();
        protobuf::length(header.len() + length, &mut message);
        message.append(&mut header);
        return message;
    }
    header
}

/// What ends an exposition.
pub fn finish(encoding: Encoding, out: &mut Vec<u8>) {
    if encoding == Encoding::OpenMetrics {
        out.extend_from_slice(b"# EOF\n");
    }
}
