//! The invitations themselves, for the person who has to act on a number.
//!
//! This is the only place that keeps what an invitation says of people. Polls do not come here: they count, and forget.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use super::criteria::Criteria;
use super::element::Element;
use super::list::{ListError, ListReader};
use super::text::clean;
use crate::{Millis, RoleKind, Status};

/// A group that an invitation carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedGroup {
    /// Its id.
    pub id: String,
    /// Its display name, the same as everywhere in the list; its id when there is none.
    pub name: String,
}

/// One invitation as the gauges read it. Personal data: its `Debug` says nothing.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a gauge of its own")]
pub struct Invitation {
    /// The invitee, as the service wrote it.
    pub username: Option<String>,
    /// Its status at the time of the fetch.
    pub status: Status,
    /// Its roles, by kind in the order of [`RoleKind::ALL`]; each name once.
    pub roles: [Vec<String>; RoleKind::ALL.len()],
    /// Its groups, each id once.
    pub groups: Vec<CarriedGroup>,
    /// `invitedByUsername`, else `generatedBy`.
    pub invited_by: Option<String>,
    /// When it was generated.
    pub generated: Option<Millis>,
    /// When it runs out, or ran out.
    pub expires: Option<Millis>,
    /// When it was redeemed.
    pub redeemed: Option<Millis>,
    /// When it was revoked.
    pub revoked: Option<Millis>,
    /// Carries a privileged role, directly or through an expanded group.
    pub is_privileged: bool,
    /// The invitee's domain is not trusted.
    pub is_external: bool,
    /// Available, and not the first of its username.
    pub is_duplicate: bool,
    /// Expired, and nobody invited the person again with success.
    pub is_lapsed: bool,
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitation").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Collects the invitations of a list while it arrives. Memory is bounded by nothing but the list: for a person who
/// waits, not for polls.
pub struct Invitations {
    reader: ListReader,
    rows: Rows,
}

/// The rows so far; a group's name is known only at the end of the list.
struct Rows {
    criteria: Arc<Criteria>,
    at: Millis,
    /// The display names of groups by id, both as the service sent them.
    names: HashMap<String, String>,
    list: Vec<Row>,
}

struct Row {
    invitation: Invitation,
    /// Trimmed and without case; empty for nobody.
    person: String,
}

impl Invitations {
    /// No invitations yet; expirations are reckoned from `at`.
    #[must_use]
    pub fn new(criteria: Arc<Criteria>, at: Millis) -> Self {
        let rows = Rows { criteria, at, names: HashMap::new(), list: Vec::new() };
        Self { reader: ListReader::with_people(), rows }
    }

    /// Takes the next piece of the body, of any length.
    ///
    /// # Errors
    /// As [`CensusBuilder::write`](super::CensusBuilder::write).
    pub fn write(&mut self, chunk: &[u8]) -> Result<(), ListError> {
        let Self { reader, rows } = self;
        reader.write(chunk, |element| rows.add(element))
    }

    /// The invitations, in the order of the list.
    ///
    /// # Errors
    /// As [`CensusBuilder::finish`](super::CensusBuilder::finish).
    pub fn finish(self) -> Result<Vec<Invitation>, ListError> {
        let Self { mut reader, mut rows } = self;
        reader.finish(|element| rows.add(element))?;
        Ok(rows.finish())
    }
}

impl fmt::Debug for Invitations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitations").finish_non_exhaustive()
    }
}

impl Rows {
    fn add(&mut self, element: &Element) {
        let Self { criteria, at, names, list } = self;
        let text = |field| element.non_empty(field).map(str::to_owned);
        let mut group_roles = element.expanded_groups().iter().flat_map(|group| element.roles_of(group));
        let mut is_privileged = group_roles.any(|role| criteria.is_privileged(role));
        let mut roles: [Vec<String>; RoleKind::ALL.len()] = Default::default();
        element.for_each_role(|kind, role| {
            is_privileged |= criteria.is_privileged(role.text);
            let of_kind = &mut roles[kind as usize];
            if !of_kind.iter().any(|known| known == role.text) {
                of_kind.push(role.text.to_owned());
            }
        });
        let mut seen = HashSet::new();
        let mut groups = Vec::new();
        let expanded = element.groups().map(|(id, group)| (id, element.non_empty(group.display_name)));
        for (id, name) in element.group_ids().map(|id| (id, None)).chain(expanded) {
            if let Some(name) = name {
                name_group(names, id.text, name);
            }
            if seen.insert(id.text) {
                groups.push(CarriedGroup { id: id.text.to_owned(), name: String::new() });
            }
        }
        let person = element.person().map(str::to_lowercase);
        let invitation = Invitation {
            username: text(element.username),
            status: element.status_at(*at),
            roles,
            groups,
            invited_by: text(element.invited_by).or_else(|| text(element.generated_by)),
            generated: element.generated_at.millis().map(Millis),
            expires: element.expiration.millis().map(Millis),
            redeemed: element.redeemed_at.millis().map(Millis),
            revoked: element.revoked_at.millis().map(Millis),
            is_privileged,
            is_external: criteria.judges_domains() && !criteria.trusts(person.as_deref()),
            is_duplicate: false,
            is_lapsed: false,
        };
        list.push(Row { invitation, person: person.unwrap_or_default() });
    }

    fn finish(self) -> Vec<Invitation> {
        let Self { names, mut list, .. } = self;
        mark_people(&mut list);
        let named = |Row { mut invitation, .. }: Row| {
            for CarriedGroup { id, name } in &mut invitation.groups {
                names.get(id).unwrap_or(id).clone_into(name);
            }
            invitation
        };
        list.into_iter().map(named).collect()
    }
}

/// Takes in another name of a group: the one stays that the gauges show.
fn name_group(names: &mut HashMap<String, String>, id: &str, name: &str) {
    match names.entry(id.to_owned()) {
        Entry::Vacant(none) => {
            none.insert(name.to_owned());
        }
        Entry::Occupied(mut so_far) => {
            if (clean(name), name) < (clean(so_far.get()), so_far.get()) {
                name.clone_into(so_far.get_mut());
            }
        }
    }
}

/// Marks duplicates and lapsed people, by the rules of `csp_invitations_duplicate` and `csp_invitations_lapsed_by_age`.
/// The first of several available invitations of a person is the one that was generated first, by the list's order where
/// that does not decide; an unknown generation comes before all others.
fn mark_people(rows: &mut [Row]) {
    let mut people: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, row) in rows.iter_mut().enumerate() {
        if row.person.is_empty() {
            row.invitation.is_lapsed = row.invitation.status == Status::Expired;
        } else {
            people.entry(std::mem::take(&mut row.person)).or_default().push(index);
        }
    }
    for indexes in people.values_mut() {
        indexes.sort_by_key(|&index| rows[index].invitation.generated);
        let mut has_open = false;
        for &index in indexes.iter() {
            let invitation = &mut rows[index].invitation;
            if invitation.status == Status::Available {
                invitation.is_duplicate = std::mem::replace(&mut has_open, true);
            }
        }
        let is_alive = |&&index: &&usize| matches!(rows[index].invitation.status, Status::Available | Status::Redeemed);
        let newest = indexes.iter().filter(is_alive).map(|&index| rows[index].invitation.generated).max();
        for &index in indexes.iter() {
            let invitation = &mut rows[index].invitation;
            let is_last = newest.is_none_or(|newest| newest <= invitation.generated);
            invitation.is_lapsed = invitation.status == Status::Expired && is_last;
        }
    }
}
