//! Times as elements tell them.

use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::{Cursor, Lenient, Stop, Texts};

/// A time in milliseconds, as far as the element tells it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Time {
    /// Absent, `null` or `0`.
    #[default]
    NotSet,
    /// Within the plausible range.
    At(i64),
    /// A number that is no time between 1973 and 2191; counts as not set.
    Implausible,
    /// Neither a number nor a date of these years; counts as not set.
    Malformed,
}

/// Milliseconds from 1973 to 2191.
const MILLISECONDS: std::ops::RangeInclusive<i64> = 100_000_000_000..=7_000_000_000_000;
/// Seconds from 2001 to 2191. As milliseconds these would be days of 1970, before there was a service.
const SECONDS: std::ops::RangeInclusive<i64> = 1_000_000_000..=7_000_000_000;

impl Time {
    /// The time, when it is set and plausible.
    #[must_use]
    pub fn millis(self) -> Option<i64> {
        match self {
            Self::At(millis) => Some(millis),
            Self::NotSet | Self::Implausible | Self::Malformed => None,
        }
    }

    /// A JSON number as a time: of milliseconds or, where it can be nothing else, of seconds.
    #[must_use]
    pub fn of_number(text: &str) -> Self {
        match text.parse().ok().or_else(|| whole_number(text)) {
            Some(0) => Self::NotSet,
            Some(millis) if MILLISECONDS.contains(&millis) => Self::At(millis),
            Some(seconds) if SECONDS.contains(&seconds) => Self::At(seconds * 1000),
            _ => Self::Implausible,
        }
    }

    /// A text as a time: RFC 3339, in either case.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        rfc3339(text).filter(|millis| MILLISECONDS.contains(millis)).map_or(Self::Malformed, Self::At)
    }
}

/// The next value as a time.
pub(super) fn time(cursor: &mut Cursor<'_>, texts: &mut Texts) -> Result<Time, Stop> {
    Ok(match cursor.peek()? {
        b'-' | b'0'..=b'9' => Time::of_number(cursor.number()?),
        _ => match cursor.string(texts)? {
            Lenient::NotSet => Time::NotSet,
            Lenient::Set(span) => Time::of_text(texts.get(span)),
            Lenient::Malformed => Time::Malformed,
        },
    })
}

/// A JSON number that is whole, however it is written: `1.7e12` is the same number as `1700000000000`. Exact, where a
/// floating-point number would round a small fraction away.
fn whole_number(text: &str) -> Option<i64> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (mantissa, sign) = mantissa.strip_prefix('-').map_or((mantissa, 1), |mantissa| (mantissa, -1));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    // How many zeros have to follow; fewer than none when digits stand behind the point.
    let places = i64::try_from(whole.len()).ok()? - i64::try_from(digits.len()).ok()?;
    let zeros = u32::try_from(exponent.parse::<i64>().ok()?.checked_add(places)?).ok()?;
    digits.parse::<i64>().ok()?.checked_mul(10_i64.checked_pow(zeros)?).map(|number| sign * number)
}

/// The milliseconds of a date such as `2026-11-26T09:30:00.123+01:00`; `t` and `z` may be small.
fn rfc3339(text: &str) -> Option<i64> {
    let (date, rest) = text.as_bytes().split_at_checked(19)?;
    let is_laid_out = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')].iter().all(|&(at, byte)| date[at] == byte);
    if !is_laid_out || !matches!(date[10], b'T' | b't') {
        return None;
    }
    let [month, day, hour, minute, second] = [5, 8, 11, 14, 17].map(|at| two_digits(&date[at..]));
    let year = i16::from(two_digits(date)?) * 100 + i16::from(two_digits(&date[2..])?);
    // A leap second is the end of its minute: nothing here is that precise.
    let second = if second == Some(60) { 59 } else { second? };
    let time = DateTime::new(year, month?, day?, hour?, minute?, second, 0).ok()?;
    let (millis, rest) = fraction(rest)?;
    let offset = match *rest {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let hours = two_digits(&rest[1..]).filter(|hours| *hours < 24)?;
            let minutes = two_digits(&rest[4..]).filter(|minutes| *minutes < 60)?;
            let seconds = i32::from(hours) * 3600 + i32::from(minutes) * 60;
            if sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    let start = Offset::from_seconds(offset).ok()?.to_timestamp(time).ok()?;
    Some(start.as_millisecond() + millis)
}

/// The number that the first two bytes are, if they are digits.
fn two_digits(text: &[u8]) -> Option<i8> {
    let digits: [u8; 2] = *text.first_chunk()?;
    let is_number = digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| digits.iter().fold(0, |number, digit| number * 10 + (digit - b'0').cast_signed()))
}

