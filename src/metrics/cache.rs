//! The cache of scrapes: each is kept while it is true.
//!
//! Between two polls nothing about the invitations changes, so what comes from
//! polls is made once for each form that is asked for. The exporter's own
//! metrics change all the time, and a scrape now and then shows them as they
//! are; in a flood of scrapes they are allowed to be a moment old, so that a
//! crowd of scrapers costs no more than a few.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use exporter_toolkit::exposition::{self, Compressor, Encoding, Part};
use parking_lot::Mutex;

use super::pieces::{FromPolls, Pieces};
use crate::clock::Steady;
use crate::snapshot::Snapshot;

/// How old the exporter's own metrics may be in a flood of scrapes.
const OWN_MAX_AGE: Duration = Duration::from_millis(250);
/// More scrapes than this within [`WINDOW`], of one form, are a flood.
const FLOOD: u32 = 20;
/// Time over which scrapes are counted.
const WINDOW: Duration = Duration::from_secs(1);
/// A form that nobody asked for in this time is forgotten: twice the longest usual time between scrapes, and soon
/// enough for the memory to be free after five minutes.
const WANTED_FOR: Duration = Duration::from_secs(240);
/// A form is forgotten at most this much later than it might be: how often is looked for such forms.
pub const FORGOTTEN_LATE: Duration = Duration::from_secs(30);

/// The newest scrape of each form: format and coding.
#[derive(Debug, Default)]
pub(super) struct ScrapeCache([[Mutex<Form>; 2]; Encoding::ALL.len()]);

/// What is kept in one form.
#[derive(Debug, Default)]
struct Form {
    pieces: Option<Pieces>,
    polled: Option<Polled>,
    /// The newest scrape, and when it was made.
    newest: Option<(Instant, exposition::Body)>,
    /// Since when scrapes are counted, and how many were made since then.
    window: Option<(Instant, u32)>,
    /// When it was asked for last.
    asked: Option<Steady>,
}

/// What comes from polls.
#[derive(Debug)]
struct Polled {
    /// Keeps the snapshot alive, so that its address cannot stand for another one.
    snapshot: Arc<Snapshot>,
    /// The span of time in which no organization's data state changes by itself.
    valid: Range<Steady>,
    body: FromPolls,
}

impl Polled {
    /// Whether it says what there is to say of this snapshot at `now`.
    fn is_true(&self, snapshot: &Arc<Snapshot>, now: Steady) -> bool {
        Arc::ptr_eq(&self.snapshot, snapshot) && self.valid.contains(&now)
    }
}

impl Form {
    /// The newest scrape, if nobody would notice that it is not made anew.
    fn at_hand(&self, snapshot: &Arc<Snapshot>, now: Steady) -> Option<exposition::Body> {
        let (made, body) = self.newest.as_ref()?;
        let is_flood = self.window.is_some_and(|(begin, count)| count > FLOOD && begin.elapsed() < WINDOW);
        let is_true = self.polled.as_ref().is_some_and(|polled| polled.is_true(snapshot, now));
        (is_flood && made.elapsed() < OWN_MAX_AGE && is_true).then(|| body.clone())
    }

    /// What comes from polls, made anew where something has changed.
    fn polled(&mut self, encoding: Encoding, gzip: bool, snapshot: &Arc<Snapshot>, now: Steady) -> &FromPolls {
        if self.polled.as_ref().is_some_and(|polled| !polled.is_true(snapshot, now)) {
            // Their memory is free for what takes their place.
            (self.polled, self.newest) = (None, None);
        }
        let pieces = &mut self.pieces;
        let polled = self.polled.get_or_insert_with(|| {
            let until = snapshot.organizations.iter().filter_map(|entry| entry.goes_stale_at(now)).min();
            let body = pieces.get_or_insert_with(|| Pieces::new(encoding, gzip)).refresh(snapshot, now);
            Polled { snapshot: Arc::clone(snapshot), valid: now..until.unwrap_or(Steady(i64::MAX)), body }
        });
        &polled.body
    }

    fn count(&mut self, made: Instant, now: Steady) {
        self.window = match self.window {
            Some((begin, count)) if made.duration_since(begin) < WINDOW => Some((begin, count + 1)),
            _ => Some((made, 1)),
        };
        self.asked = Some(now);
    }
}

