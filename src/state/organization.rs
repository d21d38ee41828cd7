//! One organization: what this process has seen of it, what earlier ones left, and what of both the disk lacks.

use std::fmt;
use std::sync::Arc;

use invitations::lifecycle::{Change, Ledger, Tally};
use invitations::{Former, Identity, Sighting};
use parking_lot::Mutex;

use super::published::Published;
use super::retention::{self, Retention};
use super::store::{File, Put, Stored, Write};
use crate::clock::{Reading, Steady};

/// One organization.
pub(super) struct OrganizationLifecycle {
    key: Arc<str>,
    /// Held while a list is compared, never while a disk is waited for.
    state: Mutex<State>,
    /// A lock of its own, because a reload must not wait for a long list.
    retention: Mutex<Retention>,
    /// What can be seen. A lock of its own for the same reason: scrapes.
    published: Mutex<Published>,
}

struct State {
    /// What has happened since this process's first list.
    ledger: Ledger,
    /// That list, as long as it may have to be compared with a past that is not known yet.
    first: Option<Vec<Sighting>>,
    past: Past,
    /// What the file of [`Self::stored_in`] lacks, sealed for it.
    unwritten: Vec<Change>,
    /// The file that has all but [`Self::unwritten`], by its generation; 0 for none.
    stored_in: u64,
    /// Goes up with each change of what there is to see.
    version: u64,
}

/// What earlier processes counted.
#[derive(Debug)]
enum Past {
    /// Nobody knows yet: the state has not been read. What is counted waits, unseen: shown from zero on, it would seem
    /// to have jumped by all that the file holds once that is added.
    Unread,
    /// Nothing. It begins with this process's first list, the baseline.
    Nothing,
    /// This, and it waits to be compared with this process's first list.
    Waits(Box<Stored>),
    /// This, the comparison with this process's first list included.
    Known(Tally),
}

/// One good poll's list.
pub(super) struct Seen {
    pub(super) sightings: Vec<Sighting>,
    /// For a state of the first format: see [`Published::former_key`].
    pub(super) former: Option<Vec<Former>>,
}

impl OrganizationLifecycle {
    /// One that nothing is known of. Its past is `unread` as long as the state is.
    pub(super) fn new(key: Arc<str>, is_unread: bool) -> Self {
        let past = if is_unread { Past::Unread } else { Past::Nothing };
        let (ledger, first, unwritten) = (Ledger::default(), None, Vec::new());
        Self {
            key,
            state: Mutex::new(State { ledger, first, past, unwritten, stored_in: 0, version: 0 }),
            retention: Mutex::default(),
            published: Mutex::new(Published { is_unread, ..Published::default() }),
        }
    }

    /// One that a file holds and this process has not met yet.
    pub(super) fn found(key: Arc<str>, retention: Retention) -> Self {
        Self { retention: Mutex::new(retention), ..Self::new(key, true) }
    }

    pub(super) fn key(&self) -> &Arc<str> {
        &self.key
    }

    /// What readers see.
    pub(super) fn published(&self) -> Published {
        self.published.lock().clone()
    }

    /// Takes a good poll's list and returns whether there is anything to write. `file` is the one that is written to,
    /// as far as there is one; without a store nobody will ever ask for the first list again.
    pub(super) fn observe(&self, seen: Seen, file: Option<&File>, has_store: bool) -> bool {
        let Seen { mut sightings, former } = seen;
        let mut state = self.state.lock();
        let is_first = !state.ledger.is_baselined();
        if is_first {
            state.ledger.begin(&mut sightings);
            state.first = Some(sightings);
            state.version += 1;
        } else {
            let changes = state.ledger.observe(sightings);
            if !changes.is_empty() {
                state.version += 1;
                // As long as the past waits, the file is to hold the past alone.
                if !matches!(state.past, Past::Waits(_)) {
                    state.lack(file, changes.identities);
                }
            }
        }
        state.compare_with_past(former.as_deref(), file, is_first);
        if !has_store || matches!(state.past, Past::Known(_)) {
            state.first = None;
        }
        // Also what is on its way to the disk for somebody else is not there yet.
        state.is_lacking(file) || state.version > self.published.lock().version
    }

    /// Learns what the file that was just opened holds of it; `None` for nothing.
    pub(super) fn learn(&self, stored: Option<Box<Stored>>) {
        let mut state = self.state.lock();
        let generation = stored.as_ref().map_or(0, |stored| stored.generation);
        match (stored, &state.past) {
            (None, Past::Unread) => state.past = Past::Nothing,
            (None, _) => {}
            (Some(mut stored), Past::Known(_)) => {
                // The first list is long gone: the file goes on with the newest one, as if all polls in between had failed.
                let newest = state.ledger.sightings().map(|s| s.with_identity(stored.key.seal(s.identity())));
                stored.ledger.observe(newest.collect());
                state.ledger.take_tally();
                state.past = Past::Known(stored.ledger.take_tally());
            }
            (Some(stored), _) => state.past = Past::Waits(stored),
        }
        state.unwritten.clear();
        state.version += 1;
        state.compare_with_past(None, None, false);
        let is_waiting = matches!(state.past, Past::Waits(_));
        state.stored_in = if is_waiting { generation } else { 0 };
        // What the file holds is on disk already; anything else can be seen once it is, too.
        if is_waiting || !state.ledger.is_baselined() {
            let published = state.published();
            drop(state);
            self.set_published(published);
        }
    }

