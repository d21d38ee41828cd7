//! Whole scrapes that are kept while they are true.
//!
//! Between two polls nothing about the invitations changes, so what comes from
//! polls is encoded and compressed once for each format. The exporter's own
//! metrics change all the time, and a scrape now and then shows them as they
//! are; in a flood of scrapes they are allowed to be a moment old, so that a
//! crowd of scrapers costs no more than a few.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use exporter_toolkit::exposition::{Compressor, Encoding};
use invitations::Millis;
use parking_lot::Mutex;

use super::layout::Chunks;
use super::polled::Polled;
use crate::snapshot::Snapshot;

/// How old the exporter's own metrics may be in a flood of scrapes.
const OWN_MAX_AGE: Duration = Duration::from_millis(250);
/// More scrapes than this within [`WINDOW`], of one format and coding, are a flood.
const FLOOD: u32 = 20;
/// Time over which scrapes are counted.
const WINDOW: Duration = Duration::from_secs(1);
/// A form that nobody asked for in this time is made only when somebody does; some times the usual pause between scrapes.
const WANTED_FOR: Duration = Duration::from_secs(300);

/// The body of a scrape: what comes from polls, and behind it the exporter's own.
pub(super) type Body = [Bytes; 2];

/// What a scrape is made of.
pub(super) trait Maker {
    /// What comes from polls.
    fn polled(&self) -> Polled;
    /// What is the exporter's own.
    fn own(&self) -> Vec<u8>;
}

/// The newest scrape of each format and coding.
#[derive(Debug, Default)]
pub(super) struct Kept([Shelf; Encoding::ALL.len()]);

/// What is kept in one format.
#[derive(Debug, Default)]
struct Shelf {
    polled: Mutex<Option<Arc<Polled>>>,
    chunks: Mutex<Chunks>,
    /// Plain, and compressed.
    sent: [Mutex<Sent>; 2],
}

/// What was sent in one format and coding.
#[derive(Debug, Default)]
struct Sent {
    /// The newest scrape, what it was made of, and when.
    newest: Option<(Arc<Polled>, Instant, Body)>,
    /// Since when scrapes are counted, and how many were made since then.
    window: Option<(Instant, u32)>,
    asked: Option<Instant>,
}

impl Sent {
    fn if_true(&self, snapshot: &Arc<Snapshot>, now: Millis) -> Option<Body> {
        let (polled, made, body) = self.newest.as_ref()?;
        let is_flood = self.window.is_some_and(|(begin, count)| count > FLOOD && begin.elapsed() < WINDOW);
        (is_flood && made.elapsed() < OWN_MAX_AGE && polled.is_true(snapshot, now)).then(|| body.clone())
    }

    fn keep(&mut self, polled: Arc<Polled>, made: Instant, body: &Body) {
        self.newest = Some((polled, made, body.clone()));
        self.window = match self.window {
            Some((begin, count)) if made.duration_since(begin) < WINDOW => Some((begin, count + 1)),
            _ => Some((made, 1)),
        };
        self.asked = Some(made);
    }

    fn is_wanted(&self) -> bool {
        self.asked.is_some_and(|asked| asked.elapsed() < WANTED_FOR)
    }
}

impl Kept {
    /// A scrape that is still true, if there is one. Cheap, and waits for nobody.
    pub(super) fn find(&self, encoding: Encoding, gzip: bool, snapshot: &Arc<Snapshot>, now: Millis) -> Option<Body> {
        self.0[encoding as usize].sent[usize::from(gzip)].try_lock()?.if_true(snapshot, now)
    }

    /// A true scrape, made of what is kept as far as possible. Of several callers at once one does the work.
    pub(super) fn find_or_make(
        &self,
        encoding: Encoding,
        gzip: bool,
        snapshot: &Arc<Snapshot>,
        now: Millis,
        maker: &impl Maker,
    ) -> Body {
        let kept = &self.0[encoding as usize];
        let mut sent = kept.sent[usize::from(gzip)].lock();
        if let Some(body) = sent.if_true(snapshot, now) {
            return body;
        }
        let made = Instant::now();
        let polled = kept.polled(snapshot, now, maker);
        let own = maker.own();
        let body = if gzip {
            polled.compressed(&kept.chunks).end(&Compressor::default().piece([own.as_slice()]))
        } else {
            [polled.plain(), own.into()]
        };
        sent.keep(polled, made, &body);
        body
    }