impl ScrapeCache {
    /// A scrape that needs no work, if there is one. Waits for nobody.
    pub(super) fn find(
        &self,
        encoding: Encoding,
        gzip: bool,
        snapshot: &Arc<Snapshot>,
        now: Steady,
    ) -> Option<exposition::Body> {
        self.0[encoding as usize][usize::from(gzip)].try_lock()?.at_hand(snapshot, now)
    }

    /// A scrape, made of what is kept as far as possible; `own` gives the exporter's own part. Of several callers at
    /// once one does the work.
    pub(super) fn find_or_make(
        &self,
        encoding: Encoding,
        gzip: bool,
        snapshot: &Arc<Snapshot>,
        now: Steady,
        own: impl FnOnce() -> Vec<u8>,
    ) -> exposition::Body {
        let mut form = self.0[encoding as usize][usize::from(gzip)].lock();
        if let Some(body) = form.at_hand(snapshot, now) {
            return body;
        }
        let made = Instant::now();
        let body = match form.polled(encoding, gzip, snapshot, now) {
            FromPolls::Plain(parts) => parts.iter().cloned().chain([Part::Made(own().into())]).collect(),
            FromPolls::Compressed(member) => {
                member.end(&Compressor::default().piece([own().as_slice()])).into_iter().collect()
            }
        };
        form.newest = Some((made, exposition::Body::clone(&body)));
        form.count(made, now);
        body
    }

    /// Makes what comes from polls anew in the forms that were asked for lately, and forgets the others.
    pub(super) fn prepare(&self, snapshot: &Arc<Snapshot>, now: Steady) {
        for encoding in Encoding::ALL {
            for gzip in [false, true] {
                let mut form = self.0[encoding as usize][usize::from(gzip)].lock();
                if form.asked.is_some_and(|asked| now.since(asked) < WANTED_FOR) {
                    form.polled(encoding, gzip, snapshot, now);
                } else {
                    *form = Form::default();
                }
            }
        }
    }

    /// Forgets the exporter's own metrics: what happened must show at once.
    pub(super) fn forget_own(&self) {
        for form in self.0.iter().flatten() {
            form.lock().newest = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A scrape, and how many times the exporter's own metrics were made for one.
    fn scrape(cache: &ScrapeCache, snapshot: &Arc<Snapshot>, own: &Cell<u32>) -> exposition::Body {
        cache.find_or_make(Encoding::Text, false, snapshot, Steady(0), || {
            own.set(own.get() + 1);
            Vec::new()
        })
    }

    #[test]
    fn scrapes_now_and_then_show_everything_as_it_is_and_a_flood_costs_a_few() {
        let (cache, snapshot, changed, own) = (ScrapeCache::default(), Arc::default(), Arc::default(), Cell::new(0));
        let find = |snapshot| cache.find(Encoding::Text, false, snapshot, Steady(0));
        for _ in 0..10 {
            assert!(find(&snapshot).is_none());
            scrape(&cache, &snapshot, &own);
        }
        assert_eq!(own.get(), 10);
        for _ in 0..10_000 {
            scrape(&cache, &snapshot, &own);
        }
        assert!(own.get() < 200, "{} in a flood", own.get());
        assert!(find(&snapshot).is_some());
        assert!(find(&changed).is_none(), "a poll shows at once");
        let before = own.replace(0);
        scrape(&cache, &changed, &own);
        assert_eq!(own.get(), 1, "after {before}");
        cache.forget_own();
        assert!(find(&changed).is_none());
    }

    #[test]
    fn only_forms_that_are_asked_for_are_made_and_only_while_they_are() {
        let (cache, before, after, own) = (ScrapeCache::default(), Arc::default(), Arc::default(), Cell::new(0));
        let made = || -> Vec<bool> { cache.0.iter().flatten().map(|form| form.lock().pieces.is_some()).collect() };
        cache.prepare(&before, Steady(0));
        assert_eq!(made(), [false; 6], "nobody has asked");
        scrape(&cache, &before, &own);
        cache.prepare(&after, Steady(0));
        assert_eq!(made(), [true, false, false, false, false, false]);
        let polled =
            |snapshot| cache.0[0][0].lock().polled.as_ref().is_some_and(|polled| polled.is_true(snapshot, Steady(0)));
        assert!(polled(&after), "made before the scrape");
        cache.prepare(&after, Steady(0).after(WANTED_FOR));
        assert_eq!(made(), [false; 6], "nobody asks any more");
        assert!(WANTED_FOR + FORGOTTEN_LATE < Duration::from_secs(5 * 60));
    }
}
