//! Pairs of a role and a group, and how they are counted.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use crate::Status;
use crate::census::view::SmallCounts;

/// How many pairs are counted at once, in a few megabytes. A hostile list has millions of them.
pub(super) const AT_ONCE: usize = 64 * 1024;
/// Up to so many roles times groups, there is a place for each pair: five megabytes.
const TABLE: usize = 256 * 1024;

/// In place of a role or group that an invitation does not have. Behind all numbers.
pub(super) const NONE: u32 = u32::MAX;

/// The roles, or the groups, that an invitation is counted under.
pub(super) fn or_none(ids: &[u32]) -> &[u32] {
    if ids.is_empty() { &[NONE] } else { ids }
}

/// The numbers of a role and a group, [`NONE`] where an invitation carries none. In eight bytes: a hostile list has
/// many pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) role: u32,
    pub(super) group: u32,
}

impl Pair {
    pub(super) fn parts(self) -> (Option<u32>, Option<u32>) {
        let number = |id: u32| (id != NONE).then_some(id);
        (number(self.role), number(self.group))
    }
}

impl Hash for Pair {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from(self.role) << 32 | u64::from(self.group));
    }
}

/// Sums by pair.
#[derive(Debug)]
pub(super) enum PairTotals {
    /// A place for each pair that there can be: found without a search.
    Table {
        /// How many groups there are, and one for none.
        columns: usize,
        /// One row for each role, the first for none.
        cells: Vec<SmallCounts>,
    },
    /// Those that occur. One more than [`AT_ONCE`] says that there are too many.
    Map(HashMap<Pair, SmallCounts, PairHashing>),
}

impl PairTotals {
    /// Nothing yet, for roles and groups with numbers below these.
    pub(super) fn new(roles: usize, groups: usize) -> Self {
        let (rows, columns) = (roles.saturating_add(1), groups.saturating_add(1));
        let cells = rows.saturating_mul(columns);
        if cells <= TABLE { Self::Table { columns, cells: vec![SmallCounts::default(); cells] } } else { Self::map() }
    }

    /// Nothing yet, for any pairs.
    pub(super) fn map() -> Self {
        Self::Map(HashMap::default())
    }

    /// Counts an invitation under each of these roles and groups. Returns how many pairs that were.
    pub(super) fn count(&mut self, status: Status, roles: &[u32], groups: &[u32]) -> usize {
        match self {
            Self::Table { columns, cells } => {
                // No number is the last one: with one more, it is the first.
                let place = |id: u32| id.wrapping_add(1) as usize;
                for &role in roles {
                    let start = place(role) * *columns;
                    let row = &mut cells[start..start + *columns];
                    for &group in groups {
                        row[place(group)][status as usize] += 1;
                    }
                }
            }
            Self::Map(totals) => {
                for &role in roles {
                    for &group in groups {
                        if totals.len() > AT_ONCE {
                            return 0;
                        }
                        totals.entry(Pair { role, group }).or_default()[status as usize] += 1;
                    }
                }
            }
        }
        roles.len() * groups.len()
    }

    /// Whether there were too many pairs to count.
    pub(super) fn is_too_many(&self) -> bool {
        matches!(self, Self::Map(totals) if totals.len() > AT_ONCE)
    }

    /// Calls `each` for every pair that occurs.
    pub(super) fn for_each(self, mut each: impl FnMut(Pair, SmallCounts)) {
        match self {
            Self::Table { columns, cells } => {
                #[expect(clippy::cast_possible_truncation, reason = "places of u32 numbers")]
                let number = |place: usize| (place as u32).wrapping_sub(1);
                for (place, counts) in cells.into_iter().enumerate() {
                    if counts != SmallCounts::default() {
                        each(Pair { role: number(place / columns), group: number(place % columns) }, counts);
                    }
                }
            }
            Self::Map(totals) => totals.into_iter().for_each(|(pair, counts)| each(pair, counts)),
        }
    }
}

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
