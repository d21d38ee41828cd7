//! Sums by pair of role and group: most of what is known of a usual organization.

use super::ByStatus;
use crate::Status;

/// Invitations that carry one role together with one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairRow<'v> {
    /// Label `role_kind`: a [`RoleKind`](crate::RoleKind), empty without a role, `other` for what was folded.
    pub role_kind: &'static str,
    /// Label `role`.
    pub role: &'v str,
    /// Label `group_id`.
    pub group_id: &'v str,
    /// Label `group`.
    pub group: &'v str,
    /// Invitations by status.
    pub counts: ByStatus,
}

/// One row per pair, sorted by role kind, role, group id and group.
///
/// The same few roles and groups make up all the pairs, so each is kept once, and a pair in 28 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairs {
    /// Kind and name, sorted.
    roles: Box<[(&'static str, Box<str>)]>,
    /// Id and name, sorted.
    groups: Box<[(Box<str>, Box<str>)]>,
    /// Sorted.
    rows: Box<[Row]>,
}

/// Places of its role and its group among the sorted ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    role: u32,
    group: u32,
    counts: SmallCounts,
}

/// One number per status, like [`ByStatus`], in half the space: more invitations than a u32 counts would not fit into
/// memory.
pub(in crate::census) type SmallCounts = [u32; Status::ALL.len()];

impl Pairs {
    /// Each pair once, in its order.
    #[must_use]
    pub fn rows(&self) -> impl ExactSizeIterator<Item = PairRow<'_>> {
        self.rows.iter().map(|pair| {
            let (role_kind, role) = &self.roles[pair.role as usize];
            let (group_id, group) = &self.groups[pair.group as usize];
            PairRow { role_kind, role, group_id, group, counts: pair.counts.map(u64::from) }
        })
    }
}

/// Kind and name of a role, name and id of a group, with what was counted. Each pair may come once.
pub(in crate::census) type Labelled<'n> = ((&'static str, &'n str), (&'n str, &'n str), SmallCounts);

impl<'n> FromIterator<Labelled<'n>> for Pairs {
    fn from_iter<I: IntoIterator<Item = Labelled<'n>>>(rows: I) -> Self {
        let labelled: Vec<Labelled<'n>> = rows.into_iter().collect();
        let roles = sorted(labelled.iter().map(|row| row.0));
        let groups = sorted(labelled.iter().map(|row| row.1));
        let mut rows: Box<[Row]> = labelled
            .iter()
            .map(|(role, group, counts)| Row {
                role: place(&roles, role),
                group: place(&groups, group),
                counts: *counts,
            })
            .collect();
        rows.sort_unstable();
        Self {
            roles: roles.into_iter().map(|(kind, role)| (kind, role.into())).collect(),
            groups: groups.into_iter().map(|(id, group)| (id.into(), group.into())).collect(),
            rows,
        }
    }
}

fn sorted<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values.dedup();
    values
}

fn place<T: Ord>(sorted: &[T], value: &T) -> u32 {
    // A list's roles and groups have u32 numbers, so there are no more of either.
    u32::try_from(sorted.partition_point(|before| before < value)).unwrap_or(u32::MAX)
}
