//! The state folder: who owns it, and where things are in it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::failure::Failure;

const STATE: &str = "state.redb";
const NEW: &str = "state.redb.new";
const LOCK: &str = "lock";

/// Which file it is, whatever its name: device and number.
pub(super) type Inode = (u64, u64);

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

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Which file is the state now; `None` when there is none. Asked *before* a file is opened: if another one takes its
    /// place in between, the next look finds out.
    pub(super) fn inode(&self) -> io::Result<Option<Inode>> {
        match fs::metadata(self.state()) {
            Ok(metadata) => Ok(Some(inode(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
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
    /// [`Failure::InUse`] and [`Failure::NotAFolder`], or what the disk says against it at the moment.
    pub(super) fn acquire(&mut self) -> Result<(), Failure> {
        if self.lock.is_some() {
            return Ok(());
        }
        if self.path.exists() && !self.path.is_dir() {
            return Err(Failure::NotAFolder);
        }
        self.create()?;
        // Kept apart from the state, which may be set aside while the lock is held.
        let file = File::options().create(true).truncate(false).write(true).open(self.path.join(LOCK))?;
        match file.try_lock() {
            Ok(()) => {
                self.lock = Some(file);
                Ok(())
            }
            Err(TryLockError::WouldBlock) => Err(Failure::InUse),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// Creates the folder and those above it where they are missing, so that no loss of power takes them, with what is in them.
    fn create(&self) -> io::Result<()> {
        let missing = self.path.ancestors().take_while(|folder| !folder.exists()).count();
        fs::create_dir_all(&self.path)?;
        for above in self.path.ancestors().skip(1).take(missing) {
            sync(if above.as_os_str().is_empty() { Path::new(".") } else { above })?;
        }
        Ok(())
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
        sync(&self.path)?;
        Ok(aside)
    }

    /// Makes the prepared file the state, unless there is one: a mount may have appeared since somebody looked. Says
    /// which file it is.
    pub(super) fn install(&self) -> io::Result<Inode> {
        let (new, state) = (self.new_state(), self.state());
        let inode = inode(&fs::metadata(&new)?);
        match renameat_with(CWD, &new, CWD, &state, RenameFlags::NOREPLACE) {
            // Not every file system can do that.
            Err(Errno::INVAL | Errno::NOSYS) => fs::rename(new, state)?,
            renamed => renamed?,
        }
        sync(&self.path)?;
        Ok(inode)
    }
}

/// Makes the names in a folder durable.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn inode(metadata: &fs::Metadata) -> Inode {
    (metadata.dev(), metadata.ino())
}
