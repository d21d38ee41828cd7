//! The state folder: who owns it, and where things are in it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
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
    ///
    /// # Errors
    ///
    /// [`Failure::Unavailable`] also for what is no file: whoever put it there has to take it away, and until then nothing of
    /// it is opened.
    pub(super) fn inode(&self) -> Result<Option<Inode>, Failure> {
        let metadata = match fs::metadata(self.state()) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return if is_link(&self.state()) { Err(unavailable(DANGLING)) } else { Ok(None) };
            }
            Err(error) => return Err(error.into()),
        };
        let kind = metadata.file_type();
        if kind.is_file() {
            Ok(Some(inode(&metadata)))
        } else if kind.is_dir() {
            Err(unavailable("it is a folder, not a file: move it away"))
        } else if kind.is_fifo() {
            Err(unavailable("it is a pipe, not a file: move it away"))
        } else {
            Err(unavailable("it is a device or a socket, not a file: move it away"))
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
        match fs::metadata(&self.path) {
            Ok(metadata) if !metadata.is_dir() => return Err(Failure::NotAFolder),
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_link(&self.path) => {
                return Err(unavailable(format!("{} is no folder: {DANGLING}", self.path.display())));
            }
            _ => {}
        }
        self.create()?;
        // Kept apart from the state, which may be set aside while the lock is held. Opened for reading, too: a pipe, should
        // one be there, would else wait for somebody who reads it.
        let lock = self.path.join(LOCK);
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&lock);
        let file = file.map_err(|error| unavailable(format!("{} cannot be opened: {error}", lock.display())))?;
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

    /// Removes what a crash has left of a file before it became the state.
    pub(super) fn clean(&self) -> Result<(), Failure> {
        let new = self.new_state();
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(unavailable(format!("{} cannot be removed: {error}", new.display())))
            }
            _ => Ok(()),
        }
    }
}

/// Makes the names in a folder durable.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// What is said of a link to nowhere.
const DANGLING: &str = "it is a symbolic link, and nothing is where it leads to: make that, or remove the link";

fn unavailable(reason: impl Into<String>) -> Failure {
    Failure::Unavailable(reason.into())
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

fn inode(metadata: &fs::Metadata) -> Inode {
    (metadata.dev(), metadata.ino())
}
