//! The exporter itself, and how well it could read what it got.

use invitations::census::view::Anomaly;

use super::{counter, gauge};
use crate::metrics::family::{Chapter, Family, OrganizationData, Producer};
use crate::metrics::samples::Samples;

pub(super) const FAMILIES: &[Family] = &[
    gauge(
        Chapter::Exporter,
        "csp_exporter_build_info",
        &["version", "revision", "rust_version"],
        "What this exporter was built from, always 1.",
        Producer::Registered,
    ),
    gauge(
        Chapter::Exporter,
        "csp_exporter_config_last_reload_successful",
        &[],
        "Whether the last load of the configuration succeeded.",
        Producer::Registered,
    ),
    gauge(
        Chapter::Exporter,
        "csp_exporter_config_last_reload_success_timestamp_seconds",
        &[],
        "When the configuration was last loaded successfully.",
        Producer::Registered,
    ),
    gauge(
        Chapter::Exporter,
        "csp_decode_anomalies",
        &["organization", "kind"],
        "Peculiarities of the list, from the last good poll.",
        Producer::Organization(anomalies),
    ),
    gauge(
        Chapter::Exporter,
        "csp_exporter_folded_values",
        &["organization", "dimension"],
        "Distinct roles or groups that are inside other, from the last good poll.",
        Producer::Organization(folded),
    ),
    gauge(
        Chapter::Exporter,
        "csp_exporter_scheduler_heartbeat_timestamp_seconds",
        &[],
        "The last heartbeat of the scheduler, 0 until there is one.",
        Producer::Registered,
    ),
    gauge(Chapter::Exporter, "csp_exporter_shard_index", &[], "The 1-based index of this shard.", Producer::Registered),
    gauge(Chapter::Exporter, "csp_exporter_shards", &[], "The number of shards.", Producer::Registered),
    counter(
        Chapter::Exporter,
        "csp_exporter_panics_total",
        &[],
        "Polls and other tasks that ended in a fault of the exporter.",
        Producer::Registered,
    ),
    counter(
        Chapter::Exporter,
        "csp_exporter_log_lines_dropped_total",
        &[],
        "Log lines that were dropped because nobody took them from standard error.",
        Producer::Registered,
    ),
    counter(
        Chapter::Exporter,
        "csp_exporter_http_requests_total",
        &["handler", "code"],
        "Requests that the exporter answered, by HTTP status.",
        Producer::Registered,
    ),
];

fn anomalies(organization: &OrganizationData<'_>, samples: &mut Samples<'_>) {
    let Some(view) = organization.view else { return };
    for (anomaly, count) in Anomaly::ALL.iter().zip(view.anomalies) {
        samples.gauge(&[("organization", organization.name()), ("kind", anomaly.as_str())], count as f64);
    }
}

fn folded(organization: &OrganizationData<'_>, samples: &mut Samples<'_>) {
    let Some(view) = organization.view else { return };
    for (dimension, count) in [("role", view.folded_roles), ("group", view.folded_groups)] {
        samples.gauge(&[("organization", organization.name()), ("dimension", dimension)], count as f64);
    }
}
