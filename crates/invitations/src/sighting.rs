//! One invitation as one good poll saw it.

use crate::{Identity, Millis, Status};

/// One invitation as one good poll saw it.
///
/// 24 bytes, because a poll holds one for each element of a list of any length: of the two times only their
/// distance is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sighting {
    identity: Identity,
    /// The rank of the status, and below it the milliseconds from generation to redemption plus one, 0 without.
    /// In this order, the greatest of several sightings is the one that speaks for all.
    packed: u64,
}

const _: () = assert!(size_of::<Sighting>() == 24);

/// How final a status is, least first: of contradicting sightings the most final one is believed, because
/// no invitation comes back from there by itself.
const BY_FINALITY: [Status; 5] =
    [Status::Unknown, Status::Available, Status::Expired, Status::Revoked, Status::Redeemed];
const STATUS_SHIFT: u32 = 56;
const TIME_MASK: u64 = (1 << STATUS_SHIFT) - 1;

impl Sighting {
    /// A sighting; the times only matter once the invitation is redeemed.
    #[must_use]
    pub fn new(identity: Identity, status: Status, generated_at: Option<Millis>, redeemed_at: Option<Millis>) -> Self {
        let rank = match status {
            Status::Unknown => 0u64,
            Status::Available => 1,
            Status::Expired => 2,
            Status::Revoked => 3,
            Status::Redeemed => 4,
        };
        let took = generated_at.zip(redeemed_at).and_then(|(generated, redeemed)| {
            let took = u64::try_from(redeemed.since(generated)).ok()?;
            (took < TIME_MASK).then_some(took)
        });
        Self { identity, packed: rank << STATUS_SHIFT | took.map_or(0, |took| took + 1) }
    }

    /// Who it is.
    #[must_use]
    pub fn identity(self) -> Identity {
        self.identity
    }

    /// The same of another identity.
    #[must_use]
    pub fn with_identity(self, identity: Identity) -> Self {
        Self { identity, ..self }
    }

    /// Its status at the time of the poll.
    #[must_use]
    pub fn status(self) -> Status {
        // The rank is below 5 by construction.
        BY_FINALITY[(self.packed >> STATUS_SHIFT) as usize % BY_FINALITY.len()]
    }

    /// Seconds from generation to redemption, when both times are known and in this order.
    #[must_use]
    pub(crate) fn redeemed_after(self) -> Option<f64> {
        (self.packed & TIME_MASK).checked_sub(1).map(|millis| millis as f64 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again() {
        let identity = Identity::of(Some("x"), "", None);
        for status in Status::ALL {
            let sighting = Sighting::new(identity, status, Some(Millis(1_000)), Some(Millis(2_500)));
            assert_eq!((sighting.identity(), sighting.status()), (identity, status));
            assert_eq!(sighting.redeemed_after(), Some(1.5));
        }
        let after = |generated: Option<i64>, redeemed: Option<i64>| {
            Sighting::new(identity, Status::Redeemed, generated.map(Millis), redeemed.map(Millis)).redeemed_after()
        };
        assert_eq!(after(Some(5), Some(5)), Some(0.0));
        assert_eq!(after(Some(5), Some(4)), None, "redeemed before it was generated");
        assert_eq!(after(None, Some(4)), None);
        assert_eq!(after(Some(4), None), None);
        assert_eq!(after(Some(i64::MIN), Some(i64::MAX)), None, "no overflow");
    }

    #[test]
    fn the_most_final_status_is_the_greatest() {
        let identity = Identity::of(Some("x"), "", None);
        let sightings = BY_FINALITY.map(|status| Sighting::new(identity, status, None, None));
        assert!(sightings.is_sorted());
    }
}
