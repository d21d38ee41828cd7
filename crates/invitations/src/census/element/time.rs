//! Times as elements tell them.

use super::{Cursor, Lenient, Stop};

/// A time in milliseconds, as far as the element tells it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) enum Time {
    /// Absent, `null` or `0`.
    #[default]
    NotSet,
    /// Within the plausible range.
    At(i64),
    /// A number outside of 10¹¹ … 7·10¹² (1973 to 2191); counts as not set.
    Implausible,
    /// Not a number; counts as not set.
    Malformed,
}

impl Time {
    const PLAUSIBLE: std::ops::RangeInclusive<i64> = 100_000_000_000..=7_000_000_000_000;

    /// The time, when it is set and plausible.
    pub(in super::super) fn millis(self) -> Option<i64> {
        match self {
            Self::At(millis) => Some(millis),
            Self::NotSet | Self::Implausible | Self::Malformed => None,
        }
    }

    /// A JSON number as a time. `1.7e12` is the same number as `1700000000000`; a fraction is no int64.
    fn of_number(text: &str) -> Self {
        let of_integer = |millis: i64| match millis {
            0 => Self::NotSet,
            millis if Self::PLAUSIBLE.contains(&millis) => Self::At(millis),
            _ => Self::Implausible,
        };
        if let Ok(millis) = text.parse::<i64>() {
            return of_integer(millis);
        }
        match text.parse::<f64>() {
            #[expect(clippy::cast_possible_truncation, reason = "checked to be a whole number within 2^53")]
            Ok(number) if number.fract() == 0.0 && number.abs() < 9e15 => of_integer(number as i64),
            Ok(number) if number.is_finite() && number.fract() != 0.0 => Self::Malformed,
            _ => Self::Implausible,
        }
    }
}

/// The next value as a time.
pub(super) fn time(cursor: &mut Cursor<'_>) -> Result<Time, Stop> {
    Ok(match cursor.number()? {
        Lenient::NotSet => Time::NotSet,
        Lenient::Set(text) => Time::of_number(text),
        Lenient::Malformed => Time::Malformed,
    })
}
