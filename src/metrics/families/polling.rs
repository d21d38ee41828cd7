//! How the polls of each organization go.

use std::time::Duration;

use csp_api::Reason;

use super::{counter, gauge};
use crate::clock::Reading;
use crate::metrics::family::{Family, Organization, Part, Source};
use crate::metrics::samples::Samples;
use crate::snapshot::DataState;

const ORGANIZATION: &[&str] = &["organization"];

pub(super) const FAMILIES: &[Family] = &[
    gauge(
        Part::Polling,
        "csp_up",
        ORGANIZATION,
        "Whether the last poll succeeded. Absent until a first attempt has ended.",
        Source::Organization(|organization, samples| {
            if let Some(up) = organization.snapshot.up {
                samples.gauge(&[("organization", organization.name())], f64::from(up));
            }
        }),
    ),
    gauge(
        Part::Polling,
        "csp_poll_failing",
        &["organization", "reason"],
        "The last poll failed for this reason, always 1. Absent while the last poll succeeded or there was none.",
        Source::Organization(failing),
    ),
    gauge(
        Part::Polling,
        "csp_organization_data_state",
        &["organization", "state"],
        "How current the data from the last good poll is: one state is 1, the others are 0.",
        Source::Organization(data_state),
    ),
    gauge(
        Part::Polling,
        "csp_organization_info",
        &["organization", "organization_id", "display_name"],
        "The organization behind the label, always 1. The display name is empty until it is known.",
        Source::Organization(info),
    ),
    gauge(
        Part::Polling,
        "csp_poll_last_success_timestamp_seconds",
        ORGANIZATION,
        "When the last good poll ended, 0 until there is one.",
        Source::Organization(|organization, samples| moment(organization, samples, organization.snapshot.last_success)),
    ),
    gauge(
        Part::Polling,
        "csp_poll_last_attempt_timestamp_seconds",
        ORGANIZATION,
        "When the last poll ended, good or bad, 0 until there is one.",
        Source::Organization(|organization, samples| moment(organization, samples, organization.snapshot.last_attempt)),
    ),
    gauge(
        Part::Polling,
        "csp_poll_interval_seconds",
        ORGANIZATION,
        "The configured time between the starts of two polls.",
        Source::Organization(|organization, samples| {
            seconds(organization, samples, Some(organization.snapshot.organization.interval));
        }),
    ),
    gauge(
        Part::Polling,
        "csp_poll_stale_after_seconds",
        ORGANIZATION,
        "The configured age past which the data from the last good poll is withdrawn.",
        Source::Organization(|organization, samples| {
            seconds(organization, samples, Some(organization.snapshot.organization.stale_after));
        }),
    ),
    gauge(
        Part::Polling,
        "csp_poll_duration_seconds",
        ORGANIZATION,
        "How long the last poll took, good or bad. Absent until there is one.",
        Source::Organization(|organization, samples| seconds(organization, samples, organization.snapshot.duration)),
    ),
    counter(
        Part::Polling,
        "csp_polls_total",
        ORGANIZATION,
        "Polls that ended, good or bad.",
        Source::Organization(|organization, samples| {
            samples.counter(&[("organization", organization.name())], organization.snapshot.polls);
        }),
    ),
    counter(
        Part::Polling,
        "csp_poll_failures_total",
        &["organization", "reason"],
        "Polls that failed, by reason.",
        Source::Organization(failures),
    ),
];

fn failing(organization: &Organization<'_>, samples: &mut Samples<'_>) {
    if let Some((_, error)) = &organization.snapshot.last_error {
        samples.gauge(&[("organization", organization.name()), ("reason", error.reason.as_str())], 1.0);
    }
}

fn data_state(organization: &Organization<'_>, samples: &mut Samples<'_>) {
    for state in DataState::ALL {
        let labels = [("organization", organization.name()), ("state", state.as_str())];
        samples.gauge(&labels, f64::from(state == organization.state));
    }
}

fn info(organization: &Organization<'_>, samples: &mut Samples<'_>) {
    let labels = [
        ("organization", organization.name()),
        ("organization_id", &*organization.snapshot.organization.id),
        ("display_name", organization.snapshot.display_name.as_deref().unwrap_or_default()),
    ];
    samples.gauge(&labels, 1.0);
}

fn failures(organization: &Organization<'_>, samples: &mut Samples<'_>) {
    for (reason, count) in Reason::ALL.iter().zip(organization.snapshot.failures) {
        samples.counter(&[("organization", organization.name()), ("reason", reason.as_str())], count);
    }
}

fn moment(organization: &Organization<'_>, samples: &mut Samples<'_>, at: Option<Reading>) {
    samples.gauge(&[("organization", organization.name())], at.map_or(0.0, |at| at.wall.as_seconds()));
}

fn seconds(organization: &Organization<'_>, samples: &mut Samples<'_>, duration: Option<Duration>) {
    if let Some(duration) = duration {
        samples.gauge(&[("organization", organization.name())], duration.as_secs_f64());
    }
}
