//! The cache of scrapes: each is kept while it is true.
//!
//! Between two polls nothing about the invitations changes, so what comes from
//! polls is made once for each form that is asked for. The exporter's own
//! metrics change all the time, and a scrape now and then shows them as they
//! are; in a flood of scrapes they are allowed to be a moment old, so that a
//! crowd of scrapers costs no more than a few.

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use exporter_toolkit::exposition::{self, Compressor, Encoding, Part};
use parking_lot::{Mutex, MutexGuard};

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
pub(crate) const FORGOTTEN_LATE: Duration = Duration::from_secs(30);

/// Of more organizations than this, a scrape may show what was known [`RECENT`]ly: between two scrapes so many polls end
/// that each of them would else make a good part of its bytes anew.
const MANY: usize = 1000;
/// How long ago that may be. What is prepared meanwhile is never as old as this.
const RECENT: Duration = Duration::from_secs(2);

/// Gives what is known now. Of many organizations that takes a look at each of them, wherever in memory it is, after each poll.
type Snapshots<'s> = &'s dyn Fn() -> Arc<Snapshot>;

/// The newest scrape of each form: format and coding.
#[derive(Debug, Default)]
pub(super) struct ScrapeCache([[Form; 2]; Encoding::ALL.len()]);

/// What is kept in one form.
///
/// **Who waits for whom?** Who makes pieces anew holds them meanwhile; a scrape waits for that only where it has to show
/// what is made. The finished ones are held for moments, and while one scrape writes the exporter's own part for all that
/// come with it. Who holds both took the pieces first.
#[derive(Debug, Default)]
struct Form {
    pieces: Mutex<Option<Pieces>>,
    finished: Mutex<Finished>,
}

#[derive(Debug, Default)]
struct Finished {
    polled: Option<Polled>,
    /// The newest scrape, and when it was made.
    newest: Option<(Instant, exposition::Body)>,
    /// Since when scrapes are counted, and how many were made since then.
    window: Option<(Instant, u32)>,
    /// When it was asked for last.
    asked: Option<Steady>,
    /// What was known before this is not recent, whatever the time.
    changed: Option<Instant>,
}

/// What comes from polls.
#[derive(Debug)]
struct Polled {
    /// Keeps the snapshot alive, so that its address cannot stand for another one.
    snapshot: Arc<Snapshot>,
    /// When that was taken.
    taken: Instant,
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

impl Finished {
    /// What comes from polls, as a scrape at `now` may show it.
    fn polled(&self, snapshots: Snapshots<'_>, now: Steady) -> Option<&Polled> {
        let is_recent = |polled: &Polled| {
            polled.snapshot.organizations.len() > MANY
                && polled.valid.contains(&now)
                && polled.taken.elapsed() < RECENT
                && self.changed.is_none_or(|changed| changed < polled.taken)
        };
        self.polled.as_ref().filter(|polled| is_recent(polled) || polled.is_true(&snapshots(), now))
    }

    /// The newest scrape, if nobody would notice that it is not made anew.
    fn at_hand(&self, snapshots: Snapshots<'_>, now: Steady) -> Option<exposition::Body> {
        let (made, body) = self.newest.as_ref()?;
        let is_flood = self.window.is_some_and(|(begin, count)| count > FLOOD && begin.elapsed() < WINDOW);
        (is_flood && made.elapsed() < OWN_MAX_AGE && self.polled(snapshots, now).is_some()).then(|| body.clone())
    }

    /// A scrape whose own part `own` gives, if it need not wait for what comes from polls.
    fn scrape(
        &mut self,
        snapshots: Snapshots<'_>,
        now: Steady,
        own: impl Fn(&Snapshot) -> Vec<u8>,
    ) -> Option<exposition::Body> {
        if let Some(body) = self.at_hand(snapshots, now) {
            return Some(body);
        }
        let made = Instant::now();
        let Polled { snapshot, body, .. } = self.polled(snapshots, now)?;
        let own = own(snapshot);
        let body: exposition::Body = match body {
            FromPolls::Plain(parts) => parts.iter().cloned().chain([Part::Made(own.into())]).collect(),
            FromPolls::Compressed(member) => member.end(&Compressor::default().piece([&*own])).into_iter().collect(),
        };
        self.newest = Some((made, body.clone()));
        self.window = match self.window {
            Some((begin, count)) if made.duration_since(begin) < WINDOW => Some((begin, count + 1)),
            _ => Some((made, 1)),
        };
        Some(body)
    }

