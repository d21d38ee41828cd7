//! Sums by role, by group and by pair, with what is too many folded into `other`.

mod joint;
mod pairs;

use std::cmp::Reverse;

use super::groups::Groups;
use super::intern::Interner;
use super::memberships::Memberships;
use super::view::{ByStatus, GroupInfo, GroupRow, RoleRow, View};
use crate::RoleKind;
use crate::settings::Metrics;
use pairs::{PairTotals, or_none};

/// The label value of everything that is folded.
const OTHER: &str = "other";
/// How many kinds of roles there are, as a factor of role numbers.
const KINDS: u32 = 3;

type Roles = [Interner; RoleKind::ALL.len()];

/// The number of a role over all kinds.
pub(super) fn role_id(kind: RoleKind, number: u32) -> u32 {
    number.saturating_mul(KINDS) + kind as u32
}

/// Fills in everything of `view` that depends on the list as a whole. Ends early with what `check` says now and then.
pub(super) fn draw<E>(
    settings: &Metrics,
    roles: &Roles,
    groups: &Groups,
    memberships: &Memberships,
    view: &mut View,
    check: &mut impl FnMut() -> Result<(), E>,
) -> Result<(), E> {
    let names = Names { roles, groups };
    let Totals { roles: role_totals, groups: group_totals, pairs } =
        Totals::of(&names, memberships, settings.joint, check)?;
    let allowed_roles = IdSet::of(names.roles_end(), names.role_ids().filter(|&role| names.is_allowed(role)));
    let allowed_groups = IdSet::of(groups.len(), names.group_ids().filter(|&group| groups.is_allowed(group)));

    let mut kept_roles = IdSet::none(names.roles_end());
    for kind in RoleKind::ALL {
        let of_kind = allowed_roles.values().filter(|&role| names.kind(role) == kind).collect();
        kept_roles
            .keep(settings.max_roles, of_kind, |&role| (Reverse(total(&role_totals[role as usize])), names.role(role)));
    }
    let mut kept_groups = IdSet::none(groups.len());
    kept_groups.keep(settings.max_groups, allowed_groups.values().collect(), |&group| {
        (Reverse(total(&group_totals[group as usize])), groups.name(group), groups.id(group))
    });

    view.by_role = roles_by_status(&names, memberships, &role_totals, &kept_roles, check)?;
    view.by_group = groups_by_status(&names, memberships, &group_totals, &kept_groups, check)?;
    let allowed = |role: Option<u32>, group: Option<u32>| {
        role.is_none_or(|role| allowed_roles.has(role)) && group.is_none_or(|group| allowed_groups.has(group))
    };
    view.by_role_and_group = match pairs {
        Some(pairs) => Some(joint::by_status(&names, memberships, pairs, settings.max_pairs, allowed, check)?),
        None => None,
    };
    view.group_info = names
        .group_ids()
        .filter(|&group| kept_groups.has(group))
        .filter_map(|group| Some((group, groups.expansion(group)?)))
        .map(|(group, (group_type, domain))| GroupInfo {
            group_id: groups.id(group).to_owned(),
            group: groups.name(group).to_owned(),
            group_type: group_type.to_owned(),
            domain: domain.to_owned(),
        })
        .collect();
    view.group_info.sort_unstable_by(|a, b| a.group_id.cmp(&b.group_id));
    view.folded_roles = names.role_ids().filter(|&role| !kept_roles.has(role)).count() as u64;
    view.folded_groups = names.group_ids().filter(|&group| !kept_groups.has(group)).count() as u64;
    Ok(())
}

/// What the numbers of roles and groups stand for.
struct Names<'c> {
    roles: &'c Roles,
    groups: &'c Groups,
}

impl Names<'_> {
    /// One more than the largest number of a role.
    fn roles_end(&self) -> usize {
        self.roles.iter().map(Interner::len).max().unwrap_or(0) * KINDS as usize
    }

    fn role_ids(&self) -> impl Iterator<Item = u32> {
        RoleKind::ALL
            .into_iter()
            .flat_map(|kind| (0..self.roles[kind as usize].len()).map(move |n| role_id(kind, number(n))))
    }

    fn group_ids(&self) -> impl Iterator<Item = u32> + use<> {
        0..number(self.groups.len())
    }

    #[expect(clippy::unused_self, reason = "reads as the other questions about a role")]
    fn kind(&self, role: u32) -> RoleKind {
        RoleKind::ALL[(role % KINDS) as usize]
    }

    fn role(&self, role: u32) -> &str {
        self.roles[(role % KINDS) as usize].get(role / KINDS)
    }

    fn is_allowed(&self, role: u32) -> bool {
        self.roles[(role % KINDS) as usize].is_allowed(role / KINDS)
    }
}

fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// How many invitations carry each value.
struct Totals {
    roles: Vec<ByStatus>,
    groups: Vec<ByStatus>,
    /// Too many when they cannot be counted at once; none where nobody asks for them.
    pairs: Option<PairTotals>,
}

