//! Invitations by status, role and group, by age and time left, and by what they mean: privileged, external, duplicate.

use invitations::Millis;
use invitations::census::View;
use invitations::census::view::{LAPSED_AGES, PENDING_AGES, Pairs, TIMES_LEFT};

use super::gauge;
use crate::metrics::family::{Chapter, Family, OrganizationData, Producer};
use crate::metrics::samples::Samples;

const ORGANIZATION: &[&str] = &["organization"];

pub(super) const FAMILIES: &[Family] = &[
    gauge(
        Chapter::Invitations,
        "csp_invitations",
        &["organization", "status"],
        "Invitations, from the last good poll.",
        Producer::Organization(all),
    ),
    gauge(
        Chapter::Invitations,
        "csp_invitations_by_role",
        &["organization", "role_kind", "role", "status"],
        "Invitations that carry the role, once each, from the last good poll. What is folded is under other.",
        Producer::Organization(by_role),
    ),
    gauge(
        Chapter::Invitations,
        "csp_invitations_by_group",
        &["organization", "group_id", "group", "status"],
        "Invitations that carry the group, once each, from the last good poll. What is folded is under other.",
        Producer::Organization(by_group),
    ),
    gauge(
        Chapter::Invitations,
        "csp_invitations_by_role_and_group",
        &["organization", "role_kind", "role", "group_id", "group", "status"],
        "Invitations per distinct pair of role and group, from the last good poll. Empty where an invitation has none, absent where a status does not occur.",
        Producer::Organization(by_role_and_group),
    ),
    gauge(
        Chapter::Invitations,
        "csp_group_info",
        &["organization", "group_id", "group", "group_type", "domain"],
        "What is known of a group, always 1, from the last good poll.",
        Producer::Organization(group_info),
    ),
    gauge(
        Chapter::Invitations,
        "csp_invitations_privileged",
        &["organization", "status"],
        "Invitations that carry a privileged role, directly or through a group, from the last good poll.",
        Producer::Organization(|organization, samples| {
            if let Some(view) = organization.view {
                samples.by_status(&[("organization", organization.name())], &view.privileged);
            }
        }),
    ),
    gauge(
        Chapter::Invitations,
        "csp_invitations_external",
        &["organization", "status"],
        "Invitations to a mail domain that is not trusted, from the last good poll. Absent without trusted domains.",
        Producer::Organization(|organization, samples| {
            if let Some(external) = organization.view.and_then(|view| view.external) {
                samples.by_status(&[("organization", organization.name())], &external);
            }
        }),
    ),
    gauge(
        Chapter::Invitations,
        "csp_invitations_duplicate",
        ORGANIZATION,
        "Available invitations beyond the first for the same username, from the last good poll.",
        Producer::Organization(|organization, samples| {
            if let Some(view) = organization.view {
                samples.gauge(&[("organization", organization.name())], view.duplicates as f64);
            }
        }),
    ),
    gauge(
        Chapter::Invitations,
        "csp_invitations_lapsed_by_age",
        &["organization", "age"],
        "Expired invitations of people without a later one that is available or redeemed, by time since expiration, from the last good poll.",
        Producer::Organization(|organization, samples| {
            buckets(organization, samples, "age", &LAPSED_AGES, |view| &view.lapsed_by_age);
        }),
    ),
    gauge(
        Chapter::Invitations,
        "csp_invitations_pending_by_age",
        &["organization", "age"],
        "Available invitations by time since generation, from the last good poll.",
        Producer::Organization(|organization, samples| {
            buckets(organization, samples, "age", &PENDING_AGES, |view| &view.pending_by_age);
        }),
    ),
    gauge(
        Chapter::Invitations,
        "csp_invitations_pending_by_time_left",
        &["organization", "time_left"],
        "Available invitations by time to expiration, from the last good poll.",
        Producer::Organization(|organization, samples| {
            buckets(organization, samples, "time_left", &TIMES_LEFT, |view| &view.pending_by_time_left);
        }),
    ),
    gauge(
        Chapter::Invitations,
        "csp_invitation_oldest_pending_timestamp_seconds",
        ORGANIZATION,
        "When the oldest available invitation was generated, from the last good poll. Absent when there is none.",
        Producer::Organization(|organization, samples| moment(organization, samples, |view| view.oldest_pending)),
    ),
    gauge(
        Chapter::Invitations,
        "csp_invitation_next_expiration_timestamp_seconds",
        ORGANIZATION,
        "The earliest expiration among the available invitations, from the last good poll. Absent when there is none.",
        Producer::Organization(|organization, samples| moment(organization, samples, |view| view.next_expiration)),
    ),
    gauge(
        Chapter::Invitations,
        "csp_invitation_last_generated_timestamp_seconds",
        ORGANIZATION,
        "The newest generation of an invitation, from the last good poll. Absent when there is none.",
        Producer::Organization(|organization, samples| moment(organization, samples, |view| view.last_generated)),
    ),
    gauge(
        Chapter::Invitations,
        "csp_invitation_last_redeemed_timestamp_seconds",
        ORGANIZATION,
        "The newest redemption of an invitation, from the last good poll. Absent when there is none.",
        Producer::Organization(|organization, samples| moment(organization, samples, |view| view.last_redeemed)),
    ),
    gauge(
        Chapter::Invitations,
        "csp_invitation_last_revoked_timestamp_seconds",
        ORGANIZATION,
        "The newest revocation of an invitation, from the last good poll. Absent when there is none.",
        Producer::Organization(|organization, samples| moment(organization, samples, |view| view.last_revoked)),
    ),
];

