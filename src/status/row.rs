//! One organization as the page shows it to people, and as programs get it.

use invitations::census::view::PENDING_AGES;
use invitations::{Millis, Status};
use serde::{Serialize, Serializer};

use super::ago::Moment;
use crate::snapshot::{DataState, OrganizationStatus};

/// What there is to say of one organization: what is serialized is in docs/http.md, the rest is for the page alone.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    pub(super) name: &'a str,
    pub(super) id: &'a str,
    pub(super) custom_group_id: Option<&'a str>,
    pub(super) display_name: Option<&'a str>,
    /// The data state's word; also its class in the style sheet.
    pub(super) state: &'static str,
    /// What the state means.
    #[serde(skip)]
    pub(super) explanation: &'static str,
    up: Option<bool>,
    pub(super) consecutive_failures: u32,
    pub(super) last_attempt: Option<Moment>,
    pub(super) last_success: Option<Moment>,
    pub(super) next_poll: Option<Moment>,
    pub(super) invitations: Option<Counts>,
    pub(super) pending_by_age: Option<Ages>,
    pub(super) last_error: Option<LastError<'a>>,
}

/// Invitations by status, and the bar that shows their shares.
pub(super) struct Counts {
    pub(super) total: u64,
    pub(super) shares: Vec<Share>,
}

/// Pending invitations by age.
pub(super) struct Ages([u64; PENDING_AGES.len()]);

/// A status' part of the bar, which is 1000 wide.
pub(super) struct Share {
    pub(super) status: &'static str,
    pub(super) count: u64,
    pub(super) start: u64,
    pub(super) width: u64,
}

/// The last failure, translated.
#[derive(Serialize)]
pub(super) struct LastError<'a> {
    pub(super) at: Moment,
    pub(super) operation: &'static str,
    pub(super) reason: &'static str,
    pub(super) status: Option<u16>,
    pub(super) request_id: Option<&'a str>,
    pub(super) detail: &'a str,
    pub(super) meaning: &'static str,
    pub(super) action: &'a str,
}

/// Whether somebody should look: the last poll failed, or there is nothing current to show.
pub(super) fn is_trouble(organization: &OrganizationStatus) -> bool {
    rank(organization) < 3
}

/// The order of the page: the smaller, the more it needs somebody.
pub(super) fn rank(organization: &OrganizationStatus) -> u8 {
    match (organization.state, organization.up) {
        (DataState::Withdrawn, _) => 0,
        (DataState::Waiting, Some(false)) => 1,
        (DataState::Held, _) => 2,
        (DataState::Waiting, _) => 3,
        (DataState::Fresh, _) => 4,
    }
}

impl<'a> Row<'a> {
    pub(super) fn new(organization: &'a OrganizationStatus, now: Millis) -> Self {
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
        let moment = |at: &Option<Millis>| at.map(|at| Moment::new(at, now));
        Self {
            name,
            id,
            custom_group_id: custom_group_id.as_deref(),
            display_name: display_name.as_deref(),
            state: state.as_str(),
            explanation: match (state, up) {
                (DataState::Fresh, _) => "the last poll succeeded",
                (DataState::Held, _) => "the last poll failed; the numbers are those of the last good one",
                (DataState::Withdrawn, _) => "the last good poll is too long ago; no numbers are exported",
                (DataState::Waiting, Some(false)) => "no poll has succeeded yet",
                (DataState::Waiting, _) => "the first poll has not ended yet",
            },
            up: *up,
            consecutive_failures: *consecutive_failures,
            last_attempt: moment(last_attempt),
            last_success: moment(last_success),
            next_poll: moment(next_poll),
            invitations: counts.map(Counts::new),
            pending_by_age: pending_by_age.map(Ages),
            last_error: last_error.as_ref().map(|(at, error)| LastError {
                at: Moment::new(*at, now),
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

impl Ages {
    fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        PENDING_AGES.into_iter().zip(self.0)
    }

    /// Those that there are.
    pub(super) fn some(&self) -> Vec<(&'static str, u64)> {
        self.all().filter(|(_, count)| *count > 0).collect()
    }
}

impl Counts {
    fn new(counts: [u64; Status::ALL.len()]) -> Self {
        let total: u64 = counts.iter().sum();
        let edge = |sum: u64| u64::try_from(u128::from(sum) * 1000 / u128::from(total.max(1))).unwrap_or(1000);
        let mut sum = 0;
        let shares = Status::ALL.into_iter().zip(counts).map(|(status, count)| {
            let start = edge(sum);
            sum += count;
            Share { status: status.as_str(), count, start, width: edge(sum) - start }
        });
        Self { total, shares: shares.collect() }
    }
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.shares.iter().map(|share| (share.status, share.count)))
    }
}

impl Serialize for Ages {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.all())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_filled_exactly_whatever_is_rounded() {
        for counts in [[1, 1, 1, 0, 0], [1_000_000, 1, 0, 7, 3], [0, 0, 0, 0, 5]] {
            let Counts { total, shares } = Counts::new(counts);
            assert_eq!(total, counts.iter().sum::<u64>());
            assert_eq!(shares.iter().map(|share| share.width).sum::<u64>(), 1000);
        }
        assert_eq!(Counts::new([0; 5]).shares.iter().map(|share| share.width).sum::<u64>(), 0);
    }
}
