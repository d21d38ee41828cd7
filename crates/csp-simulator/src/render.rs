//! Invitations as JSON, written straight into a buffer: the lists that benchmarks ask for have a million of them.

use super::clock::{DAY, Moment};
use super::content::{Content, bits};
use super::dice::Dice;
use super::json::{Binding, binding, list, number, put, quoted, time};
use super::life::{Life, Seen};
use super::population::Population;
use super::vocabulary::{CUSTOM_ROLES, MEMBERSHIPS, ORGANIZATION_ROLES, SERVICES};

/// What a request wants expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Expand {
    /// Role bindings: the parameter `expand`, whatever its value.
    pub(super) roles: bool,
    /// Groups: the boolean `expandCustomGroups`.
    pub(super) groups: bool,
}

/// One invitation as the service shows it at `moment`.
pub(super) fn invitation(out: &mut Vec<u8>, population: &Population, life: &Life, moment: Moment, expand: Expand) {
    let content = Content::of(population, life);
    let Seen { status, generated, expiration, redeemed, revoked } = life.seen(moment.simulated);
    let mut dice = Dice::new(&[life.key, 2]);
    let form = dice.below(3);
    let report = |time| moment.report(time);
    let organization = population.organization.as_str();

    put(out, &["{\"username\":\""]);
    life.write_username(population.health, out);
    put(out, &["\",\"status\":\"", status, "\""]);
    number(out, "generatedAt", report(generated));
    time(out, "redeemedAt", redeemed.map(report), form);
    time(out, "revokedAt", revoked.map(report), form);
    time(out, "expirationTime", (!dice.chance(1)).then(|| report(expiration)), form);
    put(out, &[",\"generatedBy\":\"admin@example.com\",\"invitedByUsername\":\"admin@example.com\",\"redeemedBy\":"]);
    if redeemed.is_some() {
        out.push(b'"');
        life.write_username(population.health, out);
        out.push(b'"');
    } else {
        put(out, &["null"]);
    }
    put(out, &[",\"revokedBy\":", if revoked.is_some() { "\"owner@example.com\"" } else { "null" }]);
    put(out, &[",\"refLink\":\"/csp/gateway/am/api/orgs/", organization, "/invitations/"]);
    life.write_id(out);
    put(out, &["\",\"invitationLink\":\"https://console.example/csp/gateway/portal/#/accept?token="]);
    Dice::new(&[life.key, 3]).write_guid(out);
    put(out, &["\",\"orgId\":\"", organization, "\",\"roleName\":null"]);
    roles(out, &content, &mut dice, population, moment, generated, expand);
    groups(out, &content, population, expand);
    out.push(b'}');
}

fn roles(
    out: &mut Vec<u8>,
    content: &Content,
    dice: &mut Dice,
    population: &Population,
    moment: Moment,
    generated: i64,
    expand: Expand,
) {
    let created = if expand.roles { timestamp(moment.report(generated)) } else { String::new() };
    let expires = dice.chance(10).then(|| moment.report(generated + 180 * DAY) / 1000);
    let membership = *dice.pick(&MEMBERSHIPS);
    let of = |name, display_name| Binding {
        name,
        display_name,
        membership,
        organization: &population.organization,
        expires,
        created: &created,
    };
    // The older form; newer invitations leave it out where the bindings say the same.
    if expand.roles && dice.chance(30) {
        put(out, &[",\"orgRoleNames\":null"]);
    } else {
        put(out, &[",\"orgRoleNames\":"]);
        list(out, bits(content.organization_roles), |out, at| quoted(out, ORGANIZATION_ROLES[at].0));
    }
    if expand.roles {
        put(out, &[",\"organizationRoles\":"]);
        list(out, bits(content.organization_roles), |out, at| {
            binding(out, &of(ORGANIZATION_ROLES[at].0, Some(ORGANIZATION_ROLES[at].1)));
        });
    }
    put(out, &[",\"customRoles\":"]);
    list(out, bits(content.custom_roles), |out, at| {
        if expand.roles {
            binding(out, &of(CUSTOM_ROLES[at], None));
        } else {
            put(out, &["{\"name\":\"", CUSTOM_ROLES[at], "\"}"]);
        }
    });
    put(out, &[",\"serviceRolesDtos\":"]);
    let services = SERVICES.iter().zip(content.services).filter(|(_, roles)| *roles != 0);
    list(out, services, |out, (service, roles)| {
        put(out, &["{\"serviceDefinitionLink\":\"", service.link, "\",\"serviceRoleNames\":"]);
        list(out, bits(roles), |out, at| quoted(out, service.roles[at]));
        put(out, &[",\"serviceRoles\":"]);
        if expand.roles {
            list(out, bits(roles), |out, at| binding(out, &of(service.roles[at], None)));
        } else {
            put(out, &["null"]);
        }
        out.push(b'}');
    });
}

fn groups(out: &mut Vec<u8>, content: &Content, population: &Population, expand: Expand) {
    put(out, &[",\"customGroupsIds\":"]);
    list(out, bits(content.groups), |out, at| quoted(out, &population.groups[at].id));
    put(out, &[",\"customGroups\":"]);
    if expand.groups {
        list(out, bits(content.groups), |out, at| out.extend_from_slice(&population.groups[at].expanded));
    } else {
        put(out, &["null"]);
    }
}

fn timestamp(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis).map(|time| format!("{time:.3}")).unwrap_or_default()
}
