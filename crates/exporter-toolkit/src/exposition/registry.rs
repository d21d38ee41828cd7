//! The whole exposition of a registry.

use bytes::Bytes;
use prometheus_client::encoding::prometheus_protobuf;
use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::{MetricFamily, MetricType};
use prometheus_client::registry::Registry;

use super::{Compressor, Header, Kind, Member, Scrape, encode_samples, finish, negotiate, preamble};

/// Everything in `registry`, in the format and coding that the headers `Accept` and `Accept-Encoding` ask for.
///
/// A registry that cannot be encoded gives an empty exposition and a line in the log: a scrape never fails.
#[must_use]
pub fn scrape(registry: &Registry, accept: Option<&str>, accept_encoding: Option<&str>) -> Scrape {
    let (encoding, content_type) = negotiate::format(accept);
    let families = prometheus_protobuf::encode(registry).unwrap_or_else(|_| {
        tracing::error!("the metrics could not be encoded");
        Vec::new()
    });
    let (mut text, mut samples) = (Vec::new(), Vec::new());
    for family in &families {
        samples.clear();
        encode_samples(encoding, family, &mut samples);
        text.extend(preamble(encoding, &header(family), samples.len()));
        text.append(&mut samples);
    }
    finish(encoding, &mut text);
    if negotiate::gzip(accept_encoding) {
        let body = Member::begin(std::iter::empty()).end(&Compressor::default().piece([text.as_slice()]));
        return Scrape { content_type, content_encoding: Some("gzip"), body };
    }
    Scrape { content_type, content_encoding: None, body: [text.into(), Bytes::new()] }
}

fn header(family: &MetricFamily) -> Header<'_> {
    let kind = match family.r#type() {
        MetricType::Counter => Kind::Counter,
        MetricType::Histogram | MetricType::GaugeHistogram => Kind::Histogram,
        MetricType::Gauge | MetricType::Summary | MetricType::Untyped => Kind::Gauge,
    };
    Header { name: &family.name, kind, help: &family.help }
}
