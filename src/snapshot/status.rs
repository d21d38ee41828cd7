//! What a person sees of a snapshot.

use csp_api::Error;
use invitations::{Millis, Status};

use super::{DataState, OrganizationSnapshot};
use crate::clock::{Reading, Steady};

/// What the status page and `/api/v1/status` show of the whole exporter.
#[derive(Debug, Clone)]
pub struct StatusReport {
    /// The moment that the report describes.
    pub now: Millis,
    /// When the process started.
    pub started: Millis,
    /// Whether the last reload of the configuration succeeded.
    pub config_reload_successful: bool,
    /// This instance's shard and the number of shards, when sharded.
    pub shard: Option<(u32, u32)>,
    /// One row each, in the order of the names.
    pub organizations: Vec<OrganizationStatus>,
}

/// What the status page shows of one organization.
#[derive(Debug, Clone)]
pub struct OrganizationStatus {
    /// The value of the label `organization`.
    pub name: String,
    /// GUID.
    pub id: String,
    /// The group that it is limited to, if any.
    pub custom_group_id: Option<String>,
    /// What the service calls it, once known.
    pub display_name: Option<String>,
    /// How current its data is.
    pub state: DataState,
    /// Whether the last poll succeeded; `None` before the first has ended.
    pub up: Option<bool>,
    /// Failed polls since the last success.
    pub consecutive_failures: u32,
    /// When the last poll ended.
    pub last_attempt: Option<Millis>,
    /// When the last good poll ended.
    pub last_success: Option<Millis>,
    /// When the next poll starts; `None` while one is under way.
    pub next_poll: Option<Millis>,
    /// Counts by status in the order of [`Status::ALL`]; `None` while waiting or withdrawn.
    pub counts: Option<[u64; Status::ALL.len()]>,
    /// Pending invitations by age, `0-1d 1-3d 3-7d 7-30d 30d+ unknown`; `None` while waiting or withdrawn.
    pub pending_by_age: Option<[u64; 6]>,
    /// The last failure since the last success, with its moment.
    pub last_error: Option<(Millis, Error)>,
}

impl OrganizationStatus {
    /// What there is to show of an organization at `now`. Moments are given by the wall clock as it goes now: one that
    /// was set since then would tell the reader of polls that are still to come.
    #[must_use]
    pub(crate) fn of(entry: &OrganizationSnapshot, next_poll: Option<Steady>, now: Reading) -> Self {
        let view = entry.visible_view(now.steady);
        let by_wall_clock = |at: Option<Reading>| at.map(|at| now.wall_at(at.steady));
        Self {
            name: entry.organization.name.clone(),
            id: entry.organization.id.clone(),
            custom_group_id: entry.organization.custom_group_id.clone(),
            display_name: entry.display_name.clone(),
            state: entry.data_state(now.steady),
            up: entry.up,
            consecutive_failures: entry.consecutive_failures,
            last_attempt: by_wall_clock(entry.last_attempt),
            last_success: by_wall_clock(entry.last_success),
            next_poll: next_poll.map(|at| now.wall_at(at)),
            counts: view.map(|view| view.by_status),
            pending_by_age: view.map(|view| view.pending_by_age),
            last_error: entry.last_error.as_ref().map(|(at, error)| (now.wall_at(at.steady), error.clone())),
        }
    }
}
