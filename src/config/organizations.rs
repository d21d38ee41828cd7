//! `organizations`: what is polled.

use std::sync::Arc;

use exporter_toolkit::document::{Fields, Node, Wrong, nearest, text};

use super::credentials::{Named, is_label};
use super::poll::{Schedule, interval};
use super::unique::Unique;
use super::{Organization, OrganizationKey};

/// The organizations of one file; `is_needed` says that it must have some. They use the first of `credentials` that has the name.
pub(super) fn read(
    root: &mut Fields<'_, '_>,
    is_needed: bool,
    schedule: &Schedule,
    credentials: &[&Named],
    unique: &mut Unique,
) -> Vec<Arc<Organization>> {
    let given = root.has("organizations");
    let mut listed = 0;
    let organizations = root.mappings("organizations", |fields| {
        listed += 1;
        organization(fields, schedule, credentials, unique).map(Arc::new)
    });
    if !is_needed {
        return organizations.unwrap_or_default();
    }
    if organizations.is_some() && listed == 0 {
        root.problem_at("organizations", "at least one organization must be listed");
    } else if !given {
        root.problem_at("organizations", "is missing: at least one organization must be listed");
    }
    organizations.unwrap_or_default()
}

fn organization(
    mut fields: Fields<'_, '_>,
    schedule: &Schedule,
    credentials: &[&Named],
    unique: &mut Unique,
) -> Option<Organization> {
    let id = fields.required("id", text);
    let named = fields.optional("name", text);
    let custom_group_id = fields.optional("custom_group_id", group_id);
    let mut is_known = false;
    if let Some(id) = &id {
        let key = OrganizationKey::new(id, custom_group_id.as_deref());
        if !is_guid(id) {
            fields.problem_at("id", "must be a GUID such as 01234567-89ab-cdef-0123-456789abcdef");
        } else if fields.has("custom_group_id") && custom_group_id.is_none() {
            // Which group it is for is not known: nothing can be said of it.
        } else if let Some(first) = unique.claim_key(key.as_str(), &fields) {
            is_known = true;
            let what = if custom_group_id.is_some() { "id and custom_group_id" } else { "id" };
            fields.problem_at("id", format!("the same {what} as {first}"));
        }
    }
    if named.as_deref().is_some_and(|name| !is_label(name)) {
        fields.problem_at("name", "must be 1 to 128 characters without control characters");
    }
    let name = named.or_else(|| id.clone());
    let has_name = fields.has("name");
    // Two of the same id are said above already.
    if let Some(first) = name.as_ref().and_then(|name| unique.claim_name(name, &fields))
        && (has_name || !is_known)
    {
        if has_name {
            fields.problem_at("name", format!("the same name as {first}"));
        } else {
            fields.problem_at(
                "id",
                format!("the same name as {first}: without a name the id is the name, so give it one"),
            );
        }
    }
    let credential = fields.required("credentials", |node| {
        let wanted = text(node)?;
        let found = credentials.iter().find_map(|named| named.find(&wanted));
        found.cloned().ok_or_else(|| unknown_credential(&wanted, credentials, unique).into())
    });
    let own = fields.optional("interval", interval);
    let interval = own.unwrap_or(schedule.interval);
    let (deadline, stale_after) = (schedule.deadline(interval), schedule.stale_after(interval));
    // The common interval is checked once, in `poll`.
    if own.is_some() && deadline >= interval {
        fields.problem_at("interval", "must be longer than poll.deadline");
    }
    if own.is_some() && stale_after < interval {
        fields.problem_at("interval", "must not be longer than poll.stale_after");
    }
    fields.finish();
    Some(Organization {
        id: id?,
        custom_group_id,
        name: name?,
        credential: credential??,
        interval,
        deadline,
        stale_after,
    })
}

/// What `customGroupId` is sent as: letters, digits and hyphens, as the service's own ids are.
fn group_id(node: &Node) -> Result<String, Wrong> {
    let id = text(node)?;
    let is_clean = (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if is_clean { Ok(id) } else { Err("must be 1 to 64 letters, digits and hyphens".into()) }
}

/// Names the credentials that there are, not the unknown one: it could be a token in the wrong place.
fn unknown_credential(wanted: &str, credentials: &[&Named], unique: &mut Unique) -> String {
    let names = || credentials.iter().flat_map(|named| named.names());
    let meant = if unique.is_worth_a_guess() { nearest(wanted, names()) } else { None };
    let some: Vec<_> = names().take(10).collect();
    match meant {
        Some(meant) => format!("no credential has this name; did you mean {meant}?"),
        None if some.is_empty() => "no credential has this name: credentials has none".to_owned(),
        None => format!("no credential has this name; there are {}", some.join(", ")),
    }
}

/// 8-4-4-4-12 hexadecimal digits.
pub(super) fn is_guid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_hexdigit()))
}
