//! The lists inside an element: roles and groups.

use std::ops::Range;

use super::{Cursor, Group, Lenient, Span, Stop, Texts};
use crate::RoleKind;

/// A field of an invitation that holds a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListField {
    OrgRoleNames,
    OrganizationRoles,
    ServiceRoles,
    CustomRoles,
    GroupIds,
    Groups,
}

impl ListField {
    /// How many there are.
    pub(super) const LISTS: usize = 6;
    /// Those that hold roles.
    pub(super) const OF_ROLES: [Self; 4] =
        [Self::OrgRoleNames, Self::OrganizationRoles, Self::ServiceRoles, Self::CustomRoles];

    pub(super) fn of_key(key: &[u8]) -> Option<Self> {
        Some(match key {
            b"orgRoleNames" => Self::OrgRoleNames,
            b"organizationRoles" => Self::OrganizationRoles,
            b"serviceRolesDtos" => Self::ServiceRoles,
            b"customRoles" => Self::CustomRoles,
            b"customGroupsIds" => Self::GroupIds,
            b"customGroups" => Self::Groups,
            _ => return None,
        })
    }

    /// The kind of the roles that the list holds.
    pub(super) fn role_kind(self) -> RoleKind {
        match self {
            Self::ServiceRoles => RoleKind::Service,
            Self::CustomRoles => RoleKind::Custom,
            Self::OrgRoleNames | Self::OrganizationRoles | Self::GroupIds | Self::Groups => RoleKind::Organization,
        }
    }
}

/// Where the names that are found go, and the texts that they are in.
pub(super) struct Found<'e> {
    pub(super) texts: &'e mut Texts,
    pub(super) names: &'e mut Vec<Span>,
}

/// What one key of an object brought so far. A key that occurs again takes the place of its former occurrence.
#[derive(Debug, Default)]
struct Brought {
    names: Range<usize>,
    malformed: u64,
}

impl Brought {
    fn again(
        &mut self,
        found: &mut Found<'_>,
        read: impl FnOnce(&mut Found<'_>) -> Result<u64, Stop>,
    ) -> Result<(), Stop> {
        found.names[self.names.clone()].fill(Span::EMPTY);
        let start = found.names.len();
        self.malformed = read(found)?;
        self.names = start..found.names.len();
        Ok(())
    }
}

/// Reads a list of strings. Returns how many values had the wrong type.
///
/// An item of the wrong type costs that item alone: its siblings are as good as ever,
/// and a privileged role must not vanish behind a broken neighbour.
pub(super) fn names(cursor: &mut Cursor<'_>, found: &mut Found<'_>) -> Result<u64, Stop> {
    let mut malformed = 0;
    let wrong = cursor.array_or_skip(|cursor| {
        match cursor.string(found.texts)? {
            Lenient::Set(span) => found.names.push(span),
            Lenient::Malformed => malformed += 1,
            Lenient::NotSet => {}
        }
        Ok(())
    })?;
    Ok(malformed + u64::from(wrong))
}

/// Reads a list of role bindings for the `name` of each. Returns how many values had the wrong type.
pub(super) fn bindings(cursor: &mut Cursor<'_>, found: &mut Found<'_>) -> Result<u64, Stop> {
    let mut malformed = 0;
    let wrong = cursor.array_or_skip(|cursor| {
        let mut name = Lenient::NotSet;
        let wrong = cursor.object_or_skip(|cursor, key| {
            if key == b"name" {
                name = cursor.string(found.texts)?;
                Ok(())
            } else {
                cursor.skip()
            }
        })?;
        match name {
            Lenient::Set(span) => found.names.push(span),
            Lenient::Malformed => malformed += 1,
            Lenient::NotSet => {}
        }
        malformed += u64::from(wrong);
        Ok(())
    })?;
    Ok(malformed + u64::from(wrong))
}

/// Reads a list of services with their roles, by name or as bindings. Returns how many values had the wrong type.
pub(super) fn service_roles(cursor: &mut Cursor<'_>, found: &mut Found<'_>) -> Result<u64, Stop> {
    let mut malformed = 0;
    let wrong = cursor.array_or_skip(|cursor| {
        let [mut in_names, mut in_bindings] = [Brought::default(), Brought::default()];
        let wrong = cursor.object_or_skip(|cursor, key| match key {
            b"serviceRoleNames" => in_names.again(found, |found| names(cursor, found)),
            b"serviceRoles" => in_bindings.again(found, |found| bindings(cursor, found)),
            _ => cursor.skip(),
        })?;
        malformed += in_names.malformed + in_bindings.malformed + u64::from(wrong);
        Ok(())
    })?;
    Ok(malformed + u64::from(wrong))
}

/// Reads one expanded group, and its roles into `found`. Returns also how many values had the wrong type.
pub(super) fn expanded_group(cursor: &mut Cursor<'_>, found: &mut Found<'_>) -> Result<(Group, u64), Stop> {
    let mut group = Group::default();
    let [mut in_roles, mut in_custom, mut in_services] = [Brought::default(), Brought::default(), Brought::default()];
    let wrong = cursor.object_or_skip(|cursor, key| {
        match key {
            b"id" => group.id = cursor.string(found.texts)?,
            b"displayName" => group.display_name = cursor.string(found.texts)?,
            b"groupType" => group.kind = cursor.string(found.texts)?,
            b"domain" => group.domain = cursor.string(found.texts)?,
            b"organizationRoles" => in_roles.again(found, |found| bindings(cursor, found))?,
            b"customRoles" => in_custom.again(found, |found| bindings(cursor, found))?,
            b"serviceRoles" => in_services.again(found, |found| service_roles(cursor, found))?,
            _ => cursor.skip()?,
        }
        Ok(())
    })?;
    let texts = [group.id, group.display_name, group.kind, group.domain];
    let in_texts = texts.iter().filter(|text| **text == Lenient::Malformed).count() as u64;
    let in_lists = in_roles.malformed + in_custom.malformed + in_services.malformed;
    Ok((group, in_texts + in_lists + u64::from(wrong)))
}
