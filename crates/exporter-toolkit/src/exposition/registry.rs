//! What a registry holds.

use bytes::Bytes;
use prometheus_client::encoding::prometheus_protobuf;
use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::{MetricFamily, MetricType};
use prometheus_client::registry::Registry;

use super::{Compressor, Header, Kind, Member, Scrape, Writer, finish, negotiate, preamble};

/// The families of `registry`, with the series of each in the order of their labels: it keeps them in a hash map.
///
/// A registry that cannot be encoded has none, and a line in the log says so: a scrape never fails.
#[must_use]
pub fn families(registry: &Registry) -> Vec<MetricFamily> {
    let mut families = prometheus_protobuf::encode(registry).unwrap_or_else(|_| {
        tracing::error!("a part of the metrics could not be encoded and is missing from the scrape");
        Vec::new()
    });
    for family in &mut families {
        family.metric.sort_by(|a, b| {
            let values = |of| std::iter::Iterator::map(<[_]>::iter(of), label_value);
            values(&a.label).cmp(values(&b.label))
        });
    }
    families
}

fn label_value(label: &prometheus_protobuf::prometheus_data_model::LabelPair) -> &str {
    &label.value
}

/// Everything in `registry`, in the format and coding that the headers `Accept` and `Accept-Encoding` ask for.
#[must_use]
pub fn scrape(registry: &Registry, accept: Option<&str>, accept_encoding: Option<&str>) -> Scrape {
    let (encoding, content_type) = negotiate::format(accept);
    let (mut text, mut samples) = (Vec::new(), Vec::new());
    for family in &families(registry) {
        let header = header(family);
        samples.clear();
        let mut writer = Writer::new(encoding, header, &mut samples);
        family.metric.iter().for_each(|metric| writer.metric(metric));
        text.extend(preamble(encoding, &header, samples.len()));
        text.append(&mut samples);
    }
    finish(encoding, &mut text);
    if negotiate::gzip(accept_encoding) {
        let body = Member::begin([]).end(&Compressor::default().piece([text.as_slice()]));
        return Scrape { content_type, content_encoding: Some("gzip"), body: body.into_iter().collect() };
    }
    Scrape { content_type, content_encoding: None, body: std::iter::once(Bytes::from(text)).collect() }
}

fn header(family: &MetricFamily) -> Header<'_> {
    let kind = match family.r#type() {
        MetricType::Counter => Kind::Counter,
        MetricType::Histogram | MetricType::GaugeHistogram => Kind::Histogram,
        MetricType::Gauge | MetricType::Summary | MetricType::Untyped => Kind::Gauge,
    };
    Header { name: &family.name, kind, help: &family.help }
}
