//! Numbers as text.

use std::io::Write;

/// A sample's value: an integer without a point, anything else in the shortest form that reads back the same.
pub(super) fn value(value: f64, out: &mut Vec<u8>) {
    if let Some(whole) = whole(value) {
        out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
        return;
    }
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
    out.extend_from_slice(itoa::Buffer::new().format(count).as_bytes());
}

/// Most values are whole, and written much sooner as such. Not minus zero, which keeps its sign.
fn whole(value: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "what does not survive the way back is left to the other form")]
    let whole = value as i64;
    (value.abs() < 1e15 && (whole as f64).to_bits() == value.to_bits()).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_read_as_the_library_writes_them() {
        for number in [0.0, -0.0, 1.0, -7.0, 1e14, 999_999_999_999_999.0, 1e15, 1e20, 1e21, -1e21, 0.5, 1.5e-7] {
            let mut out = Vec::new();
            value(number, &mut out);
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text.parse::<f64>().map(f64::to_bits), Ok(number.to_bits()), "{text}");
            let is_plain = number == 0.0 || (1e-5..1e21).contains(&number.abs());
            let expected = if is_plain { format!("{number}") } else { format!("{number:e}") };
            assert_eq!(text, expected);
        }
    }
}
