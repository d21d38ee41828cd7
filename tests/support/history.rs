//! The documented table, applied literally with plain maps, and histories to apply it to.
#![allow(dead_code, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

use std::collections::{BTreeMap, HashMap};

use invitations::lifecycle::Tally;
use invitations::{Identity, Millis, Sighting, Status};

/// A small generator of our own: the same seed gives the same history in each process and version.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Some order or other.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = usize::try_from(self.below(i as u64 + 1)).unwrap();
            items.swap(i, j);
        }
    }
}

/// One invitation of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) link: u64,
    pub(crate) status: Status,
    pub(crate) generated_at: i64,
    pub(crate) redeemed_at: Option<i64>,
}

impl Record {
    pub(crate) fn sighting(&self) -> Sighting {
        let link = format!("/csp/gateway/am/api/orgs/o/invitations/{}", self.link);
        let identity = Identity::of(Some(&link), "someone@example.com", Some(Millis(self.generated_at)));
        Sighting::new(identity, self.status, Some(Millis(self.generated_at)), self.redeemed_at.map(Millis))
    }
}

/// What has to come out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Model {
    known: Option<HashMap<u64, Status>>,
    /// Generated, redeemed, revoked, expired, vanished.
    pub(crate) events: [u64; 5],
    pub(crate) timed: u64,
    pub(crate) timed_millis: i64,
}

impl Model {
    /// Applies the table to a list without contradictions.
    pub(crate) fn observe(&mut self, list: &[Record]) {
        let now: HashMap<u64, Status> = list.iter().map(|record| (record.link, record.status)).collect();
        assert_eq!(now.len(), list.len(), "the model takes lists without duplicates");
        let Some(before) = self.known.replace(now.clone()) else { return };
        for record in list {
            let entered = match before.get(&record.link) {
                None => {
                    self.events[0] += 1;
                    true
                }
                Some(was) => *was != record.status,
            };
            if !entered {
                continue;
            }
            match record.status {
                Status::Redeemed => {
                    self.events[1] += 1;
                    if let Some(at) = record.redeemed_at.filter(|at| *at >= record.generated_at) {
                        self.timed += 1;
                        self.timed_millis += at - record.generated_at;
                    }
                }
                Status::Revoked => self.events[2] += 1,
                Status::Expired => self.events[3] += 1,
                Status::Available | Status::Unknown => {}
            }
        }
        for (link, was) in before {
            if !now.contains_key(&link) && matches!(was, Status::Available | Status::Expired) {
                self.events[4] += 1;
            }
        }
    }

    /// Whether a tally says the same.
    pub(crate) fn agrees(&self, tally: &Tally) -> bool {
        // Thousandths of seconds add up to something a hair off in binary.
        let off = (tally.redemption.sum() - self.timed_millis as f64 / 1000.0).abs();
        tally.events == self.events
            && tally.redemption.count() == self.timed
            && off < 1e-6 * (1.0 + self.timed_millis as f64 / 1000.0)
    }
}

/// An organization whose people invite, accept, revoke, forget and re-send.
#[derive(Debug, Clone)]
pub(crate) struct World {
    dice: Dice,
    records: BTreeMap<u64, Record>,
    purged: Vec<Record>,
    next_link: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed), records: BTreeMap::new(), purged: Vec::new(), next_link: 0 }
    }

    /// Lets up to `steps` things happen at `now` and returns the list after them.
    pub(crate) fn advance(&mut self, now: i64, steps: u64) -> Vec<Record> {
        for _ in 0..self.dice.below(steps + 1) {
            let pick = self.dice.roll();
            let place = usize::try_from(pick % (self.records.len().max(1) as u64)).unwrap();
            let chosen = self.records.keys().nth(place).copied();
            match (self.dice.below(100), chosen) {
                (0..28, _) | (_, None) => {
                    let record = Record {
                        link: self.next_link,
                        status: self.any_status(),
                        generated_at: now - i64::try_from(self.dice.below(10_000_000)).unwrap(),
                        redeemed_at: None,
                    };
                    self.next_link += 1;
                    self.put(record, now);
                }
                (28..68, Some(link)) => {
                    let status = self.any_status();
                    let record = Record { status, ..self.records[&link] };
                    self.put(record, now);
                }
                (68..95, Some(link)) => self.purged.extend(self.records.remove(&link)),
                (_, _) => {
                    // Back again, as it was.
                    if let Some(record) = self.purged.pop() {
                        self.records.insert(record.link, record);
                    }
                }
            }
        }
        self.records.values().copied().collect()
    }

    fn put(&mut self, mut record: Record, now: i64) {
        record.redeemed_at = match record.status {
            Status::Redeemed if self.dice.chance(90) => Some(now - i64::try_from(self.dice.below(5_000_000)).unwrap()),
            _ => None,
        };
        self.records.insert(record.link, record);
    }

    fn any_status(&mut self) -> Status {
        match self.dice.below(100) {
            0..45 => Status::Available,
            45..65 => Status::Redeemed,
            65..80 => Status::Revoked,
            80..95 => Status::Expired,
            _ => Status::Unknown,
        }
    }
}

/// A list as the upstream may send it: in any order, some elements twice, some of those outdated.
pub(crate) fn as_sent(list: &[Record], dice: &mut Dice) -> Vec<Sighting> {
    let mut sent: Vec<Sighting> = list.iter().map(Record::sighting).collect();
    for record in list {
        if dice.chance(3) {
            let outdated = Record { status: Status::Unknown, ..*record };
            sent.push(if dice.chance(50) { outdated.sighting() } else { record.sighting() });
        }
    }
    dice.shuffle(&mut sent);
    sent
}
