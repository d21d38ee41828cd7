//! Invitations by what they mean for the invited: age, time left, privilege, trust.

use invitations::Millis;
use invitations::census::View;
use invitations::census::view::{LAPSED_AGES, PENDING_AGES, TIMES_LEFT};

use super::gauge;
use crate::metrics::family::{Family, Organization, Part, Source};
use crate::metrics::samples::Samples;

const ORGANIZATION: &[&str] = &["organization"];

pub(super) const FAMILIES: &[Family] = &[
    gauge(
        Part::Invitations,
        "csp_invitations_privileged",
        &["organization", "status"],
        "Invitations that carry a privileged role, directly or through a group, from the last good poll.",
        Source::Organization(|organization, samples| {
            if let Some(view) = organization.view {
                samples.by_status(&[("organization", organization.name())], &view.privileged);
            }
        }),
    ),
    gauge(
        Part::Invitations,
        "csp_invitations_external",
        &["organization", "status"],
        "Invitations to a mail domain that is not trusted, from the last good poll. Absent without trusted domains.",
        Source::Organization(|organization, samples| {
            if let Some(external) = organization.view.and_then(|view| view.external) {
                samples.by_status(&[("organization", organization.name())], &external);
            }
        }),
    ),
    gauge(
        Part::Invitations,
        "csp_invitations_duplicate",
        ORGANIZATION,
        "Available invitations beyond the first for the same username, from the last good poll.",
        Source::Organization(|organization, samples| {
            if let Some(view) = organization.view {
                samples.gauge(&[("organization", organization.name())], view.duplicates as f64);
            }
        }),
    ),
    gauge(
        Part::Invitations,
        "csp_invitations_lapsed_by_age",
        &["organization", "age"],
        "Expired invitations of people without a later one that is available or redeemed, by time since expiration, from the last good poll.",
        Source::Organization(|organization, samples| {
            buckets(organization, samples, "age", &LAPSED_AGES, |view| &view.lapsed_by_age);
        }),
    ),
    gauge(
        Part::Invitations,
        "csp_invitations_pending_by_age",
        &["organization", "age"],
        "Available invitations by time since generation, from the last good poll.",
        Source::Organization(|organization, samples| {
            buckets(organization, samples, "age", &PENDING_AGES, |view| &view.pending_by_age);
        }),
    ),
    gauge(
        Part::Invitations,
        "csp_invitations_pending_by_time_left",
        &["organization", "time_left"],
        "Available invitations by time to expiration, from the last good poll.",
        Source::Organization(|organization, samples| {
            buckets(organization, samples, "time_left", &TIMES_LEFT, |view| &view.pending_by_time_left);
        }),
    ),
    gauge(
        Part::Invitations,
        "csp_invitation_oldest_pending_timestamp_seconds",
        ORGANIZATION,
        "When the oldest available invitation was generated, from the last good poll. Absent when there is none.",
        Source::Organization(|organization, samples| moment(organization, samples, |view| view.oldest_pending)),
    ),
    gauge(
        Part::Invitations,
        "csp_invitation_next_expiration_timestamp_seconds",
        ORGANIZATION,
        "The earliest expiration among the available invitations, from the last good poll. Absent when there is none.",
        Source::Organization(|organization, samples| moment(organization, samples, |view| view.next_expiration)),
    ),
    gauge(
        Part::Invitations,
        "csp_invitation_last_generated_timestamp_seconds",
        ORGANIZATION,
        "The newest generation of an invitation, from the last good poll. Absent when there is none.",
        Source::Organization(|organization, samples| moment(organization, samples, |view| view.last_generated)),
    ),
    gauge(
        Part::Invitations,
        "csp_invitation_last_redeemed_timestamp_seconds",
        ORGANIZATION,
        "The newest redemption of an invitation, from the last good poll. Absent when there is none.",
        Source::Organization(|organization, samples| moment(organization, samples, |view| view.last_redeemed)),
    ),
    gauge(
        Part::Invitations,
        "csp_invitation_last_revoked_timestamp_seconds",
        ORGANIZATION,
        "The newest revocation of an invitation, from the last good poll. Absent when there is none.",
        Source::Organization(|organization, samples| moment(organization, samples, |view| view.last_revoked)),
    ),
];

/// One sample per bucket of a partition.
fn buckets<const N: usize>(
    organization: &Organization<'_>,
    samples: &mut Samples<'_>,
    label: &'static str,
    values: &[&'static str; N],
    counts: fn(&View) -> &[u64; N],
) {
    let Some(view) = organization.view else { return };
    for (value, count) in values.iter().zip(counts(view)) {
        samples.gauge(&[("organization", organization.name()), (label, value)], *count as f64);
    }
}

/// One sample when there is such a moment.
fn moment(organization: &Organization<'_>, samples: &mut Samples<'_>, moment: fn(&View) -> Option<Millis>) {
    if let Some(at) = organization.view.and_then(moment) {
        samples.gauge(&[("organization", organization.name())], at.as_seconds());
    }
}
