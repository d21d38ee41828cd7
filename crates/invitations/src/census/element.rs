//! One element of the list, read leniently into reused buffers.

mod repeats;
mod roles_and_groups;
mod time;

use super::json::{Cursor, Lenient, Span, Stop, Texts};
use super::text::Sent;
use crate::{Millis, RoleKind, Status};
use repeats::Repeats;
use roles_and_groups::{Found, ListField};
pub use time::Time;
use time::time;

/// A group that came expanded.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Group {
    pub(super) id: Lenient<Span>,
    pub(super) display_name: Lenient<Span>,
    pub(super) kind: Lenient<Span>,
    pub(super) domain: Lenient<Span>,
    /// Its roles, among those of all groups of the element.
    roles: Span,
    /// Which group it repeats, if it is one that is remembered: with the same number it says the same.
    pub(super) repeats: Option<u16>,
}

impl Group {
    /// The same with other places.
    fn map(self, place: impl Fn(Span) -> Span) -> Self {
        Self {
            id: self.id.map(&place),
            display_name: self.display_name.map(&place),
            kind: self.kind.map(&place),
            domain: self.domain.map(&place),
            ..self
        }
    }
}

/// What is used of one element. `invitationLink` is not among it: a secret that is never read cannot leak.
#[derive(Debug, Default)]
pub(super) struct Element {
    texts: Texts,
    pub(super) is_object: bool,
    pub(super) status: Lenient<Span>,
    pub(super) username: Lenient<Span>,
    pub(super) ref_link: Lenient<Span>,
    /// Who invited, in two fields of which older lists have one; read for [`Self::with_people`] alone.
    pub(super) invited_by: Lenient<Span>,
    pub(super) generated_by: Lenient<Span>,
    pub(super) generated_at: Time,
    pub(super) redeemed_at: Time,
    pub(super) revoked_at: Time,
    pub(super) expiration: Time,
    /// The names in each list but the last.
    names: [Vec<Span>; ListField::LISTS - 1],
    /// Expanded groups that have an id or roles.
    groups: Vec<Group>,
    /// The roles in all of them.
    group_roles: Vec<Span>,
    malformed_in_lists: [u64; ListField::LISTS],
    repeats: Repeats,
    reads_people: bool,
}

impl Element {
    /// One that also reads who invited. Polls do not need it: what is never read cannot leak.
    pub(super) fn with_people() -> Self {
        Self { reads_people: true, ..Self::default() }
    }

