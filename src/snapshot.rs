//! What a scrape and the status page see: immutable, replaced as a whole.

use crate::census::Status;
use crate::csp::Error;
use crate::time::Millis;

/// How current an organization's data is, as the label `state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataState {
    /// No poll has succeeded yet.
    Waiting,
    /// The last poll succeeded.
    Fresh,
    /// The last poll failed; the last good data is still shown.
    Held,
    /// The last success is older than `stale_after`; nothing is shown.
    Withdrawn,
}

impl DataState {
    /// Every state, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Fresh, Self::Held, Self::Withdrawn];

    /// The value of the label `state`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Fresh => "fresh",
            Self::Held => "held",
            Self::Withdrawn => "withdrawn",
        }
    }
}

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
