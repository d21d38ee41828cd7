//! What happened to invitations between polls.

use invitations::Event;

use super::{counter, gauge, histogram};
use crate::metrics::family::{Chapter, Family, OrganizationData, Producer};
use crate::metrics::samples::Samples;

pub(super) const FAMILIES: &[Family] = &[
    counter(
        Chapter::Lifecycle,
        "csp_invitation_events_total",
        &["organization", "event"],
        "Events of invitations, from comparing each good poll with the one before.",
        Producer::Organization(events),
    ),
    histogram(
        Chapter::Lifecycle,
        "csp_invitation_redemption_duration_seconds",
        &["organization"],
        "Time from generation to redemption, of redemptions seen between two good polls.",
        Producer::Organization(redemption_duration),
    ),
    gauge(
        Chapter::Lifecycle,
        "csp_exporter_state_durable",
        &[],
        "Whether the state folder takes what is written. Absent without a state folder.",
        Producer::Registered,
    ),
    counter(
        Chapter::Lifecycle,
        "csp_exporter_state_resets_total",
        &[],
        "Stored states that were not usable and were set aside. Absent without a state folder.",
        Producer::Registered,
    ),
];

fn events(organization: &OrganizationData<'_>, samples: &mut Samples<'_>) {
    let Some(tally) = &organization.snapshot.lifecycle else { return };
    let events = Event::ALL.iter().map(|event| event.as_str()).zip(tally.events.iter().copied());
    samples.by_label(&[("organization", organization.name())], "event", events);
}

fn redemption_duration(organization: &OrganizationData<'_>, samples: &mut Samples<'_>) {
    if let Some(tally) = &organization.snapshot.lifecycle {
        samples.histogram(&[("organization", organization.name())], &tally.redemption);
    }
}
