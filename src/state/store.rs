//! The durable state: one file in a folder that one process owns.
//!
//! **Exactness.** Everything of a poll — counters, durations and the changes to the known invitations — is in one
//! transaction, so the file always holds some poll's outcome whole, and what a crash loses is found again by
//! comparing the next poll with it.
//!
//! **Group commit.** A commit costs two `fsync`, and thousands of organizations may be polled per minute. A
//! caller queues what it has to write and waits for the disk; whoever gets the disk first writes everything that
//! is queued by then in one transaction, and the others find theirs done. No thread of its own, no queue
//! that outlives a caller.
//!
//! **Trouble.** A file that this version can't read is moved aside, never deleted, and a fresh one is begun. A
//! disk that refuses is left alone for a few seconds at a time; the caller keeps what was not written and puts
//! it again in full.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use invitations::lifecycle::Tally;
use invitations::{IdentityKey, Millis};
use parking_lot::Mutex;

mod disk;
mod failure;
mod folder;
mod record;
mod slot;
#[cfg(test)]
mod tests;

use disk::{Disk, Opener};
pub(super) use disk::{Put, Stored};
use failure::Failure;
use folder::Folder;
use record::Row;
use slot::{Attached, Slot};

/// How exactly the file knows when this process was last alive. Milliseconds.
const HEARTBEAT: i64 = 60_000;

/// Why a state folder can't be used at all; anything that may pass is no error.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process owns it.
    #[error("the state folder {} is in use by another process; give each instance its own", .0.display())]
    InUse(PathBuf),
    /// It is not a folder.
    #[error("{} is not a folder; the state needs one", .0.display())]
    NotAFolder(PathBuf),
}

/// What an opened store found.
pub(super) struct Opened {
    pub(super) store: Store,
    /// When the process that wrote it last was last alive; `None` for a fresh state.
    pub(super) alive_at: Option<Millis>,
    pub(super) organizations: Vec<Stored>,
}

/// What one caller wants written.
#[derive(Debug)]
pub(super) struct Write {
    id: Arc<str>,
    row: Row,
    put: Put,
    /// The generation that [`Put::Changed`] is the difference to.
    generation: u64,
    /// The generation that it has been written to; 0 for none.
    written_to: AtomicU64,
}

impl Write {
    pub(super) fn new(
        id: Arc<str>,
        number: u32,
        away_since: Option<Millis>,
        tally: &Tally,
        put: Put,
        generation: u64,
    ) -> Self {
        Self { id, row: Row::new(number, away_since, tally), put, generation, written_to: AtomicU64::new(0) }
    }

    /// Whether the file, of this generation, holds the organization whole once this is written.
    fn fits(&self, generation: u64) -> bool {
        matches!(self.put, Put::All(_)) || self.generation == generation
    }
}

/// A state folder.
#[derive(Debug)]
pub(super) struct Store {
    key: IdentityKey,
    pending: Mutex<Vec<Arc<Write>>>,
    slot: Mutex<Slot>,
    /// Which file it is: goes up when a fresh one is begun, so that each organization is put in full again.
    generation: AtomicU64,
    healthy: AtomicBool,
    was_reset: AtomicBool,
    alive_at: AtomicI64,
}

impl Store {
    /// Takes the folder and reads what is in it.
    pub(super) fn open(path: &Path, now: Millis) -> Result<Opened, OpenError> {
        Self::open_with(path, now, disk::opener())
    }

