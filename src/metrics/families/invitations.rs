//! Invitations by status, role and group.

use super::gauge;
use crate::metrics::family::{Family, Organization, Part, Source};
use crate::metrics::samples::Samples;

pub(super) const FAMILIES: &[Family] = &[
    gauge(
        Part::Invitations,
        "csp_invitations",
        &["organization", "status"],
        "Invitations, from the last good poll.",
        Source::Organization(all),
    ),
    gauge(
        Part::Invitations,
        "csp_invitations_by_role",
        &["organization", "role_kind", "role", "status"],
        "Invitations that carry the role, once each, from the last good poll. What is folded is under other.",
        Source::Organization(by_role),
    ),
    gauge(
        Part::Invitations,
        "csp_invitations_by_group",
        &["organization", "group_id", "group", "status"],
        "Invitations that carry the group, once each, from the last good poll. What is folded is under other.",
        Source::Organization(by_group),
    ),
    gauge(
        Part::Invitations,
        "csp_invitations_by_role_and_group",
        &["organization", "role_kind", "role", "group_id", "group", "status"],
        "Invitations per distinct pair of role and group, from the last good poll. Empty where an invitation has none, absent where a status does not occur.",
        Source::Organization(by_role_and_group),
    ),
    gauge(
        Part::Invitations,
        "csp_group_info",
        &["organization", "group_id", "group", "group_type", "domain"],
        "What is known of a group, always 1, from the last good poll.",
        Source::Organization(group_info),
    ),
];

fn all(organization: &Organization<'_>, samples: &mut Samples<'_>) {
    let Some(view) = organization.view else { return };
    samples.by_status(&[("organization", organization.name())], &view.by_status);
}

fn by_role(organization: &Organization<'_>, samples: &mut Samples<'_>) {
    let Some(view) = organization.view else { return };
    for row in &view.by_role {
        let labels = [("organization", organization.name()), ("role_kind", row.kind.as_str()), ("role", &row.role)];
        samples.by_status(&labels, &row.counts);
    }
}

fn by_group(organization: &Organization<'_>, samples: &mut Samples<'_>) {
    let Some(view) = organization.view else { return };
    for row in &view.by_group {
        let labels = [("organization", organization.name()), ("group_id", &row.group_id), ("group", &row.group)];
        samples.by_status(&labels, &row.counts);
    }
}

fn by_role_and_group(organization: &Organization<'_>, samples: &mut Samples<'_>) {
    let Some(view) = organization.view else { return };
    for row in view.by_role_and_group.iter().flatten() {
        let labels = [
            ("organization", organization.name()),
            ("role_kind", row.role_kind),
            ("role", &row.role),
            ("group_id", &row.group_id),
            ("group", &row.group),
        ];
        // No zeros: pairs come and go, and most have one status or two.
        samples.by_status_that_occurs(&labels, &row.counts);
    }
}

fn group_info(organization: &Organization<'_>, samples: &mut Samples<'_>) {
    let Some(view) = organization.view else { return };
    for group in &view.group_info {
        let labels = [
            ("organization", organization.name()),
            ("group_id", &*group.group_id),
            ("group", &*group.group),
            ("group_type", &*group.group_type),
            ("domain", &*group.domain),
        ];
        samples.gauge(&labels, 1.0);
    }
}
