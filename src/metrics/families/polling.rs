//! How the polls of each organization go.

use std::time::Duration;

use csp_api::Reason;

use super::{counter, gauge};
use crate::clock::Reading;
use crate::metrics::family::{Chapter, Family, OrganizationData, Producer};
use crate::metrics::samples::Samples;
use crate::snapshot::DataState;

const ORGANIZATION: &[&str] = &["organization"];

pub(super) const FAMILIES: &[Family] = &[
    gauge(
        Chapter::Polling,
        "csp_up",
        ORGANIZATION,
        "Whether the last poll succeeded. Absent until a first attempt has ended.",
        Producer::Organization(|organization, samples| {
            if let Some(up) = organization.snapshot.up {
                samples.gauge(&[("organization", organization.name())], f64::from(up));
            }
        }),
    ),
    gauge(
        Chapter::Polling,
        "csp_poll_failing",
        &["organization", "reason"],
        "The last poll failed for this reason, always 1. Absent while the last poll succeeded or there was none.",
        Producer::Organization(failing),
    ),
    gauge(
        Chapter::Polling,
        "csp_organization_data_state",
        &["organization", "state"],
        "How current the data from the last good poll is: one state is 1, the others are 0.",
        Producer::Organization(data_state),
    ),
    gauge(
        Chapter::Polling,
        "csp_organization_info",
        &["organization", "organization_id", "display_name"],
        "The organization behind the label, always 1. The display name is empty until it is known.",
        Producer::Organization(info),
    ),
    gauge(
        Chapter::Polling,
        "csp_poll_last_success_timestamp_seconds",
        ORGANIZATION,
        "When the last good poll ended, 0 until there is one.",
        Producer::Organization(|organization, samples| {
            moment(organization, samples, organization.snapshot.last_success);
        }),
    ),
    gauge(
        Chapter::Polling,
        "csp_poll_last_attempt_timestamp_seconds",
        ORGANIZATION,
        "When the last poll ended, good or bad, 0 until there is one.",
        Producer::Organization(|organization, samples| {
            moment(organization, samples, organization.snapshot.last_attempt);
        }),
    ),
    gauge(
        Chapter::Polling,
        "csp_poll_interval_seconds",
        ORGANIZATION,
        "The configured time between the starts of two polls.",
        Producer::Organization(|organization, samples| {
            seconds(organization, samples, Some(organization.snapshot.organization.interval));
        }),
    ),
    gauge(
        Chapter::Polling,
        "csp_poll_stale_after_seconds",
        ORGANIZATION,
        "The configured age past which the data from the last good poll is withdrawn.",
        Producer::Organization(|organization, samples| {
            seconds(organization, samples, Some(organization.snapshot.organization.stale_after));
        }),
    ),
    gauge(
        Chapter::Polling,
        "csp_poll_duration_seconds",
        ORGANIZATION,
        "How long the last poll took, good or bad. Absent until there is one.",
        Producer::Organization(|organization, samples| seconds(organization, samples, organization.snapshot.duration)),
    ),
    counter(
        Chapter::Polling,
        "csp_polls_total",
        ORGANIZATION,
        "Polls that ended, good or bad.",
        Producer::Organization(|organization, samples| {
            samples.counter(&[("organization", organization.name())], organization.snapshot.polls);
        }),
    ),
    counter(
        Chapter::Polling,
        "csp_poll_failures_total",
        &["organization", "reason"],
        "Polls that failed, by reason.",
        Producer::Organization(failures),
    ),
];

fn failing(organization: &OrganizationData<'_>, samples: &mut Samples<'_>) {
    if let Some((_, error)) = &organization.snapshot.last_error {
        samples.gauge(&[("organization", organization.name()), ("reason", error.reason.as_str())], 1.0);
    }
}

fn data_state(organization: &OrganizationData<'_>, samples: &mut Samples<'_>) {
    let states = DataState::ALL.into_iter().map(|state| (state.as_str(), u64::from(state == organization.state)));
    samples.by_label(&[("organization", organization.name())], "state", states);
}

fn info(organization: &OrganizationData<'_>, samples: &mut Samples<'_>) {
    let labels = [
        ("organization", organization.name()),
        ("organization_id", &*organization.snapshot.organization.id),
        ("display_name", organization.snapshot.display_name.as_deref().unwrap_or_default()),
    ];
    samples.gauge(&labels, 1.0);
}

fn failures(organization: &OrganizationData<'_>, samples: &mut Samples<'_>) {
    let reasons = Reason::ALL.iter().map(|reason| reason.as_str()).zip(organization.snapshot.failures);
    samples.by_label(&[("organization", organization.name())], "reason", reasons);
}

fn moment(organization: &OrganizationData<'_>, samples: &mut Samples<'_>, at: Option<Reading>) {
    samples.gauge(&[("organization", organization.name())], at.map_or(0.0, |at| at.wall.as_seconds()));
}

fn seconds(organization: &OrganizationData<'_>, samples: &mut Samples<'_>, duration: Option<Duration>) {
    if let Some(duration) = duration {
        samples.gauge(&[("organization", organization.name())], duration.as_secs_f64());
    }
}
