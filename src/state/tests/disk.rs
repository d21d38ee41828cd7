//! A disk that does what a test tells it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use redb::backends::FileBackend;
use redb::{Database, StorageBackend};

use super::super::store::{Files, builder};
use super::super::write_queue::Patience;
use super::{Lifecycle, at, start};

/// What the disk does wrong at the moment.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Takes nothing.
    pub(super) full: AtomicBool,
    /// Opens nothing.
    pub(super) locked: AtomicBool,
    pub(super) opened: AtomicU32,
    hangs: Mutex<bool>,
    moved: Condvar,
    held_up: AtomicBool,
}

impl Faults {
    /// Nothing returns any more, or everything again.
    pub(super) fn hang(&self, hangs: bool) {
        *self.hangs.lock() = hangs;
        self.held_up.store(false, Ordering::Relaxed);
        self.moved.notify_all();
    }

    /// Returns once somebody waits for the disk that hangs.
    pub(super) fn until_held_up(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.held_up.load(Ordering::Relaxed) {
            assert!(Instant::now() < deadline, "nobody got to the disk");
            std::thread::yield_now();
        }
    }

    /// No fault any more.
    pub(super) fn mend(&self) {
        self.full.store(false, Ordering::Relaxed);
        self.locked.store(false, Ordering::Relaxed);
        self.hang(false);
    }

    fn wait(&self) {
        let mut hangs = self.hangs.lock();
        while *hangs {
            self.held_up.store(true, Ordering::Relaxed);
            self.moved.wait(&mut hangs);
        }
    }

    fn refuse(&self) -> io::Result<()> {
        self.wait();
        if self.full.load(Ordering::Relaxed) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

#[derive(Debug)]
struct FaultyFile(FileBackend, Arc<Faults>);

impl StorageBackend for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.1.wait();
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.1.refuse()?;
        self.0.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.1.refuse()?;
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.1.refuse()?;
        self.0.write(offset, data)
    }
}

struct FaultyFiles(Arc<Faults>);

impl FaultyFiles {
    fn check(&self) -> io::Result<()> {
        self.0.opened.fetch_add(1, Ordering::Relaxed);
        self.0.wait();
        if self.0.locked.load(Ordering::Relaxed) { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
    }
}

impl Files for FaultyFiles {
    fn open(&self, path: &Path) -> Result<Database, redb::DatabaseError> {
        self.check()?;
        let file = std::fs::File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        builder().create_with_backend(FaultyFile(FileBackend::new(file)?, self.0.clone()))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.check()?;
        std::fs::read(path)
    }
}

/// Waits for a good disk as long as it takes, and asks a bad one again at once.
pub(super) const CALM: Patience = Patience {
    start: Duration::from_secs(20),
    answer: Duration::from_secs(20),
    retry: Duration::from_millis(5),
    end: Duration::from_secs(20),
};

/// Gives up soon.
pub(super) const HASTY: Patience =
    Patience { start: Duration::from_millis(30), answer: Duration::from_millis(30), ..CALM };

pub(super) fn open(path: &Path, faults: &Arc<Faults>, patience: Patience) -> Lifecycle {
    Lifecycle::open_with(path, at(0), Box::new(FaultyFiles(faults.clone())), patience).unwrap()
}

/// The names of the files in a folder.
pub(super) fn names(path: &Path) -> Vec<String> {
    let name = |entry: io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<_> = std::fs::read_dir(path).unwrap().map(name).collect();
    names.sort();
    names
}

/// What is on disk, whoever has it open: a copy of the folder.
pub(super) fn copy(path: &Path) -> (tempfile::TempDir, Lifecycle) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(path.join("state.redb"), dir.path().join("state.redb")).unwrap();
    let lifecycle = start(dir.path(), at(0)).unwrap();
    (dir, lifecycle)
}

/// Puts one folder in the place of another, as a mount does, and says where that one is now.
pub(super) fn mount(over: &Path, folder: &Path) -> PathBuf {
    let hidden = over.with_extension("hidden");
    std::fs::rename(over, &hidden).unwrap();
    std::fs::rename(folder, over).unwrap();
    hidden
}
