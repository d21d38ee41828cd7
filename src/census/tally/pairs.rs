//! Sums by pair of role and group.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use super::{ByStatus, Log, Names, OTHER, is_used};
use crate::census::Status;
use crate::census::view::PairRow;

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
    names: &Names<'_>,
    log: &Log,
    totals: &PairCounts<SmallCounts>,
    limit: usize,
    allowed: impl Fn(Option<u32>, Option<u32>) -> bool,
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
    let is_allowed = |pair: &Pair| {
        let (role, group) = pair.parts();
        allowed(role, group)
    };
    let mut candidates: Vec<Pair> = totals.keys().copied().filter(is_allowed).collect();
    if candidates.len() > limit {
        let total = |pair: Pair| totals[&pair].iter().copied().map(u64::from).sum::<u64>();
        let mut ranked: Vec<(Reverse<u64>, Pair)> =
            candidates.iter().map(|&pair| (Reverse(total(pair)), pair)).collect();
        ranked.select_nth_unstable_by(limit, |(a_total, a), (b_total, b)| {
            a_total.cmp(b_total).then_with(|| labels(*a).cmp(&labels(*b)))
        });
        ranked.truncate(limit);
        candidates = ranked.into_iter().map(|(_, pair)| pair).collect();
    }
    let mut other = ByStatus::default();
    if candidates.len() < totals.len() {
        let kept: HashSet<Pair, PairHashing> = candidates.iter().copied().collect();
        log.replay(|status, roles, groups| {
            let mut folded = false;
            pairs_of(roles, groups, |pair| folded = folded || !kept.contains(&pair));
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
    rows.sort_unstable_by(|a, b| row_labels(a).cmp(&row_labels(b)));
    rows
}

fn row_labels(row: &PairRow) -> [&str; 4] {
    [row.role_kind, &row.role, &row.group_id, &row.group]
}
