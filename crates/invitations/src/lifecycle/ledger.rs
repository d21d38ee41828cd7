//! One organization's known invitations, and what has happened to them.

use crate::Status;
use crate::histogram::Histogram;

use super::group::{self, StatusCounts};
use crate::{Event, Identity, Sighting};

/// Upper bounds in seconds of the time from generation to redemption: 5 and 15 minutes, 1, 4 and 12 hours,
/// 1, 2, 3, 5, 7, 14, 30 and 90 days. They answer "within the hour, the day, the week"; 90 days is the longest
/// validity that the upstream grants.
pub const REDEMPTION_BOUNDS: &[f64] = &[
    300.0,
    900.0,
    3_600.0,
    14_400.0,
    43_200.0,
    86_400.0,
    172_800.0,
    259_200.0,
    432_000.0,
    604_800.0,
    1_209_600.0,
    2_592_000.0,
    7_776_000.0,
];

/// What has happened to an organization's invitations since its baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    /// Events in the order of [`Event::ALL`].
    pub events: [u64; Event::ALL.len()],
    /// Seconds from generation to redemption, of redemptions seen as events.
    pub redemption: Histogram,
}

impl Tally {
    /// This and what has happened since, together.
    #[must_use]
    pub fn plus(&self, since: &Self) -> Self {
        let mut sum = self.clone();
        for (events, more) in sum.events.iter_mut().zip(since.events) {
            *events += more;
        }
        // Both have the bounds of a tally.
        let _same_bounds = sum.redemption.merge(&since.redemption);
        sum
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self { events: [0; Event::ALL.len()], redemption: Histogram::new(REDEMPTION_BOUNDS) }
    }
}

/// One known invitation: 17 bytes.
pub type Known = (Identity, Status);

/// What an organization's state becomes where it changed: for each changed identity, in ascending order, each
/// status that it is known with now, or `None` once.
pub type Change = (Identity, Option<Status>);

const _: () = assert!(size_of::<Known>() == 17 && size_of::<Change>() == 17);

/// What one poll changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Whether this was the organization's first poll, which counts as no event.
    pub baseline: bool,
    /// Events in the order of [`Event::ALL`].
    pub events: [u64; Event::ALL.len()],
    /// The changed identities; empty at the baseline, where all of them are new.
    pub identities: Vec<Change>,
}

impl Changes {
    /// Whether nothing has to be written or published.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.baseline && self.identities.is_empty()
    }
}

/// One organization's known invitations and its tally. Pure: knows neither clock nor disk.
///
/// How the contradictions of a list are settled, whatever its order:
/// - Of several elements with the same `refLink`, the one with the most final status counts (redeemed, revoked,
///   expired, available, unknown), and of those the one that took longest to redeem.
/// - Invitations without a `refLink` that share invitee and time of generation can't be told apart; how many
///   have which status is compared instead. Those that kept a status cancel out, the others are paired in
///   the order of [`Status::ALL`], and what is left over appeared or disappeared.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Sorted; an anonymous identity occurs as often as the list had it.
    known: Vec<Known>,
    baselined: bool,
    tally: Tally,
}

impl Ledger {
    /// The ledger that a store kept, known invitations in any order.
    #[must_use]
    pub fn restore(mut known: Vec<Known>, tally: Tally) -> Self {
        known.sort_unstable();
        known.shrink_to_fit();
        Self { known, baselined: true, tally }
    }

    /// What has happened since the baseline.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The known invitations, sorted.
    #[must_use]
    pub fn known(&self) -> &[Known] {
        &self.known
    }

    /// Whether a poll has been observed, or a state restored.
    #[must_use]
    pub fn is_baselined(&self) -> bool {
        self.baselined
    }

    /// The known invitations as sightings: a list that says no more than they do.
    pub fn sightings(&self) -> impl Iterator<Item = Sighting> {
        self.known.iter().map(|(identity, status)| Sighting::new(*identity, *status, None, None))
    }

    /// The known identity that begins like this.
    #[must_use]
    pub fn find(&self, prefix: u64) -> Option<Identity> {
        let place = self.known.partition_point(|(identity, _)| identity.prefix() < prefix);
        self.known.get(place).map(|(identity, _)| *identity).filter(|identity| identity.prefix() == prefix)
    }

