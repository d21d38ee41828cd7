//! The state folder: who owns it, and where things are in it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::OpenError;

const STATE: &str = "state.redb";
const NEW: &str = "state.redb.new";
const LOCK: &str = "lock";

/// A state folder, and the lock on it once it is ours.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    lock: Option<File>,
}

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), lock: None }
    }

    /// The file with the state.
    pub(super) fn state(&self) -> PathBuf {
        self.path.join(STATE)
    }

    /// Where a file is prepared before it becomes the state, so that no crash leaves half a file there.
    pub(super) fn new_state(&self) -> PathBuf {
        self.path.join(NEW)
    }

    /// Creates the folder and takes the lock, if it is not ours yet. The lock ends with the process, however
    /// that ends.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when it can never work; the inner error when the disk doesn't take it at the moment.
    pub(super) fn acquire(&mut self) -> Result<io::Result<()>, OpenError> {
        if self.lock.is_some() {
            return Ok(Ok(()));
        }
        if self.path.exists() && !self.path.is_dir() {
            return Err(OpenError::NotAFolder(self.path.clone()));
        }
        let open = || {
            fs::create_dir_all(&self.path)?;
            // Kept apart from the state, which may be set aside while the lock is held.
            File::options().create(true).truncate(false).write(true).open(self.path.join(LOCK))
        };
        let file = match open() {
            Ok(file) => file,
            Err(error) => return Ok(Err(error)),
        };
        match file.try_lock() {
            Ok(()) => {
                self.lock = Some(file);
                Ok(Ok(()))
            }
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(self.path.clone())),
            Err(TryLockError::Error(error)) => Ok(Err(error)),
        }
    }

    /// Gives the folder to whoever wants it next.
    pub(super) fn release(&mut self) {
        self.lock = None;
    }

    /// Moves the state to the first free name beside it and says where it is now.
    pub(super) fn set_aside(&self) -> io::Result<PathBuf> {
        let mut number = 1u32;
        let aside = loop {
            let aside = self.path.join(format!("{STATE}.set-aside-{number}"));
            if fs::symlink_metadata(&aside).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
                break aside;
            }
            number = number.checked_add(1).ok_or(io::ErrorKind::StorageFull)?;
        };
        fs::rename(self.state(), &aside)?;
        self.sync()?;
        Ok(aside)
    }

    /// Makes the prepared file the state.
    pub(super) fn install(&self) -> io::Result<()> {
        fs::rename(self.new_state(), self.state())?;
        self.sync()
    }

    /// Makes renames durable.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}