    fn open_with(path: &Path, now: Millis, opener: Opener) -> Result<Opened, OpenError> {
        let mut folder = Folder::new(path);
        let lock = folder.acquire()?;
        let mut slot = Slot::new(folder, opener);
        let mut store = Self {
            key: IdentityKey::random(),
            pending: Mutex::default(),
            slot: Mutex::new(Slot::new(Folder::new(path), disk::opener())),
            generation: AtomicU64::new(1),
            healthy: AtomicBool::new(true),
            was_reset: AtomicBool::new(false),
            alive_at: AtomicI64::new(now.0),
        };
        let read = match lock {
            Ok(()) => slot.read(&store.key, now),
            Err(error) => Err(Failure::Unavailable(error.to_string())),
        };
        store.was_reset = AtomicBool::new(slot.was_set_aside());
        let state = match read {
            Ok(state) => state,
            Err(Failure::InUse) => return Err(OpenError::InUse(path.to_owned())),
            Err(failure) => {
                store.refuse(&mut slot, &failure, now);
                // What can't be written can perhaps be read: a restart on a full disk then loses nothing.
                Disk::open_copy(&slot.folder.state()).and_then(|copy| copy.load()).ok()
            }
        };
        let (mut alive_at, mut organizations) = (None, Vec::new());
        if let Some(state) = state {
            store.key = state.key;
            alive_at = Some(state.alive_at);
            organizations = state.organizations;
        }
        store.slot = Mutex::new(slot);
        Ok(Opened { store, alive_at, organizations })
    }

    /// The key of this folder's identities.
    pub(super) fn key(&self) -> &IdentityKey {
        &self.key
    }

    /// Which file it is; see [`Write::new`].
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Whether the disk took the last write.
    pub(super) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Whether a file had to be set aside.
    pub(super) fn was_reset(&self) -> bool {
        self.was_reset.load(Ordering::Relaxed)
    }

    /// Whether a write is due although nothing changed.
    pub(super) fn is_due(&self, now: Millis) -> bool {
        !self.is_healthy() || now.since(Millis(self.alive_at.load(Ordering::Relaxed))).saturating_abs() >= HEARTBEAT
    }

    /// Writes, together with what others queued, and returns the generation that each of `writes` is in now, 0
    /// where it is in none. Removals that the disk refuses are kept for the next time. Blocks.
    pub(super) fn commit(&self, writes: Vec<Write>, removals: Vec<(Arc<str>, u32)>, now: Millis) -> Vec<u64> {
        let writes: Vec<_> = writes.into_iter().map(Arc::new).collect();
        self.pending.lock().extend(writes.iter().cloned());
        let mut slot = self.slot.lock();
        slot.removals.extend(removals);
        let batch = std::mem::take(&mut *self.pending.lock());
        // Empty when an earlier holder of the disk took ours along.
        if !batch.is_empty() || writes.is_empty() || !slot.removals.is_empty() {
            match self.write(&mut slot, &batch, now) {
                Ok(()) => self.recover(&mut slot, now),
                Err(failure) => self.refuse(&mut slot, &failure, now),
            }
        }
        writes.iter().map(|write| write.written_to.load(Ordering::Relaxed)).collect()
    }

    /// Lets go of the file and the folder; later writes are refused.
    pub(super) fn close(&self) {
        let mut slot = self.slot.lock();
        slot.close();
    }

    fn write(&self, slot: &mut Slot, batch: &[Arc<Write>], now: Millis) -> Result<(), Failure> {
        let found = slot.attach(&self.key, now);
        self.was_reset.fetch_or(slot.was_set_aside(), Ordering::Relaxed);
        if found? == Attached::Begun {
            self.generation.fetch_add(1, Ordering::Relaxed);
        }
        let generation = self.generation();
        let fitting = || batch.iter().filter(|write| write.fits(generation));
        slot.commit(fitting().map(|write| (&*write.id, &write.row, &write.put)), now)?;
        for write in fitting() {
            write.written_to.store(generation, Ordering::Relaxed);
        }
        Ok(())
    }

    fn recover(&self, slot: &mut Slot, now: Millis) {
        slot.refused_at = None;
        self.alive_at.store(now.0, Ordering::Relaxed);
        if !self.healthy.swap(true, Ordering::Relaxed) {
            tracing::info!("the state folder takes what is written again");
        }
    }

    /// Takes note that nothing was written. After an error redb wants its file opened anew.
    fn refuse(&self, slot: &mut Slot, failure: &Failure, now: Millis) {
        slot.detach();
        if !slot.is_left_alone(now) {
            slot.refused_at = Some(now);
        }
        if self.healthy.swap(false, Ordering::Relaxed) {
            tracing::error!(
                error = %failure, file = %slot.folder.state().display(),
                "the state folder does not take what is written; lifecycle counters go on in memory alone"
            );
        }
    }
}
