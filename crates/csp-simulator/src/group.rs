//! The groups that invitations carry.

use super::dice::Dice;
use super::json::{Binding, binding, number, put};
use super::vocabulary::{MEMBER, ORGANIZATION_ROLES, SERVICES};

/// A group of an organization.
#[derive(Debug)]
pub(super) struct Group {
    /// GUID.
    pub(super) id: String,
    /// As an expanded list and the list of groups show it, in JSON.
    pub(super) expanded: Vec<u8>,
}

impl Group {
    /// A group of `organization`, with members and roles that the dice give it.
    pub(super) fn new(id: String, name: &str, kind: &str, organization: &str, dice: &mut Dice) -> Self {
        let mut out = Vec::with_capacity(640);
        let domain = if kind == "USER_GROUP" { "null" } else { "\"example.com\"" };
        put(
            &mut out,
            &[
                "{\"id\":\"",
                &id,
                "\",\"displayName\":\"",
                name,
                "\",\"description\":\"",
                name,
                " of the organization\"",
            ],
        );
        put(&mut out, &[",\"domain\":", domain, ",\"groupType\":\"", kind, "\",\"ownerOrgId\":\"", organization]);
        put(&mut out, &["\",\"sharedOrgIds\":[],\"orgId\":null"]);
        number(&mut out, "usersCount", dice.between(1, 200));
        let role = if name == "Break Glass" { 1 } else { MEMBER + dice.below(ORGANIZATION_ROLES.len() - MEMBER) };
        let of = |name, display_name| Binding {
            name,
            display_name,
            membership: "DIRECT",
            organization,
            expires: None,
            created: "2023-04-01T09:30:00.000Z",
        };
        put(&mut out, &[",\"organizationRoles\":["]);
        binding(&mut out, &of(ORGANIZATION_ROLES[role].0, Some(ORGANIZATION_ROLES[role].1)));
        put(&mut out, &["],\"customRoles\":[],\"serviceRoles\":["]);
        let service = dice.pick(&SERVICES);
        let service_id = service.link.rsplit('/').next().unwrap_or_default();
        let role = *dice.pick(service.roles);
        put(
            &mut out,
            &["{\"serviceDefinitionId\":\"", service_id, "\",\"serviceRoleNames\":[\"", role, "\"],\"serviceRoles\":["],
        );
        binding(&mut out, &of(role, None));
        put(&mut out, &["]}]}"]);
        Self { id, expanded: out }
    }
}
