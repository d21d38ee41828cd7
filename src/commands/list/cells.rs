//! What stands in each column of a row.

use invitations::Millis;
use invitations::census::{CarriedGroup, Invitation};
use jiff::Timestamp;

use super::Row;
use super::table::Column;

/// The columns, which are also the keys of `json`. On a narrow terminal comes first who it is about and until when, then whom
/// to ask and what the invitation gives; times and words of the status are never cut.
pub(super) const COLUMNS: [Column; 12] = [
    column("organization", 3, 12),
    column("username", 0, 16),
    column("status", 2, usize::MAX),
    column("organization_roles", 4, 12),
    column("service_roles", 8, 12),
    column("custom_roles", 9, 12),
    column("groups", 7, 12),
    column("invited_by", 5, 12),
    column("generated", 6, usize::MAX),
    column("expires", 1, usize::MAX),
    column("redeemed", 10, usize::MAX),
    column("revoked", 11, usize::MAX),
];

const fn column(name: &'static str, rank: u8, least: usize) -> Column {
    Column { name, rank, least }
}

/// How a moment is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Times {
    /// RFC 3339 in UTC, for programs.
    Exact,
    /// A date with how far it is from this moment, for people.
    Relative(Millis),
}

/// A row as text, column by column; several values are joined by `; `.
pub(super) fn cells(row: &Row, times: Times) -> [String; COLUMNS.len()] {
    let Row { organization, invitation } = row;
    let Invitation { username, status, roles, groups, invited_by, generated, expires, redeemed, revoked, .. } =
        invitation;
    let [organization_roles, service_roles, custom_roles] = roles;
    let names = |names: &[String]| names.iter().map(|name| clean(name)).collect::<Vec<_>>().join("; ");
    let person = |name: &Option<String>| name.as_deref().map(clean).unwrap_or_default();
    let time = |at: &Option<Millis>| at.map(|at| moment(at, times)).unwrap_or_default();
    [
        clean(organization),
        person(username),
        status.as_str().to_owned(),
        names(organization_roles),
        names(service_roles),
        names(custom_roles),
        groups.iter().map(group).collect::<Vec<_>>().join("; "),
        person(invited_by),
        time(generated),
        time(expires),
        time(redeemed),
        time(revoked),
    ]
}

/// Control characters could move a terminal's cursor or forge a row: they become U+FFFD in every format.
pub(super) fn clean(text: &str) -> String {
    text.replace(is_control, "\u{fffd}")
}

/// Also what ends a line, and what turns the direction of all that follows in it: embeddings, overrides and isolates of
/// [UAX #9](https://www.unicode.org/reports/tr9/), with which a name could rewrite the row that it stands in.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn group(group: &CarriedGroup) -> String {
    let CarriedGroup { id, name } = group;
    if id == name { clean(id) } else { format!("{} ({})", clean(name), clean(id)) }
}

fn moment(at: Millis, times: Times) -> String {
    match times {
        Times::Exact => exact(at),
        Times::Relative(now) => {
            let date = Timestamp::from_millisecond(at.0).map(|time| time.strftime("%Y-%m-%d").to_string());
            format!("{} ({})", date.unwrap_or_default(), distance(at.since(now)))
        }
    }
}

/// RFC 3339 in UTC, with milliseconds where there are any.
pub(super) fn exact(at: Millis) -> String {
    Timestamp::from_millisecond(at.0).map(|time| time.to_string()).unwrap_or_default()
}

/// `in 3 days`, `2 hours ago`: the largest whole unit.
fn distance(millis: i64) -> String {
    const UNITS: [(i64, &str); 3] = [(Millis::DAY, "day"), (Millis::HOUR, "hour"), (60_000, "minute")];
    let size = millis.saturating_abs();
    let Some((length, unit)) = UNITS.into_iter().find(|(length, _)| size >= *length) else {
        return "now".to_owned();
    };
    let count = size / length;
    let plural = if count == 1 { "" } else { "s" };
    if millis > 0 { format!("in {count} {unit}{plural}") } else { format!("{count} {unit}{plural} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_is_told_in_its_largest_whole_unit() {
        for (millis, words) in [
            (0, "now"),
            (59_999, "now"),
            (60_000, "in 1 minute"),
            (-2 * Millis::HOUR, "2 hours ago"),
            (Millis::DAY, "in 1 day"),
            (3 * Millis::DAY + 5 * Millis::HOUR, "in 3 days"),
            (i64::MIN, "106751991167 days ago"),
        ] {
            assert_eq!(distance(millis), words);
        }
    }

    #[test]
    fn times_for_programs_are_rfc_3339() {
        assert_eq!(exact(Millis(1_700_000_000_000)), "2023-11-14T22:13:20Z");
        assert_eq!(exact(Millis(1_700_000_000_123)), "2023-11-14T22:13:20.123Z");
        assert_eq!(moment(Millis(1_700_000_000_000), Times::Relative(Millis(1_700_000_000_000))), "2023-11-14 (now)");
    }
}