    /// What to write to `file`; `None` when there is nothing that a file could hold.
    pub(super) fn take(&self, file: &File, now: Reading) -> Option<Write> {
        let retention = *self.retention.lock();
        let mut state = self.state.lock();
        let published = state.published();
        let tally = published.tally.clone().filter(|_| !retention.is_dropped())?;
        let changes = std::mem::take(&mut state.unwritten);
        let put = match &state.past {
            _ if state.stored_in == file.generation => Put::Changed(changes),
            Past::Waits(stored) if stored.key == file.key => Put::All(stored.ledger.known().to_vec()),
            // Sealed with a key that this file does not have: it has to wait for a list.
            Past::Waits(_) => return None,
            _ => Put::All(state.ledger.known().iter().map(|known| (file.key.seal(known.0), known.1)).collect()),
        };
        state.stored_in = file.generation;
        Some(Write { id: self.key.clone(), tally, away_since: retention.away_since(now), put, published })
    }

    /// What was written can be seen.
    pub(super) fn written(&self, write: Write) {
        self.set_published(write.published);
    }

    /// What was taken did not get into a file, so everything has to be written again. It can be seen all the same.
    pub(super) fn lost(&self) {
        self.state.lock().lack_all();
        self.publish();
    }

    /// Lets everything be seen that has been counted, whatever the disk has of it.
    pub(super) fn publish(&self) {
        let state = self.state.lock();
        if state.version > self.published.lock().version {
            let published = state.published();
            drop(state);
            self.set_published(published);
        }
    }

    fn set_published(&self, news: Published) {
        let mut published = self.published.lock();
        // The disk may be done with something that has been overtaken.
        if news.version >= published.version {
            *published = news;
        }
    }

    /// Notes whether the configuration has it.
    pub(super) fn keep(&self, is_kept: bool, gone_since: Steady, now: Steady) -> retention::Change {
        self.retention.lock().keep(is_kept, gone_since, now)
    }

    pub(super) fn is_dropped(&self) -> bool {
        self.retention.lock().is_dropped()
    }
}

impl State {
    /// All that has been counted, in this process and before.
    fn published(&self) -> Published {
        let (is_unread, former_key, tally) = match &self.past {
            Past::Unread => (true, None, None),
            Past::Nothing => (false, None, self.ledger.is_baselined().then(|| self.ledger.tally().clone())),
            Past::Waits(stored) => {
                (false, stored.is_former.then(|| stored.key.clone()), Some(stored.ledger.tally().clone()))
            }
            Past::Known(past) => (false, None, Some(past.plus(self.ledger.tally()))),
        };
        Published { version: self.version, is_unread, tally: tally.map(Arc::new), former_key }
    }

    /// Notes what the file lacks from now on: everything, if it is another one than what was noted before is about.
    fn lack(&mut self, file: Option<&File>, changes: Vec<Change>) {
        if let Some(file) = file.filter(|file| file.generation == self.stored_in) {
            let sealed = changes.into_iter().map(|(identity, status)| (file.key.seal(identity), status));
            self.lack_sealed(sealed.collect());
        } else {
            self.lack_all();
        }
    }

    fn lack_sealed(&mut self, changes: Vec<Change>) {
        merge(&mut self.unwritten, changes);
        if self.unwritten.len() > self.ledger.known().len() {
            // It is shorter to write all of it.
            self.lack_all();
        }
    }

    fn lack_all(&mut self) {
        (self.stored_in, self.unwritten) = (0, Vec::new());
    }

    fn is_lacking(&self, file: Option<&File>) -> bool {
        !self.unwritten.is_empty() || file.is_none_or(|file| file.generation != self.stored_in)
    }

    /// Counts what has happened between the end of the past and this process's first list, once both are known.
    ///
    /// Identities are compared as the file holds them, sealed with its key. Those of the first format cannot be made
    /// of what memory holds, so they wait for a list that comes with both. Until then they are not told from those
    /// that are gone: in the one case where a state of the first format is read late, an invitation that has left the
    /// list before such a list comes counts as vanished and generated once too often.
    fn compare_with_past(&mut self, former: Option<&[Former]>, file: Option<&File>, is_first: bool) {
        let Past::Waits(stored) = &mut self.past else { return };
        let Some(mut first) = (if stored.is_former && former.is_none() { None } else { self.first.take() }) else {
            return;
        };
        if let Some(former) = former.filter(|_| stored.is_former) {
            let mut names: Vec<(u64, Identity)> = former
                .iter()
                .filter_map(|one| Some((one.former, stored.key.seal(self.ledger.find(one.current)?))))
                .collect();
            names.sort_unstable();
            stored.ledger.rename(|identity| match names.binary_search_by_key(&identity.prefix(), |name| name.0) {
                Ok(place) => names[place].1,
                Err(_) => identity,
            });
        }
        for sighting in &mut first {
            *sighting = sighting.with_identity(stored.key.seal(sighting.identity()));
        }
        let changes = stored.ledger.observe(first);
        let (is_former, past) = (stored.is_former, stored.ledger.take_tally());
        self.past = Past::Known(past);
        self.version += 1;
        // The file has to be told of the differences alone, if the first list is the newest one.
        if is_first && !is_former && file.is_some_and(|file| file.generation == self.stored_in) {
            self.lack_sealed(changes.identities);
        } else {
            self.lack_all();
        }
    }
}

/// Adds later changes to earlier ones. An identity has one group of entries in each.
fn merge(earlier: &mut Vec<Change>, mut later: Vec<Change>) {
    if !earlier.is_empty() {
        later.sort_unstable_by_key(|change| change.0);
        earlier.retain(|change| later.binary_search_by_key(&change.0, |later| later.0).is_err());
    }
    earlier.append(&mut later);
}

impl fmt::Debug for OrganizationLifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrganizationLifecycle").field("key", &self.key).finish_non_exhaustive()
    }
}
