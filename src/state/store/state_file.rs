//! The state file in its place: which file is there, and whether it is the one that is known.

use std::path::{Path, PathBuf};

use invitations::{IdentityKey, Millis};

use super::disk::{Disk, Files};
use super::failure::{Failure, guard};
use super::folder::{Folder, Inode};
use super::record::Stamp;
use super::{Content, File, OpenError, Write};

/// The state file: the one that is in its place now.
pub(crate) struct StateFile {
    folder: Folder,
    files: Box<dyn Files>,
    disk: Option<Disk>,
    /// What this process stamps a file with.
    stamp: Stamp,
    /// The file that memory goes on from, as it was found.
    known: Option<(Stamp, Inode)>,
    /// Whether it has been seen what is there, if only that nothing is.
    has_looked: bool,
    file: Option<File>,
    generation: u64,
    resets: u64,
}

/// What was found in the place for the first time.
#[derive(Debug)]
pub(crate) enum Found {
    /// No state.
    Nothing,
    /// A state that memory does not go on from yet.
    State(Content),
}

impl StateFile {
    pub(crate) fn new(path: &Path, files: Box<dyn Files>) -> Self {
        Self {
            folder: Folder::new(path),
            files,
            disk: None,
            stamp: rand::random(),
            known: None,
            has_looked: false,
            file: None,
            generation: 0,
            resets: 0,
        }
    }

    /// The path of the file.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.state()
    }

    /// The file that memory is to be written to, open or not.
    pub(crate) fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// How many files were set aside.
    pub(crate) fn resets(&self) -> u64 {
        self.resets
    }

    /// Makes sure that the file which is in the place now is the one that is open: a mount may have appeared over the
    /// folder, or somebody put another file there. Says what was found, also where it cannot be opened for writing.
    pub(crate) fn attach(&mut self, now: Millis) -> (Option<Found>, Result<(), Failure>) {
        if self.disk.is_some() {
            match self.folder.inode() {
                Ok(inode) if inode == self.known.map(|known| known.1) => return (None, Ok(())),
                Ok(_) => {
                    tracing::warn!(file = %self.path().display(), "another file, or none, is where the state was written to");
                    self.detach();
                    self.folder.release();
                }
                Err(failure) => {
                    self.detach();
                    return (None, Err(failure));
                }
            }
        }
        match self.open(now) {
            // What can't be written can perhaps be read: a restart on a full disk then loses nothing.
            Err(failure @ Failure::Unavailable(_)) if !self.has_looked => (self.peek(), Err(failure)),
            Err(failure) => (None, Err(failure)),
            Ok(found) => (found, Ok(())),
        }
    }

    fn open(&mut self, now: Millis) -> Result<Option<Found>, Failure> {
        self.folder.acquire()?;
        let Some(inode) = self.folder.inode()? else {
            let found = (!self.has_looked).then_some(Found::Nothing);
            // Seen, even if nothing can be begun there.
            return self.begin(now).map(|()| found);
        };
        let opened = Disk::open(&self.path(), &*self.files).and_then(|disk| match self.meet(&disk, inode) {
            Ok(found) => Ok((disk, found)),
            Err(failure) => {
                close(disk);
                Err(failure)
            }
        });
        match opened {
            Ok((disk, found)) => {
                self.disk = Some(disk);
                Ok(found)
            }
            Err(Failure::Unusable(reason)) => {
                let aside = self.folder.set_aside()?;
                self.resets += 1;
                tracing::error!(
                    file = %self.path().display(), set_aside = %aside.display(), reason,
                    "the stored state is not usable and was set aside; lifecycle counters that only it had start anew"
                );
                let found = (!self.has_looked).then_some(Found::Nothing);
                self.begin(now).map(|()| found)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Reads a file unless memory goes on from it already.
    fn meet(&mut self, disk: &Disk, inode: Inode) -> Result<Option<Found>, Failure> {
        let stamp = disk.stamp();
        let is_known = stamp == self.stamp || self.known.is_some_and(|known| known.0 == stamp);
        if is_known && self.known.is_some_and(|known| known.1 == inode) {
            return Ok(None);
        }
        let generation = self.generation + 1;
        let found = if is_known { None } else { Some(Found::State(disk.load(generation)?)) };
        self.go_on_from(disk.key().clone(), stamp, inode);
        Ok(found)
    }

    fn go_on_from(&mut self, key: IdentityKey, stamp: Stamp, inode: Inode) {
        self.generation += 1;
        self.has_looked = true;
        self.known = Some((stamp, inode));
        self.file = Some(File { generation: self.generation, key });
    }

    /// Looks at what cannot be opened for writing.
    fn peek(&mut self) -> Option<Found> {
        match self.folder.inode() {
            Ok(Some(inode)) => {
                let copy = Disk::open_copy(&self.path(), &*self.files).ok()?;
                self.meet(&copy, inode).ok()?
            }
            Ok(None) => {
                self.has_looked = true;
                Some(Found::Nothing)
            }
            Err(_) => None,
        }
    }

    /// Begins a fresh file.
    fn begin(&mut self, now: Millis) -> Result<(), Failure> {
        self.folder.clean()?;
        let key = self.file.as_ref().map_or_else(IdentityKey::random, |file| file.key.clone());
        let disk = Disk::create(&self.folder.new_state(), &*self.files, &key, self.stamp, now)?;
        let inode = self.folder.install()?;
        self.go_on_from(key, self.stamp, inode);
        self.disk = Some(disk);
        Ok(())
    }

    /// Writes everything, or nothing.
    pub(crate) fn commit(&mut self, removals: &[&str], writes: &[Write], now: Millis) -> Result<(), Failure> {
        let disk = self.disk.as_mut().ok_or_else(|| Failure::Unavailable("no file is open".to_owned()))?;
        disk.commit(removals, writes, self.stamp, now)
    }

    /// Closes the file, if one is open. After an error redb wants it opened anew.
    pub(crate) fn detach(&mut self) {
        if let Some(disk) = self.disk.take() {
            close(disk);
        }
    }

    /// Closes the file and gives the folder up.
    pub(crate) fn leave(&mut self) {
        self.detach();
        self.folder.release();
    }

    /// The failure as a reason to use the folder not at all, if it is one.
    pub(crate) fn is_hopeless(&self, failure: &Failure) -> Option<OpenError> {
        match failure {
            Failure::InUse => Some(OpenError::InUse(self.folder.path().to_owned())),
            Failure::NotAFolder => Some(OpenError::NotAFolder(self.folder.path().to_owned())),
            Failure::Unusable(_) | Failure::Unavailable(_) => None,
        }
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