    /// Gives each known invitation the identity that `name` says.
    pub fn rename(&mut self, name: impl Fn(Identity) -> Identity) {
        self.known.iter_mut().for_each(|(identity, _)| *identity = name(*identity));
        self.known.sort_unstable();
    }

    /// Gives the tally away and counts from nothing on.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// Takes the first list, the baseline, which settles its contradictions in the list itself.
    pub fn begin(&mut self, sightings: &mut Vec<Sighting>) {
        sightings.sort_unstable();
        sightings.dedup_by(|later, kept| {
            let same = kept.identity() == later.identity() && !kept.identity().is_anonymous();
            if same {
                *kept = *later;
            }
            same
        });
        self.known = sightings.iter().map(|s| (s.identity(), s.status())).collect();
        self.known.sort_unstable();
        self.baselined = true;
    }

    /// Takes a good poll's list. The first one is the baseline.
    pub fn observe(&mut self, mut sightings: Vec<Sighting>) -> Changes {
        if !self.baselined {
            self.begin(&mut sightings);
            return Changes { baseline: true, events: [0; Event::ALL.len()], identities: Vec::new() };
        }
        sightings.sort_unstable();
        let changes = self.compare(&sightings);
        // Freed before the known set grows: both at once are what a poll's memory peaks at.
        drop(sightings);
        self.apply(&changes.identities);
        changes
    }

    /// Counts the events between the known set and a sorted list, and says how the known set has to change.
    fn compare(&mut self, sightings: &[Sighting]) -> Changes {
        let Self { known, tally, baselined: _ } = self;
        let mut changes = Changes { baseline: false, events: [0; Event::ALL.len()], identities: Vec::new() };
        let mut before = known.chunk_by(|a, b| a.0 == b.0).peekable();
        let mut after = sightings.chunk_by(|a, b| a.identity() == b.identity()).peekable();
        loop {
            let identity = match (before.peek(), after.peek()) {
                (None, None) => break,
                (Some(known), None) => known[0].0,
                (None, Some(seen)) => seen[0].identity(),
                (Some(known), Some(seen)) => known[0].0.min(seen[0].identity()),
            };
            let known = before.next_if(|known| known[0].0 == identity).unwrap_or_default();
            let seen = after.next_if(|seen| seen[0].identity() == identity).unwrap_or_default();
            // Sorted, so that the last one is the most final.
            let seen = if identity.is_anonymous() { seen } else { &seen[seen.len().saturating_sub(1)..] };
            let (was, is) =
                (StatusCounts::of(known.iter().map(|k| k.1)), StatusCounts::of(seen.iter().map(|s| s.status())));
            if was == is {
                continue;
            }
            let mut redeemed = 0;
            for (event, times) in group::events(was, is) {
                changes.events[event as usize] += times;
                tally.events[event as usize] += times;
                redeemed += if event == Event::Redeemed { times } else { 0 };
            }
            // The redeemed ones are at the end, the longest last. Of a group that was generated at one moment the
            // longest are the newest, which are those that this poll is the first to see redeemed.
            let took = seen.iter().rev().take(usize::try_from(redeemed).unwrap_or(usize::MAX));
            for seconds in took.filter_map(|sighting| sighting.redeemed_after()) {
                tally.redemption.observe(seconds);
            }
            if is.is_empty() {
                changes.identities.push((identity, None));
            }
            changes.identities.extend(is.statuses().map(|status| (identity, Some(status))));
        }
        changes
    }

    /// Brings the known set up to date.
    fn apply(&mut self, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        let mut rest = changes;
        self.known.retain(|(identity, _)| {
            while rest.first().is_some_and(|change| change.0 < *identity) {
                rest = &rest[1..];
            }
            rest.first().is_none_or(|change| change.0 != *identity)
        });
        let added = changes.iter().filter_map(|(identity, status)| Some((*identity, (*status)?)));
        self.known.reserve_exact(added.clone().count());
        self.known.extend(added);
        self.known.sort_unstable();
    }
}
