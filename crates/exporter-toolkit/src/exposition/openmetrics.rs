//! The `OpenMetrics` text format, 1.0.0 and 0.0.1 alike.

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model as model;

use super::sample::Sample;
use super::text::Dialect;
use super::{Header, number, text};

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

pub(super) fn sample(name: &str, sample: Sample<'_>, out: &mut Vec<u8>) {
    text::lines(name, sample, &Dialect { bound: number::canonical, exemplar }, out);
}

/// What tells a whole exposition from one that was cut.
pub(super) fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"# EOF\n");
}

fn exemplar(exemplar: &model::Exemplar, out: &mut Vec<u8>) {
    out.extend_from_slice(b" # ");
    text::braced(exemplar.label.iter().map(|label| (&*label.name, &*label.value)), out);
    out.push(b' ');
    number::value(exemplar.value, out);
    if let Some(at) = &exemplar.timestamp {
        out.push(b' ');
        number::value(at.seconds as f64 + f64::from(at.nanos / 1_000_000) / 1e3, out);
    }
}