    /// Reads one element; the former one is forgotten. On [`Stop`] the content is unspecified.
    pub(super) fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        self.reset();
        self.is_object = cursor.peek()? == b'{';
        if !self.is_object {
            return cursor.skip();
        }
        cursor.object(|cursor, key| self.field(cursor, key))
    }

    /// The decoded text at a place.
    pub(super) fn text(&self, span: Span) -> &str {
        self.texts.get(span)
    }

    /// The text of a field as it was sent, when it is set and not empty.
    pub(super) fn sent(&self, field: Lenient<Span>) -> Option<Sent<'_>> {
        match field {
            Lenient::Set(span) => Some(self.texts.sent(span)).filter(|sent| !sent.text.is_empty()),
            Lenient::NotSet | Lenient::Malformed => None,
        }
    }

    /// The text of a field, when it is set and not empty.
    pub(super) fn non_empty(&self, field: Lenient<Span>) -> Option<&str> {
        self.sent(field).map(|sent| sent.text)
    }

    /// The status at `at`: the service knows no expired invitations, they stay `AVAILABLE`.
    pub(super) fn status_at(&self, at: Millis) -> Status {
        match self.status {
            Lenient::Set(word) => match self.text(word) {
                "AVAILABLE" if self.expiration.millis().is_some_and(|end| end <= at.0) => Status::Expired,
                "AVAILABLE" => Status::Available,
                "REDEEMED" => Status::Redeemed,
                "REVOKED" => Status::Revoked,
                _ => Status::Unknown,
            },
            Lenient::NotSet | Lenient::Malformed => Status::Unknown,
        }
    }

    /// The invitee without blanks around, when there is one.
    pub(super) fn person(&self) -> Option<&str> {
        self.non_empty(self.username).map(str::trim).filter(|name| !name.is_empty())
    }

    /// Calls `each` with every role that the invitation itself carries, repeats included.
    ///
    /// One list after the other: an iterator over all of them asks before each role which list it is in.
    #[inline]
    pub(super) fn for_each_role(&self, mut each: impl FnMut(RoleKind, Sent<'_>)) {
        for list in ListField::OF_ROLES {
            self.names(list).for_each(|role| each(list.role_kind(), role));
        }
    }

    /// The ids of groups that are listed without being expanded, repeats included.
    pub(super) fn group_ids(&self) -> impl Iterator<Item = Sent<'_>> {
        self.names(ListField::GroupIds)
    }

    /// The expanded groups that have an id, repeats included.
    pub(super) fn groups(&self) -> impl Iterator<Item = (Sent<'_>, &Group)> {
        self.groups.iter().filter_map(|group| Some((self.sent(group.id)?, group)))
    }

    /// The expanded groups that have an id or roles, repeats included.
    pub(super) fn expanded_groups(&self) -> &[Group] {
        &self.groups
    }

    /// Every role that one of these groups brings, repeats included.
    pub(super) fn roles_of(&self, group: &Group) -> impl Iterator<Item = &str> {
        self.group_roles[group.roles.range()].iter().map(|span| self.text(*span))
    }

    fn names(&self, list: ListField) -> impl Iterator<Item = Sent<'_>> {
        self.names[list as usize].iter().map(|span| self.texts.sent(*span)).filter(|name| !name.text.is_empty())
    }

    /// How many fields held another type than promised; a whole element that is no object is one.
    pub(super) fn malformed(&self) -> u64 {
        if !self.is_object {
            return 1;
        }
        let texts = [self.status, self.username, self.ref_link];
        let times = self.times();
        let in_texts = texts.iter().filter(|text| **text == Lenient::Malformed).count();
        let in_times = times.iter().filter(|time| **time == Time::Malformed).count();
        (in_texts + in_times) as u64 + self.malformed_in_lists.iter().sum::<u64>()
    }

    /// How many times were outside of the plausible range.
    pub(super) fn implausible(&self) -> u64 {
        self.times().iter().filter(|time| **time == Time::Implausible).count() as u64
    }

    fn times(&self) -> [Time; 4] {
        [self.generated_at, self.redeemed_at, self.revoked_at, self.expiration]
    }

    fn reset(&mut self) {
        let Self {
            texts,
            is_object,
            status,
            username,
            ref_link,
            invited_by,
            generated_by,
            generated_at,
            redeemed_at,
            revoked_at,
            expiration,
            names,
            groups,
            group_roles,
            malformed_in_lists,
            repeats: _,
            reads_people: _,
        } = self;
        texts.clear();
        *is_object = false;
        (*status, *username, *ref_link) = (Lenient::NotSet, Lenient::NotSet, Lenient::NotSet);
        (*invited_by, *generated_by) = (Lenient::NotSet, Lenient::NotSet);
        (*generated_at, *redeemed_at) = (Time::NotSet, Time::NotSet);
        (*revoked_at, *expiration) = (Time::NotSet, Time::NotSet);
        names.iter_mut().for_each(Vec::clear);
        groups.clear();
        group_roles.clear();
        *malformed_in_lists = [0; ListField::LISTS];
    }

    /// Takes one field. A key that occurs twice counts as its last occurrence, as most JSON readers have it.
    fn field(&mut self, cursor: &mut Cursor<'_>, key: &[u8]) -> Result<(), Stop> {
        // By length first: an element has some twenty keys, and comparing each with all names adds up.
        match (key.len(), key) {
            (6, b"status") => self.status = cursor.string(&mut self.texts)?,
            (8, b"username") => self.username = cursor.string(&mut self.texts)?,
            (7, b"refLink") => self.ref_link = cursor.string(&mut self.texts)?,
            (11, b"generatedAt") => self.generated_at = time(cursor, &mut self.texts)?,
            (10, b"redeemedAt") => self.redeemed_at = time(cursor, &mut self.texts)?,
            (9, b"revokedAt") => self.revoked_at = time(cursor, &mut self.texts)?,
            (14, b"expirationTime") => self.expiration = time(cursor, &mut self.texts)?,
            (17, b"invitedByUsername") if self.reads_people => self.invited_by = cursor.string(&mut self.texts)?,
            (11, b"generatedBy") if self.reads_people => self.generated_by = cursor.string(&mut self.texts)?,
            _ => match ListField::of_key(key) {
                Some(list) => self.list(cursor, list)?,
                None => cursor.skip()?,
            },
        }
        Ok(())
    }

    fn list(&mut self, cursor: &mut Cursor<'_>, list: ListField) -> Result<(), Stop> {
        let Self { texts, names, groups, group_roles, .. } = self;
        let malformed = if let Some(names) = names.get_mut(list as usize) {
            names.clear();
            let found = &mut Found { texts, names };
            match list {
                ListField::OrgRoleNames | ListField::GroupIds => roles_and_groups::names(cursor, found)?,
                ListField::ServiceRoles => roles_and_groups::service_roles(cursor, found)?,
                ListField::OrganizationRoles | ListField::CustomRoles | ListField::Groups => {
                    roles_and_groups::bindings(cursor, found)?
                }
            }
        } else {
            groups.clear();
            group_roles.clear();
            self.read_groups(cursor)?
        };
        self.malformed_in_lists[list as usize] = malformed;
        Ok(())
    }

    fn read_groups(&mut self, cursor: &mut Cursor<'_>) -> Result<u64, Stop> {
        let Self { texts, groups, group_roles, repeats, .. } = self;
        let mut found = Found { texts, names: group_roles };
        let mut malformed = 0;
        let wrong = cursor.array_or_skip(|cursor| {
            cursor.peek()?;
            let start = found.names.len();
            let (mut group, wrong) = match repeats.recall(cursor, &mut found) {
                Ok(known) => known,
                Err(mark) => {
                    let (group, wrong) = roles_and_groups::expanded_group(cursor, &mut found)?;
                    if let Some(mark) = mark {
                        repeats.remember(mark, cursor, &found, group, wrong);
                    }
                    (group, wrong)
                }
            };
            malformed += wrong;
            group.roles = Span::new(start, found.names.len());
            // One without an id counts for nothing but its roles.
            let has_id = matches!(group.id, Lenient::Set(id) if !found.texts.get(id).is_empty());
            if has_id || found.names.len() > start {
                groups.push(group);
            }
            Ok(())
        })?;
        Ok(malformed + u64::from(wrong))
    }
}
