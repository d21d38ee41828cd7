//! Sums by pair of role and group.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use super::{ByStatus, Log, Names, OTHER, is_used};
use crate::census::Status;
use crate::census::view::PairRow;
use crate::config::Metrics;

/// A role and a group, each one more than its number, 0 where an invitation carries none. In eight bytes: a hostile
/// list has many pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair {
    role: u32,
    group: u32,
}

impl Pair {
    fn of(role: Option<u32>, group: Option<u32>) -> Self {
        let place = |id: Option<u32>| id.map_or(0, |id| id.saturating_add(1));
        Self { role: place(role), group: place(group) }
    }

    fn parts(self) -> (Option<u32>, Option<u32>) {
        (self.role.checked_sub(1), self.group.checked_sub(1))
    }
}

impl Hash for Pair {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from(self.role) << 32 | u64::from(self.group));
    }
}

/// One number per status, like [`ByStatus`], in half the space.
pub(super) type SmallCounts = [u32; Status::ALL.len()];

/// Something for each pair.
pub(super) type PairCounts<T> = HashMap<Pair, T, PairHashing>;

/// Hashes a pair by one multiplication with a factor that nobody can foresee.
#[derive(Debug, Clone)]
pub(super) struct PairHashing {
    factor: u64,
}

impl Default for PairHashing {
    fn default() -> Self {
        Self { factor: RandomState::new().hash_one(0) | 1 }
    }
}

impl BuildHasher for PairHashing {
    type Hasher = PairHasher;

    fn build_hasher(&self) -> PairHasher {
        PairHasher { factor: self.factor, hash: 0 }
    }
}

#[derive(Debug)]
pub(super) struct PairHasher {
    factor: u64,
    hash: u64,
}

impl Hasher for PairHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "both halves of the product are folded into one")]
    fn write_u64(&mut self, number: u64) {
        let product = u128::from(self.hash ^ number) * u128::from(self.factor);
        self.hash = (product >> 64) as u64 ^ product as u64;
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}

/// Calls `each` for every pair of one invitation.
pub(super) fn pairs_of(roles: &[u32], groups: &[u32], mut each: impl FnMut(Pair)) {
    let or_none = |ids: &[u32], at: usize| ids.get(at).copied();
    for role in 0..roles.len().max(1) {
        for group in 0..groups.len().max(1) {
            each(Pair::of(or_none(roles, role), or_none(groups, group)));
        }
    }
}

/// Sums by pair. A pair with a value that is not allowed is itself not allowed; past the limit it is `other` as a
/// whole. The empty role and the empty group are no values: filters do not speak of them.
pub(super) fn by_status(
    settings: &Metrics,
    names: &Names<'_>,
    log: &Log,
    totals: &PairCounts<SmallCounts>,
) -> Vec<PairRow> {
    let labels = |pair: Pair| {
        let (role, group) = pair.parts();
        (
            role.map_or("", |role| names.kind(role).as_str()),
            role.map_or("", |role| names.role(role)),
            group.map_or("", |group| names.groups.name(group)),
            group.map_or("", |group| names.groups.id(group)),
        )
    };
    let mut allowed: HashMap<u32, bool> = HashMap::new();
    let mut group_allowed: HashMap<u32, bool> = HashMap::new();
    let mut candidates: Vec<Pair> = totals
        .keys()
        .copied()
        .filter(|pair| {
            let (role, group) = pair.parts();
            let role =
                role.is_none_or(|role| *allowed.entry(role).or_insert_with(|| settings.roles.allows(names.role(role))));
            let group = group.is_none_or(|group| {
                *group_allowed.entry(group).or_insert_with(|| settings.groups.allows(names.groups.name(group)))
            });
            role && group
        })
        .collect();
    if candidates.len() > settings.max_pairs {
        let total = |pair: &Pair| totals[pair].iter().copied().map(u64::from).sum::<u64>();
        candidates.sort_unstable_by_key(|pair| (Reverse(total(pair)), labels(*pair)));
        candidates.truncate(settings.max_pairs);
    }
    let mut other = ByStatus::default();
    if candidates.len() < totals.len() {
        let kept: HashSet<Pair, PairHashing> = candidates.iter().copied().collect();
        log.replay(|status, roles, groups| {
            let mut folded = false;
            pairs_of(roles, groups, |pair| folded |= !kept.contains(&pair));
            other[status as usize] += u64::from(folded);
        });
    }
    let row = |(role_kind, role, group, group_id): (&'static str, &str, &str, &str), counts| PairRow {
        role_kind,
        role: role.to_owned(),
        group_id: group_id.to_owned(),
        group: group.to_owned(),
        counts,
    };
    let mut rows: Vec<PairRow> =
        candidates.into_iter().map(|pair| row(labels(pair), totals[&pair].map(u64::from))).collect();
    rows.extend(is_used(&other).then(|| row((OTHER, OTHER, OTHER, OTHER), other)));
    let key = |row: &PairRow| (row.role_kind, row.role.clone(), row.group_id.clone(), row.group.clone());
    rows.sort_by_cached_key(key);
    rows
}
