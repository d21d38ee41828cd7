//! The lists inside an element: roles and groups.

use super::{Cursor, Found, Group, Lenient, Span, Stop};
use crate::RoleKind;

/// A field of an invitation that holds a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    OrgRoleNames,
    OrganizationRoles,
    ServiceRoles,
    CustomRoles,
    GroupIds,
    Groups,
}

impl Field {
    /// How many there are.
    pub(super) const LISTS: usize = 6;

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

/// A field of an expanded group.
#[derive(Debug, Clone, Copy)]
pub(super) enum GroupField {
    Id,
    DisplayName,
    GroupType,
    Domain,
    Bindings,
    ServiceRoles,
}

impl GroupField {
    pub(super) fn of_key(key: &[u8]) -> Option<Self> {
        Some(match key {
            b"id" => Self::Id,
            b"displayName" => Self::DisplayName,
            b"groupType" => Self::GroupType,
            b"domain" => Self::Domain,
            b"organizationRoles" | b"customRoles" => Self::Bindings,
            b"serviceRoles" => Self::ServiceRoles,
            _ => return None,
        })
    }
}

/// Reads a list of strings; `found` gets each. Returns how many values had the wrong type.
///
/// An item of the wrong type costs that item alone: its siblings are as good as ever,
/// and a privileged role must not vanish behind a broken neighbour.
pub(super) fn names(cursor: &mut Cursor<'_>, text: &mut String, found: &mut impl FnMut(Span)) -> Result<u64, Stop> {
    let mut malformed = 0;
    let wrong = cursor.array_or_skip(|cursor| {
        match cursor.string(text)? {
            Lenient::Set(span) => found(span),
            Lenient::Malformed => malformed += 1,
            Lenient::NotSet => {}
        }
        Ok(())
    })?;
    Ok(malformed + u64::from(wrong))
}

/// Reads a list of role bindings; `found` gets the `name` of each. Returns how many values had the wrong type.
pub(super) fn bindings(cursor: &mut Cursor<'_>, text: &mut String, found: &mut impl FnMut(Span)) -> Result<u64, Stop> {
    let mut malformed = 0;
    let wrong = cursor.array_or_skip(|cursor| {
        let mut name = Lenient::NotSet;
        let wrong = cursor.object_or_skip(|cursor, key| {
            if key == b"name" {
                name = cursor.string(text)?;
                Ok(())
            } else {
                cursor.skip()
            }
        })?;
        match name {
            Lenient::Set(span) => found(span),
            Lenient::Malformed => malformed += 1,
            Lenient::NotSet => {}
        }
        malformed += u64::from(wrong);
        Ok(())
    })?;
    Ok(malformed + u64::from(wrong))
}

/// Reads a list of services with their roles, by name or as bindings. Returns how many values had the wrong type.
pub(super) fn service_roles(
    cursor: &mut Cursor<'_>,
    text: &mut String,
    found: &mut impl FnMut(Span),
) -> Result<u64, Stop> {
    let mut malformed = 0;
    let wrong = cursor.array_or_skip(|cursor| {
        let wrong = cursor.object_or_skip(|cursor, key| {
            match key {
                b"serviceRoleNames" => malformed += names(cursor, text, found)?,
                b"serviceRoles" => malformed += bindings(cursor, text, found)?,
                _ => cursor.skip()?,
            }
            Ok(())
        })?;
        malformed += u64::from(wrong);
        Ok(())
    })?;
    Ok(malformed + u64::from(wrong))
}

/// Reads one expanded group. Returns how many values had the wrong type.
pub(super) fn expanded_group(cursor: &mut Cursor<'_>, found: &mut Found<'_>) -> Result<u64, Stop> {
    let Found { text, groups, roles } = found;
    let mut group = Group::default();
    let mut in_roles = 0;
    let wrong = cursor.object_or_skip(|cursor, key| {
        let mut found = |span| roles.push(span);
        match GroupField::of_key(key) {
            Some(GroupField::Id) => group.id = cursor.string(text)?,
            Some(GroupField::DisplayName) => group.display_name = cursor.string(text)?,
            Some(GroupField::GroupType) => group.kind = cursor.string(text)?,
            Some(GroupField::Domain) => group.domain = cursor.string(text)?,
            Some(GroupField::Bindings) => in_roles += bindings(cursor, text, &mut found)?,
            Some(GroupField::ServiceRoles) => in_roles += service_roles(cursor, text, &mut found)?,
            None => cursor.skip()?,
        }
        Ok(())
    })?;
    let texts = [group.id, group.display_name, group.kind, group.domain];
    let in_texts = texts.iter().filter(|text| **text == Lenient::Malformed).count() as u64;
    groups.push(group);
    Ok(in_texts + in_roles + u64::from(wrong))
}
