//! What happens to invitations between polls: counters that survive failed polls, reloads and restarts.
//!
//! The pure part is [`Ledger`](invitations::lifecycle::Ledger): it compares each good poll's list of [`Sighting`]s with the invitations known
//! so far and counts [`Event`](invitations::Event)s. [`Lifecycle`] keeps one ledger per organization and, with a state folder, a
//! durable copy of each.
//!
//! **Commit before publish.** A tally can be seen only once the disk has it, or is known not to take it. So no
//! scrape ever shows a count that a crash takes back, and after a crash at any instant the counters are those of
//! the documented table applied to the polls that were committed.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use invitations::lifecycle::Tally;
use invitations::{IdentityKey, Millis, Sighting};
use parking_lot::{Mutex, RwLock};

mod organization;
mod store;
#[cfg(test)]
mod tests;

pub use store::OpenError;

use organization::{Kept, Organization};
use store::{Opened, Store};

/// How long an organization may stay away from the configuration and continue. Milliseconds.
const MAX_AWAY: i64 = Millis::DAY;

/// The lifecycle counters of all organizations of this instance. Keys are compared exactly: what is
/// the same organization is said by [`OrganizationKey`](crate::config::OrganizationKey).
#[derive(Debug)]
pub struct Lifecycle {
    key: IdentityKey,
    organizations: RwLock<HashMap<Arc<str>, Arc<Organization>>>,
    next_number: AtomicU32,
    /// What is away at the first [`Self::keep`] has been away since the process before this one ended.
    previously_alive: Mutex<Option<Millis>>,
    store: Option<Store>,
    /// Whether something may be in memory alone.
    behind: AtomicBool,
    /// The store's generation that everything has been put to.
    caught_up_with: AtomicU64,
}

