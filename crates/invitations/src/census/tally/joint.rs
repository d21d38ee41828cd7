//! Sums by pair of role and group.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::hash::BuildHasher;

use super::pairs::{AT_ONCE, Pair, PairCounts, PairHashing, SmallCounts, count, pairs_of};
use super::{ByStatus, Log, Names, OTHER, is_used};
use crate::census::view::PairRow;

/// How many pairs are passed between two looks at the clock.
const CHECK_EVERY: usize = 1 << 18;

/// Sums by pair. A pair with a value that is not allowed is itself not allowed; past the limit it is `other` as a
/// whole. The empty role and the empty group are no values: filters do not speak of them.
///
/// `totals` are those of all pairs, or none when there are too many to count at once.
pub(super) fn by_status<E>(
    names: &Names<'_>,
    log: &Log,
    totals: Option<PairCounts<SmallCounts>>,
    limit: usize,
    allowed: impl Fn(Option<u32>, Option<u32>) -> bool,
    check: &mut impl FnMut() -> Result<(), E>,
) -> Result<Vec<PairRow>, E> {
    let mut frequent = Frequent { names, limit, allowed, kept: Vec::new(), is_folding: false };
    match totals {
        Some(totals) => frequent.offer(totals),
        None => frequent.offer_in_parts(log, check)?,
    }
    let Frequent { kept, is_folding, .. } = frequent;
    let mut other = ByStatus::default();
    if is_folding {
        let kept: HashSet<Pair, PairHashing> = kept.iter().map(|(pair, _)| *pair).collect();
        log.replay(|status, roles, groups| {
            // More pairs than are kept cannot all be among them.
            let mut is_folded = roles.len().max(1) * groups.len().max(1) > kept.len();
            if !is_folded {
                pairs_of(roles, groups, |pair| is_folded = is_folded || !kept.contains(&pair));
            }
            other[status as usize] += u64::from(is_folded);
        });
    }
    let row = |(role_kind, role, group, group_id): Labels<'_>, counts| PairRow {
        role_kind,
        role: role.to_owned(),
        group_id: group_id.to_owned(),
        group: group.to_owned(),
        counts,
    };
    let mut rows: Vec<PairRow> =
        kept.into_iter().map(|(pair, counts)| row(names.labels(pair), counts.map(u64::from))).collect();
    rows.extend(is_used(&other).then(|| row((OTHER, OTHER, OTHER, OTHER), other)));
    rows.sort_unstable_by(|a, b| row_labels(a).cmp(&row_labels(b)));
    Ok(rows)
}

/// Kind and name of a role, name and id of a group: the order of ties.
type Labels<'n> = (&'static str, &'n str, &'n str, &'n str);

impl Names<'_> {
    fn labels(&self, pair: Pair) -> Labels<'_> {
        let (role, group) = pair.parts();
        (
            role.map_or("", |role| self.kind(role).as_str()),
            role.map_or("", |role| self.role(role)),
            group.map_or("", |group| self.groups.name(group)),
            group.map_or("", |group| self.groups.id(group)),
        )
    }
}

/// The most frequent of the pairs that were offered so far.
struct Frequent<'n, A> {
    names: &'n Names<'n>,
    limit: usize,
    allowed: A,
    kept: Vec<(Pair, SmallCounts)>,
    /// Whether any was not kept.
    is_folding: bool,
}

impl<A: Fn(Option<u32>, Option<u32>) -> bool> Frequent<'_, A> {
    /// Offers pairs with all that there is of them in the list.
    fn offer(&mut self, totals: PairCounts<SmallCounts>) {
        let Self { names, limit, allowed, kept, is_folding } = self;
        let offered = kept.len() + totals.len();
        let is_allowed = |(pair, _): &(Pair, SmallCounts)| {
            let (role, group) = pair.parts();
            allowed(role, group)
        };
        kept.extend(totals.into_iter().filter(is_allowed));
        if kept.len() > *limit {
            let total = |counts: &SmallCounts| Reverse(counts.iter().copied().map(u64::from).sum::<u64>());
            kept.select_nth_unstable_by(*limit, |(a, a_counts), (b, b_counts)| {
                total(a_counts).cmp(&total(b_counts)).then_with(|| names.labels(*a).cmp(&names.labels(*b)))
            });
            kept.truncate(*limit);
        }
        *is_folding |= kept.len() < offered;
    }

    /// Goes through the log as many times as it takes, counting a part of the pairs each time.
    fn offer_in_parts<E>(&mut self, log: &Log, check: &mut impl FnMut() -> Result<(), E>) -> Result<(), E> {
        let hashing = PairHashing::default();
        let mut parts = 1;
        'more: loop {
            parts *= 4;
            self.kept.clear();
            self.is_folding = false;
            for part in 0..parts {
                match count_part(log, &hashing, part, parts, check)? {
                    Some(totals) => self.offer(totals),
                    None => continue 'more,
                }
            }
            return Ok(());
        }
    }
}

/// The sums of one of so many parts of all pairs; none when these are still too many.
fn count_part<E>(
    log: &Log,
    hashing: &PairHashing,
    part: u64,
    parts: u64,
    check: &mut impl FnMut() -> Result<(), E>,
) -> Result<Option<PairCounts<SmallCounts>>, E> {
    let mut totals = PairCounts::with_hasher(hashing.clone());
    let (mut checked, mut result) = (0, Ok(()));
    log.replay(|status, roles, groups| {
        checked += roles.len().max(1) * groups.len().max(1);
        if checked > CHECK_EVERY {
            checked = 0;
            result = std::mem::replace(&mut result, Ok(())).and_then(|()| check());
        }
        if result.is_ok() && totals.len() <= AT_ONCE {
            pairs_of(roles, groups, |pair| {
                // Not the bits that the table itself goes by.
                if (hashing.hash_one(pair) >> 24) % parts == part {
                    count(&mut totals, pair, status);
                }
            });
        }
    });
    result?;
    Ok((totals.len() <= AT_ONCE).then_some(totals))
}

fn row_labels(row: &PairRow) -> [&str; 4] {
    [row.role_kind, &row.role, &row.group_id, &row.group]
}
