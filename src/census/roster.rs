//! Who is on the list: identities and people, as hashes.

use std::hash::{BuildHasher, RandomState};

use super::{Status, bands, view};
use crate::time::Millis;

/// One invitation, without a trace of whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Keyed hash of the `refLink`, or of a fallback where there is none.
    pub identity: [u8; 16],
    /// Hash of the username, good within this list alone; 0 without a username.
    person: u64,
    generated: i64,
    /// Redemption of a redeemed one, expiration of an expired one.
    ended: i64,
    /// What it is.
    pub status: Status,
    /// Whether the identity is that of a `refLink`.
    pub has_ref_link: bool,
}

impl Record {
    /// When the invitation was generated, if that is known.
    #[must_use]
    pub fn generated_at(&self) -> Option<Millis> {
        (self.generated != 0).then_some(Millis(self.generated))
    }

    /// When the invitation was redeemed, if it is redeemed and the time is known.
    #[must_use]
    pub fn redeemed_at(&self) -> Option<Millis> {
        (self.status == Status::Redeemed && self.ended != 0).then_some(Millis(self.ended))
    }
}

/// Identities and people of one list.
#[derive(Debug)]
pub(super) struct Roster {
    key: [u8; 32],
    people: RandomState,
    records: Vec<Record>,
}

/// What the people of a list tell.
#[derive(Debug, Default)]
pub(super) struct People {
    pub(super) duplicates: u64,
    pub(super) lapsed_by_age: [u64; view::LAPSED_AGES.len()],
}

impl Roster {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self { key, people: RandomState::new(), records: Vec::new() }
    }

    /// Adds one invitation; `username` is trimmed and without case.
    pub(super) fn push(
        &mut self,
        ref_link: Option<&str>,
        username: Option<&str>,
        status: Status,
        generated: Option<i64>,
        ended: Option<i64>,
    ) {
        let generated = generated.unwrap_or(0);
        let identity = match ref_link {
            Some(link) => identify(&self.key, *b"link", &[link.as_bytes()]),
            None => identify(&self.key, *b"none", &[&generated.to_le_bytes(), username.unwrap_or_default().as_bytes()]),
        };
        let person = username.map_or(0, |name| self.people.hash_one(name).max(1));
        let has_ref_link = ref_link.is_some();
        self.records.push(Record { identity, person, generated, ended: ended.unwrap_or(0), status, has_ref_link });
    }

    /// Bytes in use.
    pub(super) fn footprint(&self) -> usize {
        self.records.len() * size_of::<Record>()
    }

    /// Duplicate invitations and lapsed people.
    ///
    /// An invitation whose generation is not known counts as generated before
    /// all others: a later invitation of the same person is then still found.
    pub(super) fn people(&mut self, at: Millis) -> People {
        self.records.sort_unstable_by_key(|record| record.person);
        let mut people = People::default();
        for person in self.records.chunk_by(|a, b| a.person == b.person) {
            let nobody = person[0].person == 0;
            let open = person.iter().filter(|record| record.status == Status::Available).count() as u64;
            let newest = person
                .iter()
                .filter(|record| matches!(record.status, Status::Available | Status::Redeemed))
                .map(|record| record.generated)
                .max();
            if !nobody {
                people.duplicates += open.saturating_sub(1);
            }
            for record in person.iter().filter(|record| record.status == Status::Expired) {
                if nobody || newest.is_none_or(|newest| newest <= record.generated) {
                    people.lapsed_by_age[bands::of_age(at.since(Millis(record.ended)))] += 1;
                }
            }
        }
        people
    }

    /// How many elements repeat the `refLink` of an earlier one.
    pub(super) fn duplicate_identities(&mut self) -> u64 {
        self.records.sort_unstable_by_key(|record| (record.has_ref_link, record.identity));
        let links = self.records.partition_point(|record| !record.has_ref_link);
        let distinct = self.records[links..].chunk_by(|a, b| a.identity == b.identity).count();
        (self.records.len() - links - distinct) as u64
    }

    pub(super) fn into_records(self) -> Vec<Record> {
        self.records
    }
}

/// A one-way, keyed identity: with the key alone nobody gets back what went in.
fn identify(key: &[u8; 32], domain: [u8; 4], parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(&domain);
    for part in parts {
        hasher.update(part);
    }
    let mut identity = [0; 16];
    hasher.finalize_xof().fill(&mut identity);
    identity
}
