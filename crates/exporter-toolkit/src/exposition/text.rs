//! The Prometheus text format, 0.0.4 and 1.0.0 alike: every name here is a legacy name, so they don't differ. And
//! what `OpenMetrics` has in common with it.

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model as model;

use super::sample::{Labels, Sample, Value};
use super::{Header, number};

pub(super) fn header(family: &Header<'_>, out: &mut Vec<u8>) {
    meta(out, "HELP", family.name);
    escape(family.help, false, out);
    out.push(b'\n');
    meta(out, "TYPE", family.name);
    out.extend_from_slice(family.kind.as_str().as_bytes());
    out.push(b'\n');
}

pub(super) fn sample(name: &str, sample: Sample<'_>, out: &mut Vec<u8>) {
    lines(name, sample, &Dialect { bound: number::value, exemplar: |_, _| () }, out);
}

/// What the text formats disagree about.
pub(super) struct Dialect {
    /// Writes the bound of a bucket.
    pub(super) bound: fn(f64, &mut Vec<u8>),
    /// Writes an exemplar behind its value.
    pub(super) exemplar: fn(&model::Exemplar, &mut Vec<u8>),
}

/// The lines of a sample: one, or those of a histogram.
pub(super) fn lines(name: &str, sample: Sample<'_>, dialect: &Dialect, out: &mut Vec<u8>) {
    let Sample { labels, value } = sample;
    if let Value::Histogram(histogram) = value {
        let start = out.len();
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"_bucket");
        let separator = pairs(b'{', labels.iter().copied(), out);
        out.push(separator);
        out.extend_from_slice(b"le=\"");
        // What all buckets begin with.
        let end = out.len();
        for (position, bucket) in histogram.bucket.iter().enumerate() {
            if position > 0 {
                out.extend_from_within(start..end);
            }
            (dialect.bound)(bucket.upper_bound, out);
            out.extend_from_slice(b"\"} ");
            number::count(bucket.cumulative_count, out);
            if let Some(exemplar) = &bucket.exemplar {
                (dialect.exemplar)(exemplar, out);
            }
            out.push(b'\n');
        }
        if histogram.bucket.is_empty() {
            out.truncate(start);
        }
        series(out, name, "_sum", labels);
        number::value(histogram.sample_sum, out);
        out.push(b'\n');
    }
    series(out, name, if matches!(value, Value::Histogram(_)) { "_count" } else { "" }, labels);
    match value {
        Value::Count(count) => number::count(count, out),
        Value::Number(value) => number::value(value, out),
        Value::Exemplified(value, exemplar) => {
            number::value(value, out);
            (dialect.exemplar)(exemplar, out);
        }
        Value::Histogram(histogram) => number::count(histogram.sample_count, out),
    }
    out.push(b'\n');
}

/// One line for each value of one more label.
pub(super) fn by_label<'v>(
    name: &str,
    labels: Labels<'_>,
    label: &str,
    counts: impl Iterator<Item = (&'v str, u64)>,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    out.extend_from_slice(name.as_bytes());
    let separator = pairs(b'{', labels.iter().copied(), out);
    // What all of them begin with.
    let end = out.len();
    let mut is_first = true;
    for (value, count) in counts {
        if !std::mem::take(&mut is_first) {
            out.extend_from_within(start..end);
        }
        pairs(separator, std::iter::once((label, value)), out);
        out.extend_from_slice(b"} ");
        number::count(count, out);
        out.push(b'\n');
    }
    if is_first {
        out.truncate(start);
    }
}

/// The beginning of a line of metadata.
pub(super) fn meta(out: &mut Vec<u8>, word: &str, name: &str) {
    for part in ["# ", word, " ", name, " "] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Name and labels of a sample, and the space before its value.
fn series(out: &mut Vec<u8>, name: &str, suffix: &str, labels: Labels<'_>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(suffix.as_bytes());
    if !labels.is_empty() {
        braced(labels.iter().copied(), out);
    }
    out.push(b' ');
}

/// Labels in their braces.
pub(super) fn braced<'l>(labels: impl Iterator<Item = (&'l str, &'l str)>, out: &mut Vec<u8>) {
    let separator = pairs(b'{', labels, out);
    if separator == b'{' {
        out.push(separator);
    }
    out.push(b'}');
}

/// Labels, each behind a separator: the one that is given, then commas. Returns what goes before the next one.
fn pairs<'l>(mut separator: u8, labels: impl Iterator<Item = (&'l str, &'l str)>, out: &mut Vec<u8>) -> u8 {
    for (label, value) in labels {
        out.push(std::mem::replace(&mut separator, b','));
        out.extend_from_slice(label.as_bytes());
        out.extend_from_slice(b"=\"");
        escape(value, true, out);
        out.push(b'"');
    }
    separator
}

/// Text with backslash and line feed escaped, and the double quote where it would end the text.
pub(super) fn escape(text: &str, quotes: bool, out: &mut Vec<u8>) {
    // This does not stop at the first byte that has to be escaped: so the compiler looks at many bytes in one instruction.
    if !text.bytes().fold(false, |found, byte| found | matches!(byte, b'\\' | b'\n' | b'"')) {
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