/// The milliseconds of a fraction of a second, and what stands behind it. More digits than three say nothing here.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', rest)) = text.split_first() else { return Some((0, text)) };
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = rest.split_at_checked(length).filter(|(digits, _)| !digits.is_empty())?;
    let place = |(factor, digit): (i64, &u8)| factor * i64::from(digit - b'0');
    Some(([100, 10, 1].into_iter().zip(digits).map(place).sum(), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Time::{At, Implausible, Malformed, NotSet};
    use super::*;

    #[test]
    fn a_number_is_milliseconds_or_seconds_by_its_size() {
        let cases = [
            ("0", NotSet),
            ("-0", NotSet),
            ("0.000e7", NotSet),
            ("99999999999", Implausible),
            ("100000000000", At(100_000_000_000)),
            ("7000000000000", At(7_000_000_000_000)),
            ("7000000000001", Implausible),
            ("999999999", Implausible),
            ("1000000000", At(1_000_000_000_000)),
            ("7000000000", At(7_000_000_000_000)),
            ("7000000001", Implausible),
            ("-1795000000000", Implausible),
            ("9223372036854775808", Implausible),
        ];
        for (text, time) in cases {
            assert_eq!(Time::of_number(text), time, "{text}");
        }
    }

    #[test]
    fn a_number_may_be_written_in_any_way_as_long_as_it_is_whole() {
        for text in [
            "1.795e12",
            "1795000000000.000",
            "17950000000000e-1",
            "0.1795E+13",
            "1795000000",
            "1.795e9",
            "179500000000000000000e-8",
        ] {
            assert_eq!(Time::of_number(text), At(1_795_000_000_000), "{text}");
        }
        for text in [
            "1795000000000.5",
            "1795000000000.0000001",
            "1795000000.5",
            "1.5",
            "1e-1",
            "1e400",
            "1e-400",
            "1e99999999999999999999",
            "5e18446744073709551615",
        ] {
            assert_eq!(Time::of_number(text), Implausible, "{text}");
        }
    }

    #[test]
    fn a_date_may_be_in_either_case_with_any_offset_and_any_fraction() {
        let cases = [
            ("2026-11-26T09:30:00Z", 1_795_685_400_000),
            ("2026-11-26t09:30:00z", 1_795_685_400_000),
            ("2026-11-26T10:30:00.5+01:00", 1_795_685_400_500),
            ("2026-11-26T00:00:00.123456789123-09:30", 1_795_685_400_123),
            ("2026-11-26T09:30:00-00:00", 1_795_685_400_000),
            ("2026-11-26T09:29:60Z", 1_795_685_399_000),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ];
        for (text, millis) in cases {
            assert_eq!(Time::of_text(text), At(millis), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_of_these_years_is_malformed() {
        let texts = [
            "",
            "0",
            "1795000000000",
            "yesterday",
            "2026-11-26",
            "2026-11-26T09:30Z",
            "2026-11-26T09:30:00",
            "2026-11-26 09:30:00Z",
            "2026-11-26T09:30:00.Z",
            "2026-11-26T09:30:00,5Z",
            "2026-11-26T09:30:00+0100",
            "2026-11-26T09:30:00+01",
            "2026-11-26T09:30:00+24:00",
            "2026-11-26T09:30:00+01:60",
            "2026-11-26T24:00:00Z",
            "2026-11-26T09:60:00Z",
            "2026-11-26T09:30:61Z",
            "2023-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "+002026-11-26T09:30:00Z",
            "2026-11-26T09:30:00Z ",
            " 2026-11-26T09:30:00Z",
            "2026-11-26T09:30:00ZZ",
            "2026-11-26T09:30:00Z[UTC]",
            "20261126T093000Z",
            "0001-01-01T00:00:00Z",
            "1970-01-01T00:00:00Z",
            "1973-03-03T09:46:39.999Z",
            "2191-10-27T12:26:40.001Z",
            "9999-12-31T23:59:59Z",
            "２026-11-26T09:30:00Z",
            "2026-11-26T09:30:0éZ",
        ];
        for text in texts {
            assert_eq!(Time::of_text(text), Malformed, "{text}");
        }
        assert_eq!(Time::of_text("1973-03-03T09:46:40Z"), At(100_000_000_000));
        assert_eq!(Time::of_text("2191-10-27T12:26:40Z"), At(7_000_000_000_000));
    }

    proptest! {
        #[test]
        fn every_moment_is_read_back_from_its_date(millis in MILLISECONDS) {
            let date = jiff::Timestamp::from_millisecond(millis).map(|time| time.to_string());
            prop_assert_eq!(Time::of_text(&date.expect("a moment")), At(millis));
        }

        #[test]
        fn a_number_is_the_same_with_the_point_at_any_place(millis in MILLISECONDS, places in 0..40_usize, zeros in 0..20_usize) {
            let digits = format!("{}{millis}{}", "0".repeat(30), "0".repeat(zeros));
            let (whole, fraction) = digits.split_at(digits.len() - places);
            let whole = whole.trim_start_matches('0');
            let whole = if whole.is_empty() { "0" } else { whole };
            let point = if fraction.is_empty() { "" } else { "." };
            let exponent = i64::try_from(places).expect("small") - i64::try_from(zeros).expect("small");
            prop_assert_eq!(Time::of_number(&format!("{whole}{point}{fraction}e{exponent}")), At(millis));
        }
    }
}