    /// Makes what comes from polls anew in the forms that were asked for lately, and forgets the others.
    pub(super) fn prepare(&self, encoding: Encoding, snapshot: &Arc<Snapshot>, now: Millis, maker: &impl Maker) {
        let kept = &self.0[encoding as usize];
        let [plain, gzip] = kept.sent.each_ref().map(|sent| sent.lock().is_wanted());
        if !plain && !gzip {
            kept.forget();
            return;
        }
        let polled = kept.polled(snapshot, now, maker);
        if plain {
            let _made = polled.plain();
        }
        if gzip {
            let _made = polled.compressed(&kept.chunks);
        }
        for sent in &kept.sent {
            // What it was made of would stay with it.
            sent.lock().newest.take_if(|(made_of, ..)| !Arc::ptr_eq(made_of, &polled));
        }
    }

    /// Forgets the exporter's own metrics: what happened must show at once.
    pub(super) fn forget_own(&self) {
        for sent in self.0.iter().flat_map(|shelf| &shelf.sent) {
            sent.lock().newest = None;
        }
    }
}

impl Shelf {
    fn polled(&self, snapshot: &Arc<Snapshot>, now: Millis, maker: &impl Maker) -> Arc<Polled> {
        let mut kept = self.polled.lock();
        match kept.as_ref().filter(|polled| polled.is_true(snapshot, now)) {
            Some(polled) => Arc::clone(polled),
            None => Arc::clone(kept.insert(Arc::new(maker.polled()))),
        }
    }

    fn forget(&self) {
        *self.polled.lock() = None;
        *self.chunks.lock() = Chunks::default();
        self.sent.iter().for_each(|sent| sent.lock().newest = None);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Counts what it is asked to make.
    struct Counting<'s> {
        snapshot: &'s Arc<Snapshot>,
        made: Cell<(u32, u32)>,
    }

    impl Maker for Counting<'_> {
        fn polled(&self) -> Polled {
            let (polled, own) = self.made.get();
            self.made.set((polled + 1, own));
            Polled::new(Encoding::Text, self.snapshot, Arc::default(), Millis(0))
        }

        fn own(&self) -> Vec<u8> {
            let (polled, own) = self.made.get();
            self.made.set((polled, own + 1));
            Vec::new()
        }
    }

    fn scrape(kept: &Kept, maker: &Counting<'_>) {
        kept.find_or_make(Encoding::Text, false, maker.snapshot, Millis(0), maker);
    }

    #[test]
    fn scrapes_now_and_then_show_everything_as_it_is_and_a_flood_costs_a_few() {
        let (kept, snapshot, changed) = (Kept::default(), Arc::default(), Arc::default());
        let maker = Counting { snapshot: &snapshot, made: Cell::default() };
        let find = |snapshot| kept.find(Encoding::Text, false, snapshot, Millis(0));
        for _ in 0..10 {
            assert_eq!(find(&snapshot), None);
            scrape(&kept, &maker);
        }
        assert_eq!(maker.made.get(), (1, 10), "what comes from polls is made once");
        for _ in 0..10_000 {
            scrape(&kept, &maker);
        }
        assert!(maker.made.get().1 < 200, "{} in a flood", maker.made.get().1);
        assert!(find(&snapshot).is_some());
        assert_eq!(find(&changed), None, "a poll shows at once");
        let maker = Counting { snapshot: &changed, made: Cell::default() };
        scrape(&kept, &maker);
        assert_eq!(maker.made.get(), (1, 1));
        kept.forget_own();
        assert_eq!(find(&changed), None);
    }

    #[test]
    fn only_forms_that_are_asked_for_are_prepared() {
        let (kept, before, after) = (Kept::default(), Arc::default(), Arc::default());
        let maker = Counting { snapshot: &before, made: Cell::default() };
        let prepare = |maker: &Counting<'_>| kept.prepare(Encoding::Text, maker.snapshot, Millis(0), maker);
        prepare(&maker);
        assert_eq!(maker.made.get(), (0, 0), "nobody has asked");
        scrape(&kept, &maker);
        let maker = Counting { snapshot: &after, made: Cell::default() };
        prepare(&maker);
        scrape(&kept, &maker);
        assert_eq!(maker.made.get(), (1, 1), "made before the scrape, and once");
        let shelf = &kept.0[Encoding::Text as usize];
        let polled = shelf.polled.lock().clone();
        assert_eq!(polled.map(|polled| polled.is_true(&after, Millis(0))), Some(true));
    }
}
