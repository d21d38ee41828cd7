//! A second, naive implementation of the counting rules, on `serde_json::Value`s: slow, whole list in memory,
//! written from the documented rules alone. The real counting must agree with it on every list.
#![allow(dead_code, reason = "each test file uses a part")]

#[path = "reference/fields.rs"]
mod fields;

use std::collections::{BTreeMap, BTreeSet};

use invitations::settings::Metrics;
use serde_json::Value;

use fields::{bindings, names, objects, service_roles, text, time};

pub(crate) type Row = BTreeMap<&'static str, u64>;
pub(crate) const STATUSES: [&str; 5] = ["available", "expired", "redeemed", "revoked", "unknown"];
const DAY: i64 = 86_400_000;

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) by_status: Row,
    pub(crate) by_role: BTreeMap<(String, String), Row>,
    pub(crate) by_group: BTreeMap<(String, String), Row>,
    pub(crate) by_pair: Option<BTreeMap<[String; 4], Row>>,
    pub(crate) privileged: Row,
    pub(crate) external: Option<Row>,
    pub(crate) duplicates: u64,
    pub(crate) lapsed: [u64; 5],
    pub(crate) pending: [u64; 6],
    pub(crate) time_left: [u64; 6],
    /// oldest pending, next expiration, last generated, last redeemed, last revoked
    pub(crate) times: [Option<i64>; 5],
    pub(crate) group_info: BTreeSet<[String; 4]>,
    /// unknown status, implausible time, missing identity, duplicate identity, malformed field, malformed text
    pub(crate) anomalies: [u64; 6],
    pub(crate) folded: [u64; 2],
}

/// Kind and name, and whether the filter lets pass what the service sent.
type Role = (String, String, bool);

#[derive(Default)]
struct Invitation {
    status: &'static str,
    generated: Option<i64>,
    expiration: Option<i64>,
    redeemed: Option<i64>,
    revoked: Option<i64>,
    person: Option<String>,
    roles: BTreeSet<Role>,
    groups: BTreeSet<String>,
    privileged: bool,
}

/// The invitations that the service lists for `group`: those that carry it; all of them without one.
pub(crate) fn carrying(list: &[Value], group: Option<&str>) -> Vec<Value> {
    let Some(group) = group else { return list.to_vec() };
    let carries = |invitation: &&Value| {
        let Value::Object(object) = invitation else { return false };
        let mut ignored = [0; 6];
        let mut ids = names(object, "customGroupsIds", &mut ignored);
        let expanded = objects(object, "customGroups", &mut ignored);
        ids.extend(expanded.into_iter().filter_map(|object| text(object, "id", &mut [0; 6])));
        ids.iter().any(|id| id == group)
    };
    list.iter().filter(carries).cloned().collect()
}

/// What becomes of a text before it is shown; notes those that are changed.
fn gate(text: &str, changed: &mut BTreeSet<String>) -> String {
    let is_control = |c: char| c < ' ' || ('\u{7f}'..='\u{9f}').contains(&c);
    let mut clean: String = text.chars().map(|c| if is_control(c) { '\u{fffd}' } else { c }).collect();
    if clean.len() > 256 {
        let hash = blake3::hash(text.as_bytes()).to_hex();
        let mut kept = String::new();
        for c in clean.chars() {
            if kept.len() + c.len_utf8() > 256 {
                break;
            }
            kept.push(c);
        }
        clean = format!("{kept}…{}", &hash[..8]);
    }
    if clean != text {
        changed.insert(text.to_owned());
    }
    clean
}

fn band(bounds: [i64; 4], value: i64) -> usize {
    bounds.iter().filter(|&&bound| value >= bound).count()
}

/// What was said of each group: by what is shown of it, whether the filter lets any of it pass.
type Said = BTreeMap<String, BTreeMap<String, bool>>;

fn say(said: &mut Said, id: &str, text: &str, allowed: bool) {
    *said.entry(id.to_owned()).or_default().entry(text.to_owned()).or_default() |= allowed;
}

fn add(rows: &mut BTreeMap<(String, String), Row>, key: (String, String), status: &'static str) {
    *rows.entry(key).or_default().entry(status).or_default() += 1;
}

/// The most frequent `limit` of `values`, ties by the value itself.
fn keep<T: Ord + Clone>(values: &BTreeMap<T, u64>, limit: usize) -> BTreeSet<T> {
    let mut order: Vec<_> = values.iter().map(|(value, total)| (std::cmp::Reverse(*total), value.clone())).collect();
    order.sort();
    order.into_iter().take(limit).map(|(_, value)| value).collect()
}

