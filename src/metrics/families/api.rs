//! Calls of the upstream.

use super::{counter, gauge, histogram};
use crate::metrics::family::{Chapter, Family, OrganizationData, Producer};
use crate::metrics::samples::Samples;
use crate::snapshot::Snapshot;

/// The family whose exemplars are put in afterwards.
pub(crate) const DURATION: &str = "csp_api_request_duration_seconds";

pub(super) const FAMILIES: &[Family] = &[
    counter(
        Chapter::Api,
        "csp_api_requests_total",
        &["operation"],
        "Attempts of calls of the upstream API.",
        Producer::Registered,
    ),
    counter(
        Chapter::Api,
        "csp_api_request_failures_total",
        &["operation", "reason"],
        "Attempts that failed, by reason.",
        Producer::Registered,
    ),
    counter(
        Chapter::Api,
        "csp_api_responses_total",
        &["operation", "code"],
        "Responses of the upstream API, by HTTP status.",
        Producer::Registered,
    ),
    counter(
        Chapter::Api,
        "csp_api_error_codes_total",
        &["operation", "csp_error_code", "module_code"],
        "Error codes in the bodies of failed calls. Rare and malformed ones are under other.",
        Producer::Registered,
    ),
    counter(
        Chapter::Api,
        "csp_api_retries_total",
        &["operation"],
        "Attempts that repeat a failed one of the same call.",
        Producer::Registered,
    ),
    histogram(Chapter::Api, DURATION, &["operation"], "How long attempts took, body included.", Producer::Durations),
    counter(
        Chapter::Api,
        "csp_api_response_bytes_total",
        &["operation"],
        "Bytes of response bodies, after decompression.",
        Producer::Registered,
    ),
    counter(
        Chapter::Api,
        "csp_api_throttle_wait_seconds_total",
        &[],
        "Time spent waiting for the shared request budget or a Retry-After.",
        Producer::Registered,
    ),
    gauge(
        Chapter::Api,
        "csp_access_token_expiration_timestamp_seconds",
        &["organization", "credentials"],
        "When the short-lived access token in use runs out.",
        Producer::Organization(access_token),
    ),
    gauge(
        Chapter::Api,
        "csp_api_token_expiration_timestamp_seconds",
        &["credentials"],
        "When the long-lived API token runs out. Absent where the service does not tell.",
        Producer::Snapshot(api_tokens),
    ),
];

fn access_token(organization: &OrganizationData<'_>, samples: &mut Samples<'_>) {
    let Some(at) = organization.snapshot.access_token_expiration else { return };
    let credentials = &organization.snapshot.organization.credential.name;
    samples.gauge(&[("organization", organization.name()), ("credentials", credentials)], at.as_seconds());
}

fn api_tokens(snapshot: &Snapshot, samples: &mut Samples<'_>) {
    for (credentials, at) in &snapshot.api_token_expirations {
        samples.gauge(&[("credentials", credentials)], at.as_seconds());
    }
}