impl Totals {
    fn of<E>(
        names: &Names<'_>,
        memberships: &Memberships,
        joint: bool,
        check: &mut impl FnMut() -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut roles = vec![ByStatus::default(); names.roles_end()];
        let mut groups = vec![ByStatus::default(); names.groups.len()];
        let mut pairs = joint.then(|| PairTotals::new(roles.len(), groups.len()));
        memberships.replay(check, |status, carried_roles, carried_groups| {
            for &role in carried_roles {
                roles[role as usize][status as usize] += 1;
            }
            for &group in carried_groups {
                groups[group as usize][status as usize] += 1;
            }
            let pairs = pairs.as_mut();
            pairs.map_or(0, |pairs| pairs.count(status, or_none(carried_roles), or_none(carried_groups)))
        })?;
        Ok(Self { roles, groups, pairs })
    }
}

fn total(counts: &ByStatus) -> u64 {
    counts.iter().sum()
}

/// A set of roles or groups, by number: those that are allowed, those that keep their name.
struct IdSet {
    chosen: Vec<bool>,
}

impl IdSet {
    fn none(end: usize) -> Self {
        Self { chosen: vec![false; end] }
    }

    fn of(end: usize, values: impl Iterator<Item = u32>) -> Self {
        let mut set = Self::none(end);
        values.for_each(|value| set.chosen[value as usize] = true);
        set
    }

    /// Chooses the first `limit` of `candidates` in the order of `key`.
    fn keep<K: Ord>(&mut self, limit: usize, mut candidates: Vec<u32>, key: impl Fn(&u32) -> K) {
        if candidates.len() > limit {
            candidates.select_nth_unstable_by(limit, |a, b| key(a).cmp(&key(b)));
            candidates.truncate(limit);
        }
        for value in candidates {
            self.chosen[value as usize] = true;
        }
    }

    fn values(&self) -> impl Iterator<Item = u32> {
        (0..number(self.chosen.len())).filter(|&value| self.has(value))
    }

    fn has(&self, value: u32) -> bool {
        self.chosen[value as usize]
    }
}

/// Sums by role. What is folded, and a role that is really called `other`, count once per invitation and kind.
fn roles_by_status<E>(
    names: &Names<'_>,
    memberships: &Memberships,
    counts: &[ByStatus],
    kept: &IdSet,
    check: &mut impl FnMut() -> Result<(), E>,
) -> Result<Vec<RoleRow>, E> {
    let own_row = |role: u32| kept.has(role) && names.role(role) != OTHER;
    let mut others = [ByStatus::default(); RoleKind::ALL.len()];
    if !names.role_ids().all(own_row) {
        memberships.replay(check, |status, roles, _| {
            let mut folded = [false; RoleKind::ALL.len()];
            for &role in roles.iter().filter(|role| !own_row(**role)) {
                folded[names.kind(role) as usize] = true;
            }
            for (other, folded) in others.iter_mut().zip(folded) {
                other[status as usize] += u64::from(folded);
            }
            0
        })?;
    }
    let own = names.role_ids().filter(|&role| own_row(role)).map(|role| RoleRow {
        kind: names.kind(role),
        role: names.role(role).to_owned(),
        counts: counts[role as usize],
    });
    let other = RoleKind::ALL.into_iter().zip(others).filter(|(_, counts)| is_used(counts));
    let other = other.map(|(kind, counts)| RoleRow { kind, role: OTHER.to_owned(), counts });
    let mut rows: Vec<RoleRow> = own.chain(other).collect();
    rows.sort_unstable_by(|a, b| (a.kind, &a.role).cmp(&(b.kind, &b.role)));
    Ok(rows)
}

fn is_used(counts: &ByStatus) -> bool {
    counts.iter().any(|&count| count > 0)
}

fn groups_by_status<E>(
    names: &Names<'_>,
    memberships: &Memberships,
    counts: &[ByStatus],
    kept: &IdSet,
    check: &mut impl FnMut() -> Result<(), E>,
) -> Result<Vec<GroupRow>, E> {
    let Names { groups, .. } = *names;
    let own_row = |group: u32| kept.has(group) && !(groups.id(group) == OTHER && groups.name(group) == OTHER);
    let mut other = ByStatus::default();
    if !names.group_ids().all(own_row) {
        memberships.replay(check, |status, _, ids| {
            other[status as usize] += u64::from(!ids.iter().copied().all(own_row));
            0
        })?;
    }
    let row = |id: &str, name: &str, counts| GroupRow { group_id: id.to_owned(), group: name.to_owned(), counts };
    let own = names.group_ids().filter(|&group| own_row(group));
    let mut rows: Vec<GroupRow> =
        own.map(|group| row(groups.id(group), groups.name(group), counts[group as usize])).collect();
    rows.extend(is_used(&other).then(|| row(OTHER, OTHER, other)));
    rows.sort_unstable_by(|a, b| (&a.group_id, &a.group).cmp(&(&b.group_id, &b.group)));
    Ok(rows)
}
