//! Whole scrapes that are kept while they are true.
//!
//! Between two polls nothing about the invitations changes, so what comes from
//! polls is encoded and compressed once for each format. The exporter's own
//! metrics change all the time, and a scrape now and then shows them as they
//! are; in a flood of scrapes they are allowed to be a moment old, so that a
//! crowd of scrapers costs no more than a few.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;

use super::exposition::{Encoding, Piece, member};
use crate::snapshot::Snapshot;
use crate::time::Millis;

/// How old the exporter's own metrics may be in a flood of scrapes.
const OWN_MAX_AGE: Duration = Duration::from_millis(250);
/// More scrapes than this within [`WINDOW`], of one format and coding, are a flood.
const FLOOD: u32 = 20;
/// Time over which scrapes are counted.
const WINDOW: Duration = Duration::from_secs(1);

/// What comes from the polls, in one format.
#[derive(Debug)]
pub(super) struct Polled {
    /// Keeps the snapshot alive, so that its address cannot stand for another one.
    snapshot: Arc<Snapshot>,
    /// The span of time in which no organization's data state changes by itself.
    valid: std::ops::Range<Millis>,
    plain: Vec<u8>,
    compressed: OnceLock<Piece>,
}

impl Polled {
    pub(super) fn new(snapshot: &Arc<Snapshot>, now: Millis, plain: Vec<u8>) -> Self {
        let until = snapshot.organizations.iter().filter_map(|entry| entry.goes_stale_at(now)).min();
        let valid = now..until.unwrap_or(Millis(i64::MAX));
        Self { snapshot: Arc::clone(snapshot), valid, plain, compressed: OnceLock::new() }
    }

    fn is_true(&self, snapshot: &Arc<Snapshot>, now: Millis) -> bool {
        Arc::ptr_eq(&self.snapshot, snapshot) && self.valid.contains(&now)
    }

    /// The whole scrape, with the exporter's own metrics behind.
    fn with(&self, own: &[u8], gzip: bool) -> Bytes {
        if gzip {
            let polled = self.compressed.get_or_init(|| Piece::new(&self.plain));
            member(&[polled, &Piece::new(own)]).into()
        } else {
            [&self.plain, own].concat().into()
        }
    }
}

/// A scrape as it was sent.
#[derive(Debug)]
struct Sent {
    polled: Arc<Polled>,
    made: Instant,
    body: Bytes,
    /// Since when scrapes are counted, and how many were made since then.
    window: (Instant, u32),
}

impl Sent {
    fn if_true(&self, snapshot: &Arc<Snapshot>, now: Millis) -> Option<Bytes> {
        let Self { polled, made, body, window: (begin, count) } = self;
        let is_flood = *count > FLOOD && begin.elapsed() < WINDOW;
        (is_flood && made.elapsed() < OWN_MAX_AGE && polled.is_true(snapshot, now)).then(|| body.clone())
    }

    /// The window that a scrape made at `now` is counted in.
    fn next_window(&self, now: Instant) -> (Instant, u32) {
        let (begin, count) = self.window;
        if now.duration_since(begin) < WINDOW { (begin, count + 1) } else { (now, 1) }
    }
}

/// The newest scrape of each format and coding.
#[derive(Debug, Default)]
pub(super) struct Kept {
    polled: [Mutex<Option<Arc<Polled>>>; Encoding::ALL.len()],
    sent: [[Mutex<Option<Sent>>; 2]; Encoding::ALL.len()],
}

impl Kept {
    /// A scrape that is still true, if there is one. Cheap, and waits for nobody.
    pub(super) fn find(&self, encoding: Encoding, gzip: bool, snapshot: &Arc<Snapshot>, now: Millis) -> Option<Bytes> {
        let sent = self.sent[encoding as usize][usize::from(gzip)].try_lock()?;
        sent.as_ref()?.if_true(snapshot, now)
    }

    /// A true scrape, made of what is kept as far as possible. Of several callers at once one does the work.
    pub(super) fn find_or_make(
        &self,
        encoding: Encoding,
        gzip: bool,
        snapshot: &Arc<Snapshot>,
        now: Millis,
        encode_polled: impl FnOnce() -> Vec<u8>,
        encode_own: impl FnOnce() -> Vec<u8>,
    ) -> Bytes {
        let mut sent = self.sent[encoding as usize][usize::from(gzip)].lock();
        if let Some(body) = sent.as_ref().and_then(|sent| sent.if_true(snapshot, now)) {
            return body;
        }
        let made = Instant::now();
        let polled = self.polled(encoding, snapshot, now, encode_polled);
        let body = polled.with(&encode_own(), gzip);
        let window = sent.as_ref().map_or((made, 1), |sent| sent.next_window(made));
        *sent = Some(Sent { polled, made, body: body.clone(), window });
        body
    }

    fn polled(
        &self,
        encoding: Encoding,
        snapshot: &Arc<Snapshot>,
        now: Millis,
        encode: impl FnOnce() -> Vec<u8>,
    ) -> Arc<Polled> {
        let mut kept = self.polled[encoding as usize].lock();
        match kept.as_ref().filter(|polled| polled.is_true(snapshot, now)) {
            Some(polled) => Arc::clone(polled),
            None => Arc::clone(kept.insert(Arc::new(Polled::new(snapshot, now, encode())))),
        }
    }

    /// Forgets the exporter's own metrics: what happened must show at once.
    pub(super) fn forget_own(&self) {
        for sent in self.sent.iter().flatten() {
            *sent.lock() = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn make(kept: &Kept, snapshot: &Arc<Snapshot>, own: &Cell<u32>, polled: &Cell<u32>) {
        kept.find_or_make(
            Encoding::Text,
            false,
            snapshot,
            Millis(0),
            || {
                polled.set(polled.get() + 1);
                Vec::new()
            },
            || {
                own.set(own.get() + 1);
                Vec::new()
            },
        );
    }

    #[test]
    fn scrapes_now_and_then_show_everything_as_it_is_and_a_flood_costs_a_few() {
        let (kept, snapshot) = (Kept::default(), Arc::<Snapshot>::default());
        let (own, polled) = (Cell::new(0), Cell::new(0));
        for _ in 0..10 {
            assert_eq!(kept.find(Encoding::Text, false, &snapshot, Millis(0)), None);
            make(&kept, &snapshot, &own, &polled);
        }
        assert_eq!((own.get(), polled.get()), (10, 1), "what comes from polls is encoded once");
        for _ in 0..10_000 {
            make(&kept, &snapshot, &own, &polled);
        }
        assert!(own.get() < 200, "{} in a flood", own.get());
        assert!(kept.find(Encoding::Text, false, &snapshot, Millis(0)).is_some());
        let changed = Arc::<Snapshot>::default();
        assert_eq!(kept.find(Encoding::Text, false, &changed, Millis(0)), None, "a poll shows at once");
        let before = (own.get(), polled.get());
        make(&kept, &changed, &own, &polled);
        assert_eq!((own.get(), polled.get()), (before.0 + 1, before.1 + 1));
        kept.forget_own();
        assert_eq!(kept.find(Encoding::Text, false, &changed, Millis(0)), None);
    }
}