fn all(organization: &OrganizationData<'_>, samples: &mut Samples<'_>) {
    let Some(view) = organization.view else { return };
    samples.by_status(&[("organization", organization.name())], &view.by_status);
}

fn by_role(organization: &OrganizationData<'_>, samples: &mut Samples<'_>) {
    let Some(view) = organization.view else { return };
    for row in &view.by_role {
        let labels = [("organization", organization.name()), ("role_kind", row.kind.as_str()), ("role", &row.role)];
        samples.by_status(&labels, &row.counts);
    }
}

fn by_group(organization: &OrganizationData<'_>, samples: &mut Samples<'_>) {
    let Some(view) = organization.view else { return };
    for row in &view.by_group {
        let labels = [("organization", organization.name()), ("group_id", &row.group_id), ("group", &row.group)];
        samples.by_status(&labels, &row.counts);
    }
}

fn by_role_and_group(organization: &OrganizationData<'_>, samples: &mut Samples<'_>) {
    let Some(view) = organization.view else { return };
    for row in view.by_role_and_group.iter().flat_map(Pairs::rows) {
        let labels = [
            ("organization", organization.name()),
            ("role_kind", row.role_kind),
            ("role", row.role),
            ("group_id", row.group_id),
            ("group", row.group),
        ];
        // No zeros: pairs come and go, and most have one status or two.
        samples.by_status_that_occurs(&labels, &row.counts);
    }
}

fn group_info(organization: &OrganizationData<'_>, samples: &mut Samples<'_>) {
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

/// One sample per bucket of a partition.
fn buckets<const N: usize>(
    organization: &OrganizationData<'_>,
    samples: &mut Samples<'_>,
    label: &'static str,
    values: &[&'static str; N],
    counts: fn(&View) -> &[u64; N],
) {
    let Some(view) = organization.view else { return };
    samples.by_label(
        &[("organization", organization.name())],
        label,
        values.iter().copied().zip(counts(view).iter().copied()),
    );
}

/// One sample when there is such a moment.
fn moment(organization: &OrganizationData<'_>, samples: &mut Samples<'_>, moment: fn(&View) -> Option<Millis>) {
    if let Some(at) = organization.view.and_then(moment) {
        samples.gauge(&[("organization", organization.name())], at.as_seconds());
    }
}
