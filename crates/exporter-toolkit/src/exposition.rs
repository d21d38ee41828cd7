//! The exposition formats: from samples to bytes.
//!
//! Whatever produces samples hands each of them, or each of the library's model, to a [`Writer`], which writes it in the
//! one format that it was made for. Headers and samples are written apart, so that the samples of one source can be kept
//! and put together with those of others, scrape by scrape.

mod body;
mod gzip;
mod header;
pub mod negotiate;
mod number;
mod openmetrics;
mod protobuf;
mod registry;
mod sample;
mod text;
mod writer;

pub use body::{Body, Make, Part};
pub use gzip::{Compressor, Member, Piece};
pub use header::{Header, Kind};
pub use registry::{families, scrape};
pub use sample::{Labels, Sample, Value};
pub use writer::Writer;

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
    /// The exposition.
    pub body: Body,
}

/// What precedes the samples of a family, when they have this length altogether.
#[must_use]
pub fn preamble(encoding: Encoding, family: &Header<'_>, length: usize) -> Vec<u8> {
    let mut header = Vec::new();
    match encoding {
        Encoding::Text => text::header(family, &mut header),
        Encoding::OpenMetrics => openmetrics::header(family, &mut header),
        Encoding::Protobuf => {
            protobuf::header(family, &mut header);
            let mut message = Vec::new();
            protobuf::length(header.len() + length, &mut message);
            message.append(&mut header);
            return message;
        }
    }
    header
}

/// What ends an exposition.
pub fn finish(encoding: Encoding, out: &mut Vec<u8>) {
    if encoding == Encoding::OpenMetrics {
        openmetrics::end(out);
    }
}