#[allow(clippy::too_many_lines, reason = "one rule after the other, as documented")]
pub(crate) fn count(list: &[Value], settings: &Metrics, at: i64) -> Expected {
    let mut expected = Expected::default();
    let anomalies = &mut expected.anomalies;
    let mut invitations = Vec::new();
    let (mut ids, mut display, mut types, mut domains) = (Said::new(), Said::new(), Said::new(), Said::new());
    let mut expanded = BTreeSet::new();
    let mut changed = BTreeSet::new();
    let mut links = BTreeSet::new();
    for element in list {
        let mut invitation = Invitation { status: "unknown", ..Invitation::default() };
        let Value::Object(object) = element else {
            anomalies[4] += 1;
            invitations.push(invitation);
            continue;
        };
        invitation.generated = time(object, "generatedAt", anomalies);
        invitation.redeemed = time(object, "redeemedAt", anomalies);
        invitation.revoked = time(object, "revokedAt", anomalies);
        invitation.expiration = time(object, "expirationTime", anomalies);
        let word = text(object, "status", anomalies);
        invitation.status = match word.as_deref() {
            Some("AVAILABLE") if invitation.expiration.is_some_and(|end| end <= at) => "expired",
            Some("AVAILABLE") => "available",
            Some("REDEEMED") => "redeemed",
            Some("REVOKED") => "revoked",
            _ => "unknown",
        };
        anomalies[0] += u64::from(invitation.status == "unknown");
        match text(object, "refLink", anomalies) {
            None => anomalies[2] += 1,
            Some(link) => anomalies[3] += u64::from(!links.insert(link)),
        }
        invitation.person =
            text(object, "username", anomalies).map(|name| name.trim().to_lowercase()).filter(|name| !name.is_empty());
        let mut roles = Vec::new();
        roles.extend(names(object, "orgRoleNames", anomalies).into_iter().map(|r| ("organization", r)));
        roles.extend(bindings(object, "organizationRoles", anomalies).into_iter().map(|r| ("organization", r)));
        roles.extend(service_roles(object, "serviceRolesDtos", anomalies).into_iter().map(|r| ("service", r)));
        roles.extend(bindings(object, "customRoles", anomalies).into_iter().map(|r| ("custom", r)));
        invitation.privileged = roles.iter().any(|(_, role)| settings.privileged_roles.contains(role));
        for (kind, role) in roles {
            invitation.roles.insert((kind.to_owned(), gate(&role, &mut changed), settings.roles.allows(&role)));
        }
        for id in names(object, "customGroupsIds", anomalies) {
            let clean = gate(&id, &mut changed);
            say(&mut ids, &clean, &clean, settings.groups.allows(&id));
            invitation.groups.insert(clean);
        }
        for group in objects(object, "customGroups", anomalies) {
            let id = text(group, "id", anomalies);
            let said = ["displayName", "groupType", "domain"].map(|key| text(group, key, anomalies));
            let mut roles = bindings(group, "organizationRoles", anomalies);
            roles.extend(bindings(group, "customRoles", anomalies));
            roles.extend(service_roles(group, "serviceRoles", anomalies));
            invitation.privileged |= roles.iter().any(|role| settings.privileged_roles.contains(role));
            if let Some(id) = id {
                let clean = gate(&id, &mut changed);
                say(&mut ids, &clean, &clean, settings.groups.allows(&id));
                for (said, what) in said.into_iter().zip([&mut display, &mut types, &mut domains]) {
                    if let Some(said) = said {
                        say(what, &clean, &gate(&said, &mut changed), settings.groups.allows(&said));
                    }
                }
                expanded.insert(clean.clone());
                invitation.groups.insert(clean);
            }
        }
        invitations.push(invitation);
    }

    anomalies[5] = changed.len() as u64;

    let smallest = |said: &Said, id: &String| said.get(id)?.first_key_value().map(|(text, ok)| (text.clone(), *ok));
    let group = |id: &String| smallest(&display, id).or_else(|| smallest(&ids, id)).expect("every group has an id");
    let group_name = |id: &String| group(id).0;
    let group_allowed = |id: &String| group(id).1;
    let mut role_totals: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    let mut group_totals: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut pair_totals: BTreeMap<[String; 4], u64> = BTreeMap::new();
    let mut all_roles = BTreeSet::new();
    let mut all_groups = BTreeSet::new();
    let none = || BTreeSet::from([(String::new(), String::new(), true)]);
    let pairs = |invitation: &Invitation| {
        let roles = if invitation.roles.is_empty() { none() } else { invitation.roles.clone() };
        let groups: BTreeSet<(String, String, bool)> = if invitation.groups.is_empty() {
            none()
        } else {
            invitation.groups.iter().map(|id| (group_name(id), id.clone(), group_allowed(id))).collect()
        };
        let mut pairs = Vec::new();
        for (kind, role, role_allowed) in &roles {
            for (name, id, group_allowed) in &groups {
                let allowed = *role_allowed && *group_allowed;
                pairs.push((allowed, [kind.clone(), role.clone(), name.clone(), id.clone()]));
            }
        }
        pairs
    };
    for invitation in &invitations {
        for (kind, role, allowed) in &invitation.roles {
            all_roles.insert((kind.clone(), role.clone(), *allowed));
            if *allowed {
                *role_totals.entry(kind.clone()).or_default().entry(role.clone()).or_default() += 1;
            }
        }
        for id in &invitation.groups {
            all_groups.insert(id.clone());
            if group_allowed(id) {
                *group_totals.entry((group_name(id), id.clone())).or_default() += 1;
            }
        }
        for (allowed, pair) in pairs(invitation) {
            if allowed {
                *pair_totals.entry(pair).or_default() += 1;
            }
        }
    }
    // Ties between roles are broken within a kind by name.
    let kept_roles: BTreeSet<Role> = role_totals
        .iter()
        .flat_map(|(kind, totals)| {
            keep(totals, settings.max_roles).into_iter().map(move |role| (kind.clone(), role, true))
        })
        .collect();
    let kept_groups = keep(&group_totals, settings.max_groups);
    // In the order of the real kinds' declaration, the kind of a pair breaks ties alphabetically.
    let kept_pairs = keep(&pair_totals, settings.max_pairs);
    expected.folded = [
        all_roles.iter().filter(|role| !kept_roles.contains(*role)).count() as u64,
        all_groups.iter().filter(|id| !kept_groups.contains(&(group_name(id), (*id).clone()))).count() as u64,
    ];

    let mut external = Row::new();
    let mut by_pair: BTreeMap<[String; 4], Row> = BTreeMap::new();
    let other = || "other".to_owned();
    for invitation in &invitations {
        let status = invitation.status;
        *expected.by_status.entry(status).or_default() += 1;
        let labels: BTreeSet<_> = invitation
            .roles
            .iter()
            .map(|role| (role.0.clone(), if kept_roles.contains(role) { role.1.clone() } else { other() }))
            .collect();
        for label in labels {
            add(&mut expected.by_role, label, status);
        }
        let labels: BTreeSet<_> = invitation
            .groups
            .iter()
            .map(|id| {
                let kept = kept_groups.contains(&(group_name(id), id.clone()));
                if kept { (id.clone(), group_name(id)) } else { (other(), other()) }
            })
            .collect();
        for label in labels {
            add(&mut expected.by_group, label, status);
        }
        let labels: BTreeSet<_> = pairs(invitation)
            .into_iter()
            .map(|(allowed, pair)| {
                let kept = allowed && kept_pairs.contains(&pair);
                if kept { pair } else { [other(), other(), other(), other()] }
            })
            .collect();
        for label in labels {
            *by_pair.entry(label).or_default().entry(status).or_default() += 1;
        }
        if invitation.privileged {
            *expected.privileged.entry(status).or_default() += 1;
        }
        let domain = invitation.person.as_deref().and_then(|p| p.rsplit('@').next().filter(|_| p.contains('@')));
        let trusted = settings.trusted_domains.iter().flatten().any(|entry| {
            domain.is_some_and(|domain| {
                !domain.is_empty()
                    && match entry.strip_prefix("*.") {
                        Some(parent) => domain.len() > parent.len() + 1 && domain.ends_with(&format!(".{parent}")),
                        None => domain == entry,
                    }
            })
        });
        if !trusted {
            *external.entry(status).or_default() += 1;
        }
        expected.times[2] = expected.times[2].max(invitation.generated);
        expected.times[3] = expected.times[3].max(invitation.redeemed);
        expected.times[4] = expected.times[4].max(invitation.revoked);
        if status == "available" {
            let smaller = |a: Option<i64>, b: Option<i64>| a.into_iter().chain(b).min();
            expected.times[0] = smaller(expected.times[0], invitation.generated);
            expected.times[1] = smaller(expected.times[1], invitation.expiration);
            let age = invitation.generated.map_or(5, |g| band([DAY, 3 * DAY, 7 * DAY, 30 * DAY], at - g));
            expected.pending[age] += 1;
            let left = invitation.expiration.map_or(5, |e| band([DAY / 24, DAY, 3 * DAY, 7 * DAY], e - at));
            expected.time_left[left] += 1;
        }
        if status == "expired" {
            let is_lost = !invitations.iter().any(|later| {
                invitation.person.is_some()
                    && later.person == invitation.person
                    && ["available", "redeemed"].contains(&later.status)
                    && later.generated.unwrap_or(0) > invitation.generated.unwrap_or(0)
            });
            if is_lost {
                let age = at - invitation.expiration.expect("an expired invitation has an expiration");
                expected.lapsed[band([DAY, 3 * DAY, 7 * DAY, 30 * DAY], age)] += 1;
            }
        }
    }
    let open: Vec<&String> =
        invitations.iter().filter(|i| i.status == "available").filter_map(|i| i.person.as_ref()).collect();
    expected.duplicates = (open.len() - open.iter().collect::<BTreeSet<_>>().len()) as u64;
    expected.external = settings.trusted_domains.is_some().then_some(external);
    expected.by_pair = settings.joint.then_some(by_pair);
    for id in expanded {
        let name = group_name(&id);
        if kept_groups.contains(&(name.clone(), id.clone())) {
            let of = |said: &Said| smallest(said, &id).map(|(text, _)| text).unwrap_or_default();
            expected.group_info.insert([id.clone(), name, of(&types), of(&domains)]);
        }
    }
    expected
}
