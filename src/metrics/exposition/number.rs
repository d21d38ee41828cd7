//! Numbers as text.

use std::io::Write;

/// A sample's value: an integer without a point, anything else in the shortest form that reads back the same.
pub(super) fn value(value: f64, out: &mut Vec<u8>) {
    // A `Vec` takes every write.
    let _written = if value.is_nan() {
        out.write_all(b"NaN")
    } else if value.is_infinite() {
        out.write_all(if value > 0.0 { b"+Inf" } else { b"-Inf" })
    } else if value != 0.0 && !(1e-5..1e21).contains(&value.abs()) {
        write!(out, "{value:e}")
    } else {
        write!(out, "{value}")
    };
}

/// A value in the canonical form that `OpenMetrics` demands of `le`: with a point, also when it is whole.
pub(super) fn canonical(number: f64, out: &mut Vec<u8>) {
    value(number, out);
    if number.is_finite() && number.fract() == 0.0 && number.abs() < 1e21 {
        out.extend_from_slice(b".0");
    }
}

/// A count.
pub(super) fn count(count: u64, out: &mut Vec<u8>) {
    let _written = write!(out, "{count}");
}
