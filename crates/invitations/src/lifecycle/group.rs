//! Invitations that share one identity: one, or several that cannot be told apart.

use crate::Status;

use crate::Event;

/// How many invitations of one identity have each status, in the order of [`Status::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatusCounts(pub [u32; Status::ALL.len()]);

impl StatusCounts {
    /// Counts statuses.
    pub fn of(statuses: impl Iterator<Item = Status>) -> Self {
        let mut held = Self::default();
        for status in statuses {
            let count = &mut held.0[status as usize];
            *count = count.saturating_add(1);
        }
        held
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Each status as often as it is held, in the order of [`Status::ALL`].
    pub fn statuses(self) -> impl Iterator<Item = Status> {
        Status::ALL.into_iter().zip(self.0).flat_map(|(status, count)| (0..count).map(move |_| status))
    }
}

/// The events between two polls of one identity, with how often each occurred; an event may occur twice.
pub(super) fn events(before: StatusCounts, after: StatusCounts) -> Vec<(Event, u64)> {
    let (mut before, mut after) = (before.0, after.0);
    for (was, is) in before.iter_mut().zip(&mut after) {
        let kept = (*was).min(*is);
        *was -= kept;
        *is -= kept;
    }
    let mut events = Vec::new();
    // Counts instead of one step per invitation, because a broken list can hold a million without identity.
    loop {
        let from = before.iter().position(|count| *count > 0);
        let to = after.iter().position(|count| *count > 0);
        let times = match (from, to) {
            (None, None) => return events,
            (Some(from), Some(to)) => before[from].min(after[to]),
            (Some(from), None) => before[from],
            (None, Some(to)) => after[to],
        };
        let step = Event::between(from.map(|i| Status::ALL[i]), to.map(|i| Status::ALL[i]));
        events.extend(step.map(|event| (event, u64::from(times))));
        if let Some(from) = from {
            before[from] -= times;
        }
        if let Some(to) = to {
            after[to] -= times;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Status::{Available as A, Expired as E, Redeemed as R, Revoked as V};
    use super::*;

    fn between(before: &[Status], after: &[Status]) -> Vec<(Event, u64)> {
        events(StatusCounts::of(before.iter().copied()), StatusCounts::of(after.iter().copied()))
    }

    #[test]
    fn those_that_kept_their_status_cancel_out() {
        assert_eq!(between(&[R, A], &[A]), [], "the redeemed one was purged");
        assert_eq!(between(&[A, A, R], &[R, A, A]), []);
        assert_eq!(between(&[A, A], &[R, A]), [(Event::Redeemed, 1)]);
    }

    #[test]
    fn the_rest_is_paired_and_what_is_left_over_appeared_or_disappeared() {
        assert_eq!(between(&[A, R], &[V]), [(Event::Revoked, 1)]);
        assert_eq!(between(&[A, E], &[R]), [(Event::Redeemed, 1), (Event::Vanished, 1)]);
        assert_eq!(between(&[A], &[A, R]), [(Event::Generated, 1), (Event::Redeemed, 1)]);
        assert_eq!(between(&[A; 3], &[]), [(Event::Vanished, 3)]);
    }
}
