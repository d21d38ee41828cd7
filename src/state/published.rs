//! What readers see of one organization's lifecycle: what a poll counted is published once it is written, or known not to be.

use std::sync::Arc;

use invitations::IdentityKey;
use invitations::lifecycle::Tally;

/// What readers see of an organization.
#[derive(Debug, Clone, Default)]
pub(super) struct Published {
    /// Goes up with each change.
    pub(super) version: u64,
    /// Whether nothing can be seen because the state is unread.
    pub(super) is_unread: bool,
    /// What has been counted; `None` before a first list, and while the state is unread.
    pub(super) tally: Option<Arc<Tally>>,
    /// The key that a state of the first format made identities with, as long as this organization's are of that kind.
    pub(super) former_key: Option<IdentityKey>,
}