    /// Whether somebody may ask for it again.
    fn is_wanted(&self, now: Steady) -> bool {
        self.asked.is_some_and(|asked| now.since(asked) < WANTED_FOR)
    }
}

impl Form {
    /// Makes what comes from polls anew where something has changed; returns it, and of which snapshot it is. Snapshots
    /// are taken by those who hold the pieces, so that none of them goes back to an earlier one.
    fn make(
        &self,
        encoding: Encoding,
        gzip: bool,
        snapshots: Snapshots<'_>,
        now: Steady,
    ) -> (MutexGuard<'_, Finished>, Arc<Snapshot>) {
        let mut pieces = self.pieces.lock();
        let (taken, snapshot) = (Instant::now(), snapshots());
        {
            let mut finished = self.finished.lock();
            if finished.polled.as_ref().is_some_and(|polled| polled.is_true(&snapshot, now)) {
                return (finished, snapshot);
            }
            if finished.polled(&|| Arc::clone(&snapshot), now).is_none() {
                // Nobody may show it any more: its memory is free for what takes its place.
                (finished.polled, finished.newest) = (None, None);
            }
        }
        let until = snapshot.organizations.iter().filter_map(|entry| entry.goes_stale_at(now)).min();
        let body = pieces.get_or_insert_with(|| Pieces::new(encoding, gzip)).refresh(&snapshot, now);
        let valid = now..until.unwrap_or(Steady(i64::MAX));
        let mut finished = self.finished.lock();
        finished.polled = Some(Polled { snapshot: Arc::clone(&snapshot), taken, valid, body });
        (finished, snapshot)
    }
}

impl ScrapeCache {
    fn form(&self, encoding: Encoding, gzip: bool) -> &Form {
        &self.0[encoding as usize][usize::from(gzip)]
    }

    /// A scrape that needs no work, if there is one. Waits for nobody.
    pub(super) fn find(
        &self,
        encoding: Encoding,
        gzip: bool,
        snapshots: Snapshots<'_>,
        now: Steady,
    ) -> Option<exposition::Body> {
        self.form(encoding, gzip).finished.try_lock()?.at_hand(snapshots, now)
    }

    /// A scrape, made of what is kept as far as possible; `own` gives the exporter's own part. Of several callers at
    /// once one does the work.
    pub(super) fn find_or_make(
        &self,
        encoding: Encoding,
        gzip: bool,
        snapshots: Snapshots<'_>,
        now: Steady,
        own: impl Fn(&Snapshot) -> Vec<u8>,
    ) -> exposition::Body {
        let form = self.form(encoding, gzip);
        let found = {
            let mut finished = form.finished.lock();
            // Before it is made: who prepares meanwhile would forget it.
            finished.asked = Some(now);
            finished.scrape(snapshots, now, &own)
        };
        found.unwrap_or_else(|| {
            let (mut finished, snapshot) = form.make(encoding, gzip, snapshots, now);
            finished.scrape(&|| Arc::clone(&snapshot), now, &own).unwrap_or_default()
        })
    }

    /// Makes what comes from polls anew in the forms that were asked for lately, and forgets the others.
    pub(super) fn prepare(&self, snapshots: Snapshots<'_>, now: Steady) {
        for encoding in Encoding::ALL {
            for gzip in [false, true] {
                let form = self.form(encoding, gzip);
                let (mut pieces, mut finished) = (form.pieces.lock(), form.finished.lock());
                if finished.is_wanted(now) {
                    drop((pieces, finished));
                    drop(form.make(encoding, gzip, snapshots, now));
                } else {
                    (*pieces, *finished) = (None, Finished::default());
                }
            }
        }
    }

    /// Forgets the exporter's own metrics: what happened must show at once, and so must everything else.
    pub(super) fn forget_own(&self) {
        for form in self.0.iter().flatten() {
            let mut finished = form.finished.lock();
            (finished.newest, finished.changed) = (None, Some(Instant::now()));
        }
    }
}
