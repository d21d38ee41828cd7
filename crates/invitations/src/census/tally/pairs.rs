//! Pairs of a role and a group, and how they are counted.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use crate::Status;

/// How many pairs are counted at once, in a few megabytes. A hostile list has millions of them.
pub(super) const AT_ONCE: usize = 64 * 1024;

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

    pub(super) fn parts(self) -> (Option<u32>, Option<u32>) {
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

/// Counts a pair, unless there are too many already: one more than [`AT_ONCE`] says so.
pub(super) fn count(totals: &mut PairCounts<SmallCounts>, pair: Pair, status: Status) {
    if totals.len() <= AT_ONCE {
        // More invitations than a u32 counts would not fit into memory.
        totals.entry(pair).or_default()[status as usize] += 1;
    }
}
