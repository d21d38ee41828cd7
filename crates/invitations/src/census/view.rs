//! The numbers of one organization at one poll: what a census ends in.

mod pairs;

use crate::Millis;
use crate::{RoleKind, Status};

pub(super) use self::pairs::SmallCounts;
pub use self::pairs::{PairRow, Pairs};

/// One number per status, in the order of [`Status::ALL`].
pub type ByStatus = [u64; Status::ALL.len()];

/// Values of the label `age` of pending invitations, in the order of [`View::pending_by_age`].
pub const PENDING_AGES: [&str; 6] = ["0-1d", "1-3d", "3-7d", "7-30d", "30d+", "unknown"];
/// Values of the label `time_left`, in the order of [`View::pending_by_time_left`].
pub const TIMES_LEFT: [&str; 6] = ["0-1h", "1-24h", "1-3d", "3-7d", "7d+", "unknown"];
/// Values of the label `age` of lapsed invitations, in the order of [`View::lapsed_by_age`].
pub const LAPSED_AGES: [&str; 5] = ["0-1d", "1-3d", "3-7d", "7-30d", "30d+"];

/// A peculiarity of the list that a count alone would hide, as the label `kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Anomaly {
    /// A status word that is missing or not one of the three documented ones.
    UnknownStatus,
    /// A number that is no time between 1973 and 2191.
    ImplausibleTime,
    /// No `refLink`, the only identity of an invitation.
    MissingIdentity,
    /// A `refLink` that an earlier element of the list has already.
    DuplicateIdentity,
    /// A wrong type where the API promises another.
    MalformedField,
    /// A name with control characters or lone surrogates, or of more than 256 bytes: each distinct one once.
    MalformedText,
}

impl Anomaly {
    /// Every anomaly, in the order of the documentation; `ALL[a as usize] == a`.
    pub const ALL: [Self; 6] = [
        Self::UnknownStatus,
        Self::ImplausibleTime,
        Self::MissingIdentity,
        Self::DuplicateIdentity,
        Self::MalformedField,
        Self::MalformedText,
    ];

    /// The value of the label `kind`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownStatus => "unknown_status",
            Self::ImplausibleTime => "implausible_time",
            Self::MissingIdentity => "missing_identity",
            Self::DuplicateIdentity => "duplicate_identity",
            Self::MalformedField => "malformed_field",
            Self::MalformedText => "malformed_text",
        }
    }
}

/// Invitations that carry one role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRow {
    /// Label `role_kind`.
    pub kind: RoleKind,
    /// Label `role`; `other` holds what was folded.
    pub role: String,
    /// Invitations by status.
    pub counts: ByStatus,
}

/// Invitations that carry one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRow {
    /// Label `group_id`; `other` holds what was folded.
    pub group_id: String,
    /// Label `group`: the display name, else the id.
    pub group: String,
    /// Invitations by status.
    pub counts: ByStatus,
}

/// What is known of one expanded group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupInfo {
    /// Label `group_id`.
    pub group_id: String,
    /// Label `group`: the display name, else the id.
    pub group: String,
    /// Label `group_type`; empty when unknown.
    pub group_type: String,
    /// Label `domain`; empty when unknown.
    pub domain: String,
}

/// The numbers of one organization at one poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The moment that ages and expirations are reckoned from.
    pub at: Millis,
    /// All invitations; sums to the length of the list.
    pub by_status: ByStatus,
    /// One row per exported role, sorted by kind and role.
    pub by_role: Vec<RoleRow>,
    /// One row per exported group, sorted by id.
    pub by_group: Vec<GroupRow>,
    /// Exported pairs; `None` when pairs are turned off.
    pub by_role_and_group: Option<Pairs>,
    /// Invitations that carry a privileged role.
    pub privileged: ByStatus,
    /// Invitations to a domain that is not trusted; `None` without trusted domains.
    pub external: Option<ByStatus>,
    /// Available invitations beyond the first for the same username.
    pub duplicates: u64,
    /// Expired invitations of people who were lost, by time since expiration, in the order of [`LAPSED_AGES`].
    pub lapsed_by_age: [u64; LAPSED_AGES.len()],
    /// Available invitations by time since generation, in the order of [`PENDING_AGES`].
    pub pending_by_age: [u64; PENDING_AGES.len()],
    /// Available invitations by time to expiration, in the order of [`TIMES_LEFT`].
    pub pending_by_time_left: [u64; TIMES_LEFT.len()],
    /// Generation of the oldest available invitation.
    pub oldest_pending: Option<Millis>,
    /// Earliest expiration among the available.
    pub next_expiration: Option<Millis>,
    /// Newest generation of any invitation.
    pub last_generated: Option<Millis>,
    /// Newest redemption of any invitation.
    pub last_redeemed: Option<Millis>,
    /// Newest revocation of any invitation.
    pub last_revoked: Option<Millis>,
    /// One per exported group that came expanded, sorted by id.
    pub group_info: Vec<GroupInfo>,
    /// Peculiarities of the list, in the order of [`Anomaly::ALL`].
    pub anomalies: [u64; Anomaly::ALL.len()],
    /// Distinct roles, over all kinds, that are inside `other`.
    pub folded_roles: u64,
    /// Distinct groups that are inside `other`.
    pub folded_groups: u64,
}

impl View {
    /// The view of an empty list.
    #[must_use]
    pub fn empty(at: Millis) -> Self {
        Self {
            at,
            by_status: ByStatus::default(),
            by_role: Vec::new(),
            by_group: Vec::new(),
            by_role_and_group: None,
            privileged: ByStatus::default(),
            external: None,
            duplicates: 0,
            lapsed_by_age: [0; LAPSED_AGES.len()],
            pending_by_age: [0; PENDING_AGES.len()],
            pending_by_time_left: [0; TIMES_LEFT.len()],
            oldest_pending: None,
            next_expiration: None,
            last_generated: None,
            last_redeemed: None,
            last_revoked: None,
            group_info: Vec::new(),
            anomalies: [0; Anomaly::ALL.len()],
            folded_roles: 0,
            folded_groups: 0,
        }
    }
}
