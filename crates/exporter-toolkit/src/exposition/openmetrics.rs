//! The `OpenMetrics` text format, 1.0.0 and 0.0.1 alike.

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::{Exemplar, MetricFamily};

use super::header::Header;
use super::{number, text};

pub(super) fn header(family: &Header<'_>, out: &mut Vec<u8>) {
    let name = family.base();
    text::meta(out, "TYPE", name);
    out.extend_from_slice(family.kind.as_str().as_bytes());
    out.push(b'\n');
    if let Some(unit) = family.unit() {
        text::meta(out, "UNIT", name);
        out.extend_from_slice(unit.as_bytes());
        out.push(b'\n');
    }
    text::meta(out, "HELP", name);
    text::escape(family.help, true, out);
    out.push(b'\n');
}

pub(super) fn samples(family: &MetricFamily, out: &mut Vec<u8>) {
    for metric in &family.metric {
        if let Some(histogram) = &metric.histogram {
            for bucket in &histogram.bucket {
                let mut bound = Vec::new();
                number::canonical(bucket.upper_bound, &mut bound);
                text::series(out, &family.name, "_bucket", text::pairs(&metric.label), Some(&bound));
                number::count(bucket.cumulative_count, out);
                exemplar(bucket.exemplar.as_ref(), out);
                out.push(b'\n');
            }
            text::sum_and_count(family, metric, out);
        } else {
            text::series(out, &family.name, "", text::pairs(&metric.label), None);
            number::value(text::simple_value(metric), out);
            exemplar(metric.counter.as_ref().and_then(|counter| counter.exemplar.as_ref()), out);
            out.push(b'\n');
        }
    }
}

fn exemplar(exemplar: Option<&Exemplar>, out: &mut Vec<u8>) {
    let Some(exemplar) = exemplar else { return };
    out.extend_from_slice(b" # ");
    if exemplar.label.is_empty() {
        out.extend_from_slice(b"{} ");
    } else {
        text::series(out, "", "", text::pairs(&exemplar.label), None);
    }
    number::value(exemplar.value, out);
    if let Some(at) = &exemplar.timestamp {
        out.push(b' ');
        number::value(at.seconds as f64 + f64::from(at.nanos / 1_000_000) / 1e3, out);
    }
}
