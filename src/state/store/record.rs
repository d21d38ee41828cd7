//! What is stored, byte by byte. Nothing in it names a person, and no `refLink` is in it.

use invitations::histogram::{Histogram, Parts};
use invitations::lifecycle::{REDEMPTION_BOUNDS, StatusCounts, Tally};
use invitations::{Event, Millis, Status};
use serde::{Deserialize, Serialize};

/// Raised by a version that writes what earlier ones would misread; earlier ones are read.
///
/// 1. Identities are made of the invitation with the file's key at once.
/// 2. They are sealed: first hashed without the key, then with it. So an invitation that was seen before the file
///    could be read can be compared with it. Rows say which of both their invitations have.
pub(crate) const FORMAT: u32 = 2;
/// Files are told apart by this, whatever their keys: what one process has written last.
pub(super) type Stamp = [u8; 16];

/// The row of one organization. JSON, so that a later version can add a field.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Row {
    /// What its invitations are filed under: shorter than the id.
    pub(super) number: u32,
    /// Since when the configuration doesn't have it, in milliseconds since the epoch.
    pub(super) away_since: Option<i64>,
    /// The format that its invitations' identities are of; the first one did not say.
    #[serde(default = "first_format")]
    identities: u32,
    /// In the order of [`Event::ALL`], which a later version may make longer.
    events: Vec<u64>,
    redemption: Parts,
    /// The bits of the histogram's sum: decimal text may come back a hair smaller, which a counter must not.
    sum_bits: u64,
}

fn first_format() -> u32 {
    1
}

impl Row {
    pub(super) fn new(number: u32, away_since: Option<Millis>, is_former: bool, tally: &Tally) -> Self {
        let redemption = tally.redemption.to_parts();
        let sum_bits = redemption.sum.to_bits();
        let identities = if is_former { first_format() } else { FORMAT };
        Self {
            number,
            away_since: away_since.map(|at| at.0),
            identities,
            events: tally.events.to_vec(),
            redemption,
            sum_bits,
        }
    }

    /// Whether its invitations' identities are of the first format.
    pub(super) fn is_former(&self) -> bool {
        self.identities == first_format()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        // Numbers and lists of numbers: serializing them cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// The tally. Durations of other buckets, from another version, start anew; the events stay.
    pub(super) fn into_tally(self) -> Tally {
        let Self { number: _, away_since: _, identities: _, events, mut redemption, sum_bits } = self;
        redemption.sum = f64::from_bits(sum_bits);
        let redemption = Histogram::from_parts(REDEMPTION_BOUNDS, redemption).unwrap_or_else(|error| {
            tracing::warn!(%error, "stored redemption durations don't fit this version; they start anew");
            Histogram::new(REDEMPTION_BOUNDS)
        });
        let mut counted = [0; Event::ALL.len()];
        counted.iter_mut().zip(events).for_each(|(counted, stored)| *counted = stored);
        Tally { events: counted, redemption }
    }
}

/// Key of an invitation: the organization's number, big-endian so that one organization is one range, and the
/// identity.
pub(super) fn key(number: u32, identity: &[u8; 16]) -> [u8; 20] {
    let mut key = [0; 20];
    key[..4].copy_from_slice(&number.to_be_bytes());
    key[4..].copy_from_slice(identity);
    key
}

/// The reverse of [`key`].
pub(super) fn split_key(key: &[u8; 20]) -> (u32, [u8; 16]) {
    let [a, b, c, d, identity @ ..] = *key;
    (u32::from_be_bytes([a, b, c, d]), identity)
}

/// Statuses of one identity: one byte, or five little-endian counts where several share it.
pub(super) fn encode_statuses(statuses: impl Iterator<Item = Status> + Clone) -> Vec<u8> {
    let mut rest = statuses.clone();
    match (rest.next(), rest.next()) {
        (Some(only), None) => vec![only as u8],
        _ => StatusCounts::of(statuses).0.iter().flat_map(|count| count.to_le_bytes()).collect(),
    }
}

/// The reverse of [`encode_statuses`]; `None` for anything else. A version that knew fewer statuses wrote fewer counts.
pub(super) fn decode_statuses(bytes: &[u8]) -> Option<StatusCounts> {
    if let [only] = bytes {
        return Status::ALL.get(usize::from(*only)).map(|status| StatusCounts::of(std::iter::once(*status)));
    }
    let (stored, rest) = bytes.as_chunks();
    let mut counts = StatusCounts::default();
    let known = counts.0.get_mut(..stored.len()).filter(|known| rest.is_empty() && !known.is_empty())?;
    known.iter_mut().zip(stored).for_each(|(count, bytes)| *count = u32::from_le_bytes(*bytes));
    Some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_a_version_with_fewer_events_keeps_those_that_it_has() {
        let tally = Tally { events: [7, 6, 5, 4, 3], redemption: Histogram::new(REDEMPTION_BOUNDS) };
        let mut row: serde_json::Value = serde_json::from_slice(&Row::new(1, None, false, &tally).encode()).unwrap();
        row["events"].as_array_mut().unwrap().pop();
        let row = Row::decode(row.to_string().as_bytes()).unwrap();
        assert_eq!(row.into_tally().events, [7, 6, 5, 4, 0]);
    }

    #[test]
    fn counts_of_a_version_with_fewer_statuses_are_read_and_damaged_ones_are_not() {
        let counts = StatusCounts([3, 0, 2, 0, 1]);
        let statuses: Vec<_> = counts.statuses().collect();
        let row = encode_statuses(statuses.iter().copied());
        assert_eq!(decode_statuses(&row), Some(counts));
        assert_eq!(decode_statuses(&row[..16]), Some(StatusCounts([3, 0, 2, 0, 0])));
        for damaged in [&[][..], &[9], &row[..19], &[row.as_slice(), &[0; 4]].concat()] {
            assert_eq!(decode_statuses(damaged), None, "{damaged:?}");
        }
    }
}
