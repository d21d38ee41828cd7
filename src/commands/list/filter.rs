//! Which invitations are listed. Each filter is the row side of a gauge.

use std::time::Duration;

use invitations::census::Invitation;
use invitations::{Millis, Status};

use crate::cli::List;

/// The filters of one call, all of which must hold.
pub(super) struct Filter<'f> {
    flags: &'f List,
    statuses: Vec<Status>,
    now: Millis,
}

impl<'f> Filter<'f> {
    pub(super) fn new(flags: &'f List, now: Millis) -> Self {
        Self { flags, statuses: flags.statuses(), now }
    }

    pub(super) fn takes(&self, invitation: &Invitation) -> bool {
        let Self { flags, statuses, now } = self;
        let has_role = |role: &String| invitation.roles.iter().flatten().any(|carried| carried == role);
        let has_group =
            |group: &String| invitation.groups.iter().any(|carried| carried.name == *group || carried.id == *group);
        let is_old = |least: Duration| invitation.generated.is_some_and(|at| now.since(at) >= millis(least));
        let ends_soon = |within: Duration| {
            let left = invitation.expires.map(|at| at.since(*now));
            left.is_some_and(|left| left > 0 && left < millis(within))
        };
        statuses.contains(&invitation.status)
            && flags.role.as_ref().is_none_or(has_role)
            && flags.group.as_ref().is_none_or(has_group)
            && (!flags.privileged || invitation.is_privileged)
            && (!flags.external || invitation.is_external)
            && (!flags.duplicate || invitation.is_duplicate)
            && (!flags.lapsed || invitation.is_lapsed)
            && flags.older_than.is_none_or(is_old)
            && flags.expires_within.is_none_or(ends_soon)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