impl Lifecycle {
    /// Counters in memory, which a restart loses.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::new(IdentityKey::random(), None)
    }

    /// Counters that continue from the folder `path`, which is created where it is missing. Blocks.
    ///
    /// A disk that refuses, or a file that is not usable, is no error: see [`Self::durable`] and
    /// [`Self::state_was_reset`].
    ///
    /// # Errors
    ///
    /// When the folder can never be used by this process.
    pub fn open(path: &Path, now: Millis) -> Result<Self, OpenError> {
        Store::open(path, now).map(Self::restore)
    }

    fn new(key: IdentityKey, store: Option<Store>) -> Self {
        Self {
            key,
            organizations: RwLock::default(),
            next_number: AtomicU32::new(0),
            previously_alive: Mutex::new(None),
            store,
            behind: AtomicBool::new(false),
            caught_up_with: AtomicU64::new(0),
        }
    }

    fn restore(opened: Opened) -> Self {
        let Opened { store, alive_at, organizations } = opened;
        let next_number = organizations.iter().map(|stored| stored.number.saturating_add(1)).max().unwrap_or(0);
        // A copy that was read beside a refusing disk is not in the file yet, for all we know.
        let generation = if store.is_healthy() { store.generation() } else { 0 };
        let organizations = organizations.into_iter().map(|stored| {
            let organization = Organization::restore(stored, generation);
            (organization.id(), Arc::new(organization))
        });
        let organizations = RwLock::new(organizations.collect());
        let behind = AtomicBool::new(generation == 0);
        Self {
            organizations,
            next_number: AtomicU32::new(next_number),
            previously_alive: Mutex::new(alive_at),
            behind,
            caught_up_with: AtomicU64::new(generation),
            ..Self::new(store.key().clone(), Some(store))
        }
    }

    /// The key that identities have to be made with.
    #[must_use]
    pub fn identity_key(&self) -> &IdentityKey {
        &self.key
    }

    /// Takes a good poll's list and returns the tally after it. Blocks on the disk where there is a state
    /// folder and something changed.
    ///
    /// An organization's first list is its baseline. Lists of one organization are taken one after the other.
    pub fn observe(&self, key: &str, sightings: Vec<Sighting>, now: Millis) -> Arc<Tally> {
        let mut sightings = Some(sightings);
        let tally = loop {
            // Dropped between finding and locking it: it begins anew.
            if let Some(tally) = self.organization(key).observe(&mut sightings, self.store.as_ref(), now) {
                break tally;
            }
        };
        self.catch_up(now);
        tally
    }

    /// The tally to show; `None` until a first list, in this or an earlier process, has been taken.
    #[must_use]
    pub fn tally(&self, key: &str) -> Option<Arc<Tally>> {
        self.organizations.read().get(key)?.tally()
    }

    /// Whether everything is on disk that can be seen; `None` without a state folder.
    #[must_use]
    pub fn durable(&self) -> Option<bool> {
        let store = self.store.as_ref()?;
        Some(store.is_healthy() && !self.behind.load(Ordering::Relaxed))
    }

    /// Whether a stored state was not usable and had to be set aside since the start.
    #[must_use]
    pub fn state_was_reset(&self) -> bool {
        self.store.as_ref().is_some_and(Store::was_reset)
    }

    /// Says which organizations are configured, at the start and at each reload. Those that have been away for
    /// more than a day are dropped, the others continue. Blocks.
    pub fn keep<S: AsRef<str>>(&self, keys: &[S], now: Millis) {
        let kept: HashSet<&str> = keys.iter().map(AsRef::as_ref).collect();
        // Held throughout, so that no two reloads lock organizations in each other's way.
        let mut previously_alive = self.previously_alive.lock();
        let gone_since = previously_alive.take().unwrap_or(now);
        let all = self.all();
        let (mut writes, mut locked, mut removals) = (Vec::new(), Vec::new(), Vec::new());
        for organization in &all {
            match organization.keep(kept.contains(&*organization.id()), gone_since, now, self.store.as_ref()) {
                Kept::Dropped => {
                    self.organizations.write().remove(&*organization.id());
                    removals.push((organization.id(), organization.number()));
                }
                Kept::Changed(write, lock) => {
                    writes.push(*write);
                    locked.push((organization, lock));
                }
                Kept::Unchanged => {}
            }
        }
        let Some(store) = &self.store else { return };
        for (written_to, (organization, _)) in store.commit(writes, removals, now).into_iter().zip(&locked) {
            organization.mark_stored(written_to);
            self.behind.fetch_or(written_to == 0, Ordering::Relaxed);
        }
        drop(locked);
        self.catch_up(now);
    }

    /// Writes what is in memory alone, and that this process was alive at `now`. Blocks. Call it before the end.
    ///
    /// Returns [`Self::durable`] afterwards.
    pub fn flush(&self, now: Millis) -> Option<bool> {
        let store = self.store.as_ref()?;
        store.commit(Vec::new(), Vec::new(), now);
        self.catch_up(now);
        self.durable()
    }

    /// Flushes, then gives the state folder up. What is observed afterwards is in memory alone.
    pub fn close(&self, now: Millis) {
        self.flush(now);
        if let Some(store) = &self.store {
            store.close();
        }
    }

    fn organization(&self, id: &str) -> Arc<Organization> {
        let id: Arc<str> = id.into();
        if let Some(organization) = self.organizations.read().get(&*id) {
            return organization.clone();
        }
        let fresh = || {
            let number = self.next_number.fetch_add(1, Ordering::Relaxed);
            Arc::new(Organization::new(id.clone(), number))
        };
        self.organizations.write().entry(id.clone()).or_insert_with(fresh).clone()
    }

    fn all(&self) -> Vec<Arc<Organization>> {
        self.organizations.read().values().cloned().collect()
    }

    /// Puts what is in memory alone, once the disk takes writes again.
    fn catch_up(&self, now: Millis) {
        let Some(store) = &self.store else { return };
        if !store.is_healthy() {
            self.behind.store(true, Ordering::Relaxed);
            return;
        }
        let generation = store.generation();
        let is_current = self.caught_up_with.swap(generation, Ordering::Relaxed) == generation;
        // Cleared before looking, so that what another thread notes meanwhile is not forgotten.
        if !self.behind.swap(false, Ordering::Relaxed) && is_current {
            return;
        }
        let behind = self.all().into_iter().filter(|organization| organization.is_behind(store));
        if !behind.into_iter().all(|organization| organization.put_again(store, now)) {
            self.behind.store(true, Ordering::Relaxed);
        }
    }
}

const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<Lifecycle>();
};
