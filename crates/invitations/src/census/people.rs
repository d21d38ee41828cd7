//! Who is on the list: identities and people, as hashes.

use std::hash::{BuildHasher, RandomState};

use super::{buckets, view};
use crate::{Former, Identities, IdentityKey, Millis, Sighting, Status};

/// Identities and people of one list.
#[derive(Debug)]
pub(super) struct People {
    hasher: RandomState,
    identities: Identities,
    sightings: Vec<Sighting>,
    claims: Vec<Claim>,
    /// The key of a state of the first format, and what it needs of each element.
    former: Option<(IdentityKey, Vec<Former>)>,
}

/// What one invitation says about a person: that it is open, was accepted, or ran out.
///
/// 24 bytes, because there is one for each element of a list of any length.
#[derive(Debug, Clone, Copy)]
struct Claim {
    /// Hash of the username, good within this list alone; 0 without a username.
    person: u64,
    /// Time of generation in milliseconds, 0 when unknown, and below it the status.
    generated: i64,
    /// Expiration of an expired one.
    expired_at: i64,
}

impl Claim {
    const STATUS_BITS: u32 = 3;

    fn generated(self) -> i64 {
        self.generated >> Self::STATUS_BITS
    }

    fn has(self, status: Status) -> bool {
        self.generated & ((1 << Self::STATUS_BITS) - 1) == status as i64
    }
}

/// What the people of a list tell.
#[derive(Debug, Default)]
pub(super) struct PeopleCounts {
    pub(super) duplicates: u64,
    pub(super) lapsed_by_age: [u64; view::LAPSED_AGES.len()],
}

/// What counts for it of an invitation; times in milliseconds.
#[derive(Debug)]
pub(super) struct Invitee<'e> {
    pub(super) ref_link: Option<&'e str>,
    /// Trimmed and without case.
    pub(super) username: Option<&'e str>,
    pub(super) status: Status,
    pub(super) generated_at: Option<i64>,
    pub(super) redeemed_at: Option<i64>,
    pub(super) expiration: Option<i64>,
}

impl People {
    pub(super) fn new(former_key: Option<IdentityKey>) -> Self {
        let former = former_key.map(|key| (key, Vec::new()));
        Self {
            hasher: RandomState::new(),
            identities: Identities::new(),
            sightings: Vec::new(),
            claims: Vec::new(),
            former,
        }
    }

    /// Adds one invitation.
    pub(super) fn push(&mut self, entry: &Invitee<'_>) {
        let Invitee { ref_link, username, status, generated_at, redeemed_at, expiration } = *entry;
        let millis = |time: Option<i64>| time.map(Millis);
        let (name, at) = (username.unwrap_or_default(), millis(generated_at));
        let identity = self.identities.of(ref_link, name, at);
        if let Some((key, former)) = &mut self.former {
            let before = key.former(ref_link, name, at);
            former.push(Former { former: before.prefix(), current: identity.prefix() });
        }
        self.sightings.push(Sighting::new(identity, status, millis(generated_at), millis(redeemed_at)));
        if matches!(status, Status::Available | Status::Expired | Status::Redeemed) {
            let person = username.map_or(0, |name| self.hasher.hash_one(name).max(1));
            let generated = generated_at.unwrap_or(0) << Claim::STATUS_BITS | status as i64;
            self.claims.push(Claim { person, generated, expired_at: expiration.unwrap_or(0) });
        }
    }

    /// Bytes in use.
    pub(super) fn footprint(&self) -> usize {
        self.sightings.len() * size_of::<Sighting>() + self.claims.len() * size_of::<Claim>()
    }

    /// Duplicate invitations and lapsed people.
    ///
    /// An invitation whose generation is not known counts as generated before
    /// all others: a later invitation of the same person is then still found.
    pub(super) fn counts(&mut self, at: Millis) -> PeopleCounts {
        self.claims.sort_unstable_by_key(|claim| claim.person);
        let mut counts = PeopleCounts::default();
        for claims in self.claims.chunk_by(|a, b| a.person == b.person) {
            let nobody = claims[0].person == 0;
            let open = claims.iter().filter(|claim| claim.has(Status::Available)).count() as u64;
            let alive = claims.iter().filter(|claim| !claim.has(Status::Expired));
            let newest = alive.map(|claim| claim.generated()).max();
            if !nobody {
                counts.duplicates += open.saturating_sub(1);
            }
            for claim in claims.iter().filter(|claim| claim.has(Status::Expired)) {
                if nobody || newest.is_none_or(|newest| newest <= claim.generated()) {
                    counts.lapsed_by_age[buckets::of_age(Some(at.since(Millis(claim.expired_at))))] += 1;
                }
            }
        }
        counts
    }

    /// How many elements repeat the `refLink` of an earlier one.
    pub(super) fn duplicate_identities(&mut self) -> u64 {
        self.sightings.sort_unstable_by_key(|sighting| sighting.identity().rank());
        let runs = self.sightings.chunk_by(|a, b| a.identity() == b.identity());
        let named = runs.filter(|run| !run[0].identity().is_anonymous());
        named.map(|run| run.len() as u64 - 1).sum()
    }

    /// One sighting per element, in no particular order, and their former identities if these were asked for.
    pub(super) fn into_sightings(self) -> (Vec<Sighting>, Option<Vec<Former>>) {
        (self.sightings, self.former.map(|(_, former)| former))
    }
}
