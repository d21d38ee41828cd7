//! What a scrape and the status page see: immutable, replaced as a whole.

use std::sync::Arc;
use std::time::Duration;

use crate::census::{Status, View};
use crate::config::Organization;
use crate::csp::{Error, Reason};
use crate::histogram::Histogram;
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

/// What comparing the polls of one organization has counted so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Lifecycle {
    /// Events, in the order of [`Lifecycle::EVENTS`].
    pub events: [u64; Self::EVENTS.len()],
    /// Seconds from generation to redemption, of redemptions seen as events; has [`Lifecycle::BOUNDS`].
    pub redemption_duration: Histogram,
}

impl Lifecycle {
    /// Values of the label `event`.
    pub const EVENTS: [&str; 5] = ["generated", "redeemed", "revoked", "expired", "vanished"];

    /// Classic bounds of the redemption duration in seconds: from a minute, for people who wait for the mail, to
    /// a quarter of a year, with the steps of the age labels (1, 3, 7 and 30 days) among them.
    pub const BOUNDS: &[f64] = &[
        60.0,
        300.0,
        900.0,
        3_600.0,
        14_400.0,
        43_200.0,
        86_400.0,
        259_200.0,
        604_800.0,
        1_209_600.0,
        2_592_000.0,
        7_776_000.0,
    ];
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self { events: [0; Self::EVENTS.len()], redemption_duration: Histogram::new(Self::BOUNDS) }
    }
}

/// Everything that is known of one organization after its newest poll.
#[derive(Debug, Clone)]
pub struct OrganizationSnapshot {
    /// Its settings.
    pub organization: Arc<Organization>,
    /// What the service calls it, once known.
    pub display_name: Option<String>,
    /// The last good poll's numbers.
    pub view: Option<Arc<View>>,
    /// When the last good poll ended.
    pub last_success: Option<Millis>,
    /// When the last poll ended.
    pub last_attempt: Option<Millis>,
    /// Whether the last poll succeeded; `None` before the first has ended.
    pub up: Option<bool>,
    /// How long the last poll took.
    pub duration: Option<Duration>,
    /// Polls that ended.
    pub polls: u64,
    /// Failed polls, in the order of [`Reason::ALL`].
    pub failures: [u64; Reason::ALL.len()],
    /// Failed polls since the last success.
    pub consecutive_failures: u32,
    /// When the next poll starts; `None` while one is under way.
    pub next_poll: Option<Millis>,
    /// The last failure since the last success, with its moment.
    pub last_error: Option<(Millis, Error)>,
    /// What comparing polls has counted; `None` until the first good poll has set the baseline, or where it is off.
    pub lifecycle: Option<Arc<Lifecycle>>,
    /// When the access token in use runs out.
    pub access_token_expiration: Option<Millis>,
}

impl OrganizationSnapshot {
    /// How current the data is at `now`.
    #[must_use]
    pub fn data_state(&self, now: Millis) -> DataState {
        match self.last_success {
            None => DataState::Waiting,
            Some(success)
                if u128::try_from(now.since(success))
                    .is_ok_and(|age| age > self.organization.stale_after.as_millis()) =>
            {
                DataState::Withdrawn
            }
            Some(_) if self.up == Some(false) => DataState::Held,
            Some(_) => DataState::Fresh,
        }
    }

    /// The numbers to show at `now`: none while waiting, none once withdrawn.
    #[must_use]
    pub fn visible_view(&self, now: Millis) -> Option<&Arc<View>> {
        match self.data_state(now) {
            DataState::Fresh | DataState::Held => self.view.as_ref(),
            DataState::Waiting | DataState::Withdrawn => None,
        }
    }
}

/// The newest state of every organization of this instance, at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Sorted by name.
    pub organizations: Vec<Arc<OrganizationSnapshot>>,
    /// When each long-lived API token runs out, by the credential's name, where the service tells.
    pub api_token_expirations: Vec<(String, Millis)>,
}
