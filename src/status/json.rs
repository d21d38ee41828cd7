//! The status for programs: the fields are described in docs/http.md.

use std::collections::BTreeMap;

use invitations::Status;
use invitations::census::view::PENDING_AGES;
use serde::Serialize;

use super::ago::exact;
use super::query::Filter;
use crate::snapshot::{OrganizationStatus, StatusReport};

/// The whole answer.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    version: &'static str,
    now: String,
    started: String,
    config_reload_successful: bool,
    shard: Option<Shard>,
    total: usize,
    organizations: Vec<Organization<'a>>,
}

#[derive(Serialize)]
struct Shard {
    index: u32,
    count: u32,
}

#[derive(Serialize)]
struct Organization<'a> {
    name: &'a str,
    id: &'a str,
    custom_group_id: Option<&'a str>,
    display_name: Option<&'a str>,
    state: &'static str,
    up: Option<bool>,
    consecutive_failures: u32,
    last_attempt: Option<String>,
    last_success: Option<String>,
    next_poll: Option<String>,
    invitations: Option<BTreeMap<&'static str, u64>>,
    pending_by_age: Option<BTreeMap<&'static str, u64>>,
    last_error: Option<LastError<'a>>,
}

#[derive(Serialize)]
struct LastError<'a> {
    at: String,
    operation: &'static str,
    reason: &'static str,
    status: Option<u16>,
    request_id: Option<&'a str>,
    detail: &'a str,
    meaning: &'static str,
    action: &'a str,
}

impl<'a> Report<'a> {
    pub(super) fn new(report: &'a StatusReport, filter: &Filter) -> Self {
        let StatusReport { now, started, config_reload_successful, shard, organizations } = report;
        Self {
            version: env!("CARGO_PKG_VERSION"),
            now: exact(*now),
            started: exact(*started),
            config_reload_successful: *config_reload_successful,
            shard: shard.map(|(index, count)| Shard { index, count }),
            total: organizations.len(),
            organizations: filter.apply(organizations).into_iter().map(Organization::new).collect(),
        }
    }
}

impl<'a> Organization<'a> {
    fn new(organization: &'a OrganizationStatus) -> Self {
        let OrganizationStatus {
            name,
            id,
            custom_group_id,
            display_name,
            state,
            up,
            consecutive_failures,
            last_attempt,
            last_success,
            next_poll,
            counts,
            pending_by_age,
            last_error,
        } = organization;
        Self {
            name,
            id,
            custom_group_id: custom_group_id.as_deref(),
            display_name: display_name.as_deref(),
            state: state.as_str(),
            up: *up,
            consecutive_failures: *consecutive_failures,
            last_attempt: last_attempt.map(exact),
            last_success: last_success.map(exact),
            next_poll: next_poll.map(exact),
            invitations: counts.map(|counts| Status::ALL.map(Status::as_str).into_iter().zip(counts).collect()),
            pending_by_age: pending_by_age.map(|ages| PENDING_AGES.into_iter().zip(ages).collect()),
            last_error: last_error.as_ref().map(|(at, error)| LastError {
                at: exact(*at),
                operation: error.operation.as_str(),
                reason: error.reason.as_str(),
                status: error.status,
                request_id: error.request_id.as_deref(),
                detail: &error.detail,
                meaning: error.meaning(),
                action: error.action(),
            }),
        }
    }
}
