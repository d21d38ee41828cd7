//! Moments as people read them: how long ago, with the exact time at hand.

use invitations::Millis;
use jiff::Timestamp;
use serde::Serialize;

/// A moment, relative to the report's. Programs get the exact time alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub(super) struct Moment {
    /// `3 min ago`, `in 2 min`, `now`.
    pub(super) words: String,
    /// RFC 3339, UTC.
    pub(super) exact: String,
}

impl Moment {
    pub(super) fn new(at: Millis, now: Millis) -> Self {
        let age = now.since(at);
        let words = match age {
            -999..=999 => "now".to_owned(),
            ..-999 => format!("in {}", relative(age.saturating_neg())),
            _ => format!("{} ago", relative(age)),
        };
        Self { words, exact: exact(at) }
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.exact
    }
}

/// RFC 3339 in UTC, to the second.
fn exact(at: Millis) -> String {
    Timestamp::from_millisecond(at.0)
        .map_or_else(|_| "out of range".to_owned(), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// A length of time in its one or two largest units.
pub(super) fn relative(millis: i64) -> String {
    let seconds = millis.max(0) / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min"),
        3600..36_000 if minutes % 60 > 0 => format!("{hours} h {} min", minutes % 60),
        3600..86_400 => format!("{hours} h"),
        _ if days < 10 && hours % 24 > 0 => format!("{days} d {} h", hours % 24),
        _ => format!("{days} d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_keep_two_units_at_most() {
        let cases = [(0, "0 s"), (59_999, "59 s"), (60_000, "1 min"), (3_600_000, "1 h"), (5_400_000, "1 h 30 min")];
        for (millis, words) in cases {
            assert_eq!(relative(millis), words);
        }
        assert_eq!(relative(Millis::DAY), "1 d");
        assert_eq!(relative(Millis::DAY + 5 * Millis::HOUR), "1 d 5 h");
        assert_eq!(relative(400 * Millis::DAY + Millis::HOUR), "400 d");
    }

    #[test]
    fn a_moment_is_past_present_or_future() {
        let now = Millis(1_700_000_000_000);
        assert_eq!(Moment::new(Millis(now.0 - 61_000), now).words, "1 min ago");
        assert_eq!(Moment::new(now, now).words, "now");
        assert_eq!(Moment::new(Millis(now.0 + 61_000), now).words, "in 1 min");
        assert_eq!(Moment::new(now, now).exact, "2023-11-14T22:13:20Z");
    }
}
