//! Sums by pair of role and group.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::ops::RangeInclusive;

use super::pairs::{AT_ONCE, NONE, Pair, PairHashing, PairTotals, or_none};
use super::{Memberships, Names, OTHER, number};
use crate::census::view::{Pairs, SmallCounts};

/// Sums by pair. A pair with a value that is not allowed is itself not allowed; past the limit it is `other` as a
/// whole. The empty role and the empty group are no values: filters do not speak of them.
///
/// `totals` are those of all pairs, unless there were too many to count at once.
pub(super) fn by_status<E>(
    names: &Names<'_>,
    memberships: &Memberships,
    totals: PairTotals,
    limit: usize,
    allowed: impl Fn(Option<u32>, Option<u32>) -> bool,
    check: &mut impl FnMut() -> Result<(), E>,
) -> Result<Pairs, E> {
    let mut frequent = Frequent { names, limit, allowed, kept: Vec::new(), offered: 0 };
    if totals.is_too_many() {
        drop(totals);
        for part in parts(names, memberships, check)? {
            frequent.offer(count_part(memberships, &part, check)?);
        }
    } else {
        frequent.offer(totals);
    }
    frequent.choose();
    let Frequent { kept, offered, .. } = frequent;
    let mut other = SmallCounts::default();
    if offered > kept.len() {
        let kept: HashSet<Pair, PairHashing> = kept.iter().map(|(pair, _)| *pair).collect();
        let is_folded = |roles: &[u32], groups: &[u32]| {
            let mut pairs = roles.iter().flat_map(|&role| groups.iter().map(move |&group| Pair { role, group }));
            // More pairs than are kept cannot all be among them.
            roles.len() * groups.len() > kept.len() || pairs.any(|pair| !kept.contains(&pair))
        };
        memberships.replay(check, |status, roles, groups| {
            other[status as usize] += u32::from(is_folded(or_none(roles), or_none(groups)));
            kept.len().min(roles.len() * groups.len())
        })?;
    }
    let own = kept.into_iter().map(|(pair, counts)| {
        let (role_kind, role, group, group_id) = names.labels(pair);
        ((role_kind, role), (group_id, group), counts)
    });
    let folded = other.iter().any(|&count| count > 0).then_some(((OTHER, OTHER), (OTHER, OTHER), other));
    Ok(own.chain(folded).collect())
}

/// Kind and name of a role, name and id of a group: the order of ties.
type PairLabels<'n> = (&'static str, &'n str, &'n str, &'n str);

impl Names<'_> {
    fn labels(&self, pair: Pair) -> PairLabels<'_> {
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
    /// How many there were, also of those that are not allowed.
    offered: usize,
}

impl<A: Fn(Option<u32>, Option<u32>) -> bool> Frequent<'_, A> {
    /// Offers pairs with all that there is of them in the list.
    fn offer(&mut self, totals: PairTotals) {
        totals.for_each(|pair, counts| {
            self.offered += 1;
            let (role, group) = pair.parts();
            if (self.allowed)(role, group) {
                self.kept.push((pair, counts));
            }
            // Not each time: finding the most frequent goes through all of them.
            if self.kept.len() > self.limit.saturating_mul(2).saturating_add(1024) {
                self.choose();
            }
        });
    }

    /// Lets go of what is past the limit.
    fn choose(&mut self) {
        let Self { names, limit, kept, .. } = self;
        if kept.len() > *limit {
            let total = |counts: &SmallCounts| Reverse(counts.iter().copied().map(u64::from).sum::<u64>());
            kept.select_nth_unstable_by(*limit, |(a, a_counts), (b, b_counts)| {
                total(a_counts).cmp(&total(b_counts)).then_with(|| names.labels(*a).cmp(&names.labels(*b)))
            });
            kept.truncate(*limit);
        }
    }
}

/// Some of the roles together with some of the groups.
struct Part {
    roles: RangeInclusive<u32>,
    groups: RangeInclusive<u32>,
}

/// All pairs in parts, each with few enough distinct ones to be counted at once. What invitations carry is read once for each part,
/// but each pair of an invitation is counted in one of them alone: the cost does not grow with the number of parts
/// times the number of pairs.
fn parts<E>(
    names: &Names<'_>,
    memberships: &Memberships,
    check: &mut impl FnMut() -> Result<(), E>,
) -> Result<Vec<Part>, E> {
    // The last place is for no role.
    let mut pairs = vec![0_usize; names.roles_end() + 1];
    let none = pairs.len() - 1;
    memberships.replay(check, |_, roles, groups| {
        for &role in or_none(roles) {
            pairs[(role as usize).min(none)] += or_none(groups).len();
        }
        0
    })?;
    let all_groups = names.groups.len() + 1;
    let mut ranges: Vec<(RangeInclusive<u32>, usize)> = Vec::new();
    for (role, pairs) in (0..).zip(pairs) {
        let distinct = pairs.min(all_groups);
        match ranges.last_mut() {
            Some((roles, size)) if *size + distinct <= AT_ONCE => {
                *roles = *roles.start()..=role;
                *size += distinct;
            }
            _ => ranges.push((role..=role, distinct)),
        }
    }
    if let Some((roles, _)) = ranges.last_mut() {
        *roles = *roles.start()..=NONE;
    }
    let mut parts = Vec::new();
    for (roles, size) in ranges {
        // A single role with more groups than that has several parts.
        let last = if size > AT_ONCE { number((all_groups - 1) / AT_ONCE) } else { 0 };
        parts.extend((0..=last).map(|at| {
            let start = at * number(AT_ONCE);
            let end = if at == last { NONE } else { start + number(AT_ONCE) - 1 };
            Part { roles: roles.clone(), groups: start..=end }
        }));
    }
    Ok(parts)
}

fn count_part<E>(
    memberships: &Memberships,
    part: &Part,
    check: &mut impl FnMut() -> Result<(), E>,
) -> Result<PairTotals, E> {
    let mut totals = PairTotals::map();
    memberships.replay(check, |status, roles, groups| {
        totals.count(status, within(or_none(roles), &part.roles), within(or_none(groups), &part.groups))
    })?;
    Ok(totals)
}

/// Those of the sorted `ids` that are in `range`.
fn within<'i>(ids: &'i [u32], range: &RangeInclusive<u32>) -> &'i [u32] {
    let start = ids.partition_point(|id| id < range.start());
    let end = ids.partition_point(|id| id <= range.end());
    &ids[start..end]
}
