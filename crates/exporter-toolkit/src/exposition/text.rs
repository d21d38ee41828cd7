//! The Prometheus text format, 0.0.4 and 1.0.0 alike: every name here is a legacy name, so they don't differ.

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::{LabelPair, Metric, MetricFamily};

use super::header::Header;
use super::number;

pub(super) fn header(family: &Header<'_>, out: &mut Vec<u8>) {
    meta(out, "HELP", family.name);
    escape(family.help, false, out);
    out.push(b'\n');
    meta(out, "TYPE", family.name);
    out.extend_from_slice(family.kind.as_str().as_bytes());
    out.push(b'\n');
}

pub(super) fn samples(family: &MetricFamily, out: &mut Vec<u8>) {
    for metric in &family.metric {
        if let Some(histogram) = &metric.histogram {
            for bucket in &histogram.bucket {
                let mut bound = Vec::new();
                number::value(bucket.upper_bound, &mut bound);
                series(out, &family.name, "_bucket", pairs(&metric.label), Some(&bound));
                number::count(bucket.cumulative_count, out);
                out.push(b'\n');
            }
            sum_and_count(family, metric, out);
        } else {
            series(out, &family.name, "", pairs(&metric.label), None);
            number::value(simple_value(metric), out);
            out.push(b'\n');
        }
    }
}

/// The last two series of a histogram, the same in both text formats.
pub(super) fn sum_and_count(family: &MetricFamily, metric: &Metric, out: &mut Vec<u8>) {
    let Some(histogram) = &metric.histogram else { return };
    series(out, &family.name, "_sum", pairs(&metric.label), None);
    number::value(histogram.sample_sum, out);
    out.push(b'\n');
    series(out, &family.name, "_count", pairs(&metric.label), None);
    number::count(histogram.sample_count, out);
    out.push(b'\n');
}

/// The value of a counter or gauge.
pub(super) fn simple_value(metric: &Metric) -> f64 {
    let counter = metric.counter.as_ref().map(|counter| counter.value);
    counter.or_else(|| metric.gauge.as_ref().map(|gauge| gauge.value)).unwrap_or(f64::NAN)
}

/// The beginning of a line of metadata.
pub(super) fn meta(out: &mut Vec<u8>, word: &str, name: &str) {
    for part in ["# ", word, " ", name, " "] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Labels of the neutral form.
pub(super) fn pairs(labels: &[LabelPair]) -> impl Iterator<Item = (&str, &str)> {
    labels.iter().map(|label| (&*label.name, &*label.value))
}

/// Name and labels of a sample, and the space before its value. `le` goes last.
pub(super) fn series<'l>(
    out: &mut Vec<u8>,
    name: &str,
    suffix: &str,
    labels: impl Iterator<Item = (&'l str, &'l str)>,
    le: Option<&[u8]>,
) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(suffix.as_bytes());
    let mut separator = b'{';
    for (label, value) in labels {
        out.push(separator);
        separator = b',';
        out.extend_from_slice(label.as_bytes());
        out.extend_from_slice(b"=\"");
        escape(value, true, out);
        out.push(b'"');
    }
    if let Some(le) = le {
        out.push(separator);
        separator = b',';
        out.extend_from_slice(b"le=\"");
        out.extend_from_slice(le);
        out.push(b'"');
    }
    if separator == b',' {
        out.push(b'}');
    }
    out.push(b' ');
}

/// Text with backslash and line feed escaped, and the double quote where it would end the text.
pub(super) fn escape(text: &str, quotes: bool, out: &mut Vec<u8>) {
    if !text.bytes().any(|byte| matches!(byte, b'\\' | b'\n' | b'"')) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if quotes => out.extend_from_slice(b"\\\""),
            byte => out.push(byte),
        }
    }
}
