//! The place of the state file: open, or waiting for the disk to come back.

use std::sync::Arc;

use invitations::{IdentityKey, Millis};

use super::disk::{Disk, Opener, Put, State};
use super::failure::{Failure, guard};
use super::folder::Folder;
use super::record::Row;

/// How long a disk that refused is left alone: opening the file checks it whole. Milliseconds.
const RETRY_PAUSE: i64 = 5_000;

/// The place of the state file.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) folder: Folder,
    opener: Opener,
    disk: Option<Disk>,
    /// When the disk was last asked in vain.
    pub(super) refused_at: Option<Millis>,
    /// Dropped organizations, by id and number, that the file still has.
    pub(super) removals: Vec<(Arc<str>, u32)>,
    was_set_aside: bool,
    closed: bool,
}

/// Which file is open now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attached {
    /// The one that was there.
    Same,
    /// A fresh one.
    Begun,
}

impl Slot {
    pub(super) fn new(folder: Folder, opener: Opener) -> Self {
        Self { folder, opener, disk: None, refused_at: None, removals: Vec::new(), was_set_aside: false, closed: false }
    }

    /// Whether a file was set aside so far.
    pub(super) fn was_set_aside(&self) -> bool {
        self.was_set_aside
    }

    /// Whether the disk refused so lately that it is not asked again yet.
    pub(super) fn is_left_alone(&self, now: Millis) -> bool {
        self.refused_at.is_some_and(|at| (0..RETRY_PAUSE).contains(&now.since(at)))
    }

    /// Opens the file and reads it whole; begins one with `key` where there is none that is usable.
    pub(super) fn read(&mut self, key: &IdentityKey, now: Millis) -> Result<Option<State>, Failure> {
        let state = self.try_file(Disk::load)?;
        if state.is_none() {
            self.begin(key, now)?;
        }
        Ok(state)
    }

    /// Makes sure that a file with this key is open. One with another key, whose identities mean nothing to this
    /// process, is set aside.
    pub(super) fn attach(&mut self, key: &IdentityKey, now: Millis) -> Result<Attached, Failure> {
        if self.closed {
            return Err(Failure::Unavailable("the state is closed".to_owned()));
        }
        if self.disk.is_some() {
            return Ok(Attached::Same);
        }
        if self.is_left_alone(now) {
            return Err(Failure::Unavailable("the disk is left alone for a moment".to_owned()));
        }
        self.folder.acquire().map_err(|_| Failure::InUse)??;
        let same_key = |disk: &Disk| match disk.key()? {
            found if found == *key => Ok(()),
            _ => Err(Failure::unusable("another process began it")),
        };
        if self.try_file(same_key)?.is_some() {
            return Ok(Attached::Same);
        }
        self.begin(key, now)?;
        Ok(Attached::Begun)
    }

    /// Opens the file if there is one and asks it something; sets it aside if it is not usable.
    fn try_file<T>(&mut self, ask: impl FnOnce(&Disk) -> Result<T, Failure>) -> Result<Option<T>, Failure> {
        let path = self.folder.state();
        if !path.try_exists()? {
            return Ok(None);
        }
        let asked = Disk::open(&path, &self.opener).and_then(|disk| match ask(&disk) {
            Ok(answer) => Ok((answer, disk)),
            Err(failure) => {
                close(disk);
                Err(failure)
            }
        });
        match asked {
            Ok((answer, disk)) => {
                self.disk = Some(disk);
                Ok(Some(answer))
            }
            Err(Failure::Unusable(reason)) => {
                let aside = self.folder.set_aside()?;
                self.was_set_aside = true;
                tracing::error!(
                    file = %path.display(), set_aside = %aside.display(), reason,
                    "the stored state is not usable and was set aside; lifecycle counters that only it had start anew"
                );
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Begins a fresh file.
    fn begin(&mut self, key: &IdentityKey, now: Millis) -> Result<(), Failure> {
        // Left behind by a crash before it became the state.
        match std::fs::remove_file(self.folder.new_state()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let disk = Disk::create(&self.folder.new_state(), &self.opener, key, now)?;
        self.folder.install()?;
        self.disk = Some(disk);
        self.removals.clear();
        Ok(())
    }

    /// Writes everything, and the removals that are still due, or nothing.
    pub(super) fn commit<'a>(
        &mut self,
        puts: impl Iterator<Item = (&'a str, &'a Row, &'a Put)>,
        now: Millis,
    ) -> Result<(), Failure> {
        let disk = self.disk.as_ref().ok_or_else(|| Failure::Unavailable("no file is open".to_owned()))?;
        disk.commit(&self.removals, puts, now)?;
        self.removals.clear();
        Ok(())
    }

    /// Closes the file, if one is open.
    pub(super) fn detach(&mut self) {
        if let Some(disk) = self.disk.take() {
            close(disk);
        }
    }

    /// Closes the file for good and gives the folder up.
    pub(super) fn close(&mut self) {
        self.detach();
        self.closed = true;
        self.folder.release();
    }
}

/// Closing writes, too, so it may fail or panic; the file is then as good as after a crash.
fn close(disk: Disk) {
    let closed = guard(|| {
        drop(disk);
        Ok(())
    });
    if closed.is_err() {
        tracing::debug!("closing the state file failed");
    }
}
