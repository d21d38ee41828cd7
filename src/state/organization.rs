//! One organization: its ledger, what of it can be seen, and whether the disk has it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use invitations::lifecycle::{Changes, Ledger, Tally};
use invitations::{Millis, Sighting};
use parking_lot::{Mutex, MutexGuard};

use super::MAX_AWAY;
use super::store::{Put, Store, Stored, Write};

/// One organization.
pub(super) struct Organization {
    id: Arc<str>,
    number: u32,
    /// Held while its poll is written: polls of one organization are taken one after the other.
    state: Mutex<State>,
    /// What can be seen: its own lock, because a scrape must not wait for a disk.
    published: Mutex<Option<Arc<Tally>>>,
    /// The store's generation that holds the published tally; 0 for none.
    stored_in: AtomicU64,
}

pub(super) struct State {
    ledger: Ledger,
    away_since: Option<Millis>,
    dropped: bool,
}

/// What became of an organization at a reload.
pub(super) enum Kept<'a> {
    Unchanged,
    /// What to write, and the lock that has to be held until it is written: a poll in between would be undone.
    Changed(Box<Write>, MutexGuard<'a, State>),
    Dropped,
}

impl Organization {
    pub(super) fn new(id: Arc<str>, number: u32) -> Self {
        let state = State { ledger: Ledger::default(), away_since: None, dropped: false };
        Self { id, number, state: Mutex::new(state), published: Mutex::new(None), stored_in: AtomicU64::new(0) }
    }

    pub(super) fn restore(stored: Stored, generation: u64) -> Self {
        let Stored { id, number, away_since, ledger } = stored;
        Self {
            published: Mutex::new(Some(Arc::new(ledger.tally().clone()))),
            state: Mutex::new(State { ledger, away_since, dropped: false }),
            stored_in: AtomicU64::new(generation),
            ..Self::new(id.into(), number)
        }
    }

    pub(super) fn id(&self) -> Arc<str> {
        self.id.clone()
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    pub(super) fn tally(&self) -> Option<Arc<Tally>> {
        self.published.lock().clone()
    }

    /// Takes a list out of `sightings`, unless this has been dropped.
    pub(super) fn observe(
        &self,
        sightings: &mut Option<Vec<Sighting>>,
        store: Option<&Store>,
        now: Millis,
    ) -> Option<Arc<Tally>> {
        let mut state = self.state.lock();
        if state.dropped {
            return None;
        }
        let changes = state.ledger.observe(sightings.take()?);
        let is_news = !changes.is_empty();
        if let Some(store) = store {
            if is_news || self.lacks(store) {
                self.write(&state, Some(changes), store, now);
            } else if store.is_due(now) {
                store.commit(Vec::new(), Vec::new(), now);
            }
        }
        let mut published = self.published.lock();
        match &*published {
            Some(tally) if !is_news => Some(tally.clone()),
            _ => Some(published.insert(Arc::new(state.ledger.tally().clone())).clone()),
        }
    }

    /// Notes whether the configuration has it: away since `gone_since` if that is news.
    pub(super) fn keep(&self, is_kept: bool, gone_since: Millis, now: Millis, store: Option<&Store>) -> Kept<'_> {
        let mut state = self.state.lock();
        let was_away = state.away_since;
        let away_since = was_away.or((!is_kept).then_some(gone_since));
        if away_since.is_some_and(|since| now.since(since) > MAX_AWAY) {
            state.dropped = true;
            return Kept::Dropped;
        }
        state.away_since = if is_kept { None } else { away_since };
        if state.away_since == was_away {
            return Kept::Unchanged;
        }
        match store.filter(|_| state.ledger.is_baselined()) {
            Some(store) => Kept::Changed(Box::new(self.to_write(&state, None, store)), state),
            None => Kept::Unchanged,
        }
    }

    /// Whether something can be seen that the disk does not have.
    pub(super) fn is_behind(&self, store: &Store) -> bool {
        self.published.lock().is_some() && self.lacks(store)
    }

    /// Notes the store's generation that holds it whole; 0 for none.
    pub(super) fn mark_stored(&self, generation: u64) {
        self.stored_in.store(generation, Ordering::Relaxed);
    }

    /// Puts everything again and returns whether the disk took it.
    pub(super) fn put_again(&self, store: &Store, now: Millis) -> bool {
        let state = self.state.lock();
        // Another caller may have been faster, or it was dropped meanwhile.
        if state.dropped || !self.lacks(store) {
            return true;
        }
        self.write(&state, None, store, now);
        !self.lacks(store)
    }

    fn lacks(&self, store: &Store) -> bool {
        self.stored_in.load(Ordering::Relaxed) != store.generation()
    }

    fn write(&self, state: &State, changes: Option<Changes>, store: &Store, now: Millis) {
        let write = self.to_write(state, changes, store);
        let written_to = store.commit(vec![write], Vec::new(), now);
        self.mark_stored(written_to.first().copied().unwrap_or(0));
    }

    /// What to write: the difference where the disk has the rest.
    fn to_write(&self, state: &State, changes: Option<Changes>, store: &Store) -> Write {
        let generation = store.generation();
        let put = match changes {
            _ if self.stored_in.load(Ordering::Relaxed) != generation => Put::All(state.ledger.known().to_vec()),
            Some(changes) if changes.baseline => Put::All(state.ledger.known().to_vec()),
            Some(changes) => Put::Changed(changes.identities),
            None => Put::Row,
        };
        Write::new(self.id(), self.number, state.away_since, state.ledger.tally(), put, generation)
    }
}

impl fmt::Debug for Organization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Organization").field("id", &self.id).field("number", &self.number).finish_non_exhaustive()
    }
}
