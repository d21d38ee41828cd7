//! What can happen to an invitation, and the table that says when it did.

use crate::Status;

/// Something that happened to an invitation between two good polls, as the label `event`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// It appeared.
    Generated,
    /// It was accepted.
    Redeemed,
    /// It was taken back.
    Revoked,
    /// It ran out while it was open.
    Expired,
    /// It left the list although nobody had used it or taken it back.
    Vanished,
}

impl Event {
    /// Every event, in the order of the documentation; `ALL[e as usize] == e`.
    pub const ALL: [Self; 5] = [Self::Generated, Self::Redeemed, Self::Revoked, Self::Expired, Self::Vanished];

    /// The value of the label `event`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Generated => "generated",
            Self::Redeemed => "redeemed",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Vanished => "vanished",
        }
    }

    /// The event of entering `status` from another one.
    fn entering(status: Status) -> Option<Self> {
        match status {
            Status::Redeemed => Some(Self::Redeemed),
            Status::Revoked => Some(Self::Revoked),
            Status::Expired => Some(Self::Expired),
            // Re-sent, or a status word that nobody knows: nothing that could be counted.
            Status::Available | Status::Unknown => None,
        }
    }

    /// What one invitation's step from `before` to `after` counts as; `None` is "not in the list".
    pub(crate) fn between(before: Option<Status>, after: Option<Status>) -> impl Iterator<Item = Self> {
        let (first, second) = match (before, after) {
            (None, Some(after)) => (Some(Self::Generated), Self::entering(after)),
            (Some(before), Some(after)) if before != after => (None, Self::entering(after)),
            (Some(Status::Available | Status::Expired), None) => (Some(Self::Vanished), None),
            // Unchanged, or purged after it had come to an end.
            (Some(_) | None, _) => (None, None),
        };
        first.into_iter().chain(second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_counts_as_the_documented_events() {
        use Status::{Available as A, Expired as E, Redeemed as R, Revoked as V, Unknown as U};
        let table: &[(Option<Status>, Option<Status>, &[Event])] = &[
            (None, Some(A), &[Event::Generated]),
            (None, Some(E), &[Event::Generated, Event::Expired]),
            (None, Some(R), &[Event::Generated, Event::Redeemed]),
            (None, Some(V), &[Event::Generated, Event::Revoked]),
            (None, Some(U), &[Event::Generated]),
            (Some(A), Some(E), &[Event::Expired]),
            (Some(A), Some(R), &[Event::Redeemed]),
            (Some(A), Some(V), &[Event::Revoked]),
            (Some(A), Some(U), &[]),
            (Some(E), Some(A), &[]),
            (Some(E), Some(R), &[Event::Redeemed]),
            (Some(E), Some(V), &[Event::Revoked]),
            (Some(E), Some(U), &[]),
            (Some(R), Some(A), &[]),
            (Some(R), Some(E), &[Event::Expired]),
            (Some(R), Some(V), &[Event::Revoked]),
            (Some(R), Some(U), &[]),
            (Some(V), Some(A), &[]),
            (Some(V), Some(E), &[Event::Expired]),
            (Some(V), Some(R), &[Event::Redeemed]),
            (Some(V), Some(U), &[]),
            (Some(U), Some(A), &[]),
            (Some(U), Some(E), &[Event::Expired]),
            (Some(U), Some(R), &[Event::Redeemed]),
            (Some(U), Some(V), &[Event::Revoked]),
            (Some(A), None, &[Event::Vanished]),
            (Some(E), None, &[Event::Vanished]),
            (Some(R), None, &[]),
            (Some(V), None, &[]),
            (Some(U), None, &[]),
            (None, None, &[]),
        ];
        for (before, after, events) in table {
            assert_eq!(Event::between(*before, *after).collect::<Vec<_>>(), *events, "{before:?} to {after:?}");
        }
        for status in Status::ALL {
            assert_eq!(Event::between(Some(status), Some(status)).count(), 0, "{status:?} unchanged");
        }
    }

    #[test]
    fn all_is_ordered_like_the_discriminants() {
        for (index, event) in Event::ALL.into_iter().enumerate() {
            assert_eq!(event as usize, index);
        }
    }
}
