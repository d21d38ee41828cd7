use std::fs;
use std::io;
use std::sync::atomic::AtomicU32;

use invitations::{Sighting, Status};
use redb::StorageBackend;
use redb::backends::FileBackend;

use super::disk::Opener;
use super::*;
use crate::state::Lifecycle;

mod damage;
mod faults;

/// What the disk does wrong at the moment.
#[derive(Debug, Default)]
struct Faults {
    full: AtomicBool,
    opened: AtomicU32,
    /// Locked by a test to hold up each `fsync`.
    slow: Mutex<()>,
    held_up: AtomicBool,
}

#[derive(Debug)]
struct FaultyFile(FileBackend, Arc<Faults>);

impl FaultyFile {
    fn refuse(&self) -> io::Result<()> {
        if self.1.full.load(Ordering::Relaxed) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl StorageBackend for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.refuse()?;
        self.0.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.refuse()?;
        self.1.held_up.store(self.1.slow.is_locked(), Ordering::Relaxed);
        drop(self.1.slow.lock());
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.refuse()?;
        self.0.write(offset, data)
    }
}

fn open_faulty(path: &Path, faults: &Arc<Faults>) -> Lifecycle {
    let faults = faults.clone();
    let opener = Opener(Arc::new(move |path| {
        faults.opened.fetch_add(1, Ordering::Relaxed);
        let file = fs::File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        disk::builder().create_with_backend(FaultyFile(FileBackend::new(file)?, faults.clone()))
    }));
    Lifecycle::restore(Store::open_with(path, Millis(0), opener).unwrap())
}

/// Observes `generated` invitations and returns how many were counted as generated.
fn observe(lifecycle: &Lifecycle, id: &str, generated: u32, now: i64) -> u64 {
    let key = lifecycle.identity_key();
    let list = (0..generated).map(|n| {
        let identity = key.identify(Some(&format!("canary-link-{n}")), "canary-name", None);
        Sighting::new(identity, Status::Available, None, None)
    });
    lifecycle.observe(id, list.collect(), Millis(now)).events[0]
}

fn generated(lifecycle: &Lifecycle, id: &str) -> Option<u64> {
    lifecycle.tally(id).map(|tally| tally.events[0])
}

/// A folder with a state of two organizations in it.
fn populated() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let lifecycle = Lifecycle::open(dir.path(), Millis(0)).unwrap();
    for id in ["a", "b"] {
        observe(&lifecycle, id, 0, 0);
        observe(&lifecycle, id, 300, 0);
    }
    lifecycle.close(Millis(0));
    dir
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_folder_has_one_owner_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let first = Lifecycle::open(dir.path(), Millis(0)).unwrap();
    let error = Lifecycle::open(dir.path(), Millis(0)).unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)), "{error:?}");
    assert!(error.to_string().contains("in use by another process"), "{error}");
    first.close(Millis(0));
    Lifecycle::open(dir.path(), Millis(0)).unwrap();
}

#[test]
fn a_file_in_place_of_the_folder_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Lifecycle::open(file.path(), Millis(0)).unwrap_err();
    assert!(matches!(error, OpenError::NotAFolder(_)), "{error:?}");
}

#[test]
fn the_folder_is_created_and_the_key_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("not/there/yet");
    let key = Lifecycle::open(&path, Millis(0)).unwrap().identity_key().clone();
    assert_eq!(*Lifecycle::open(&path, Millis(0)).unwrap().identity_key(), key);
    assert_eq!(names(&path), ["lock", "state.redb"]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path.join("state.redb")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "the key is nobody else's business");
}

#[test]
fn nothing_of_a_person_is_in_the_file() {
    let dir = populated();
    let bytes = fs::read(dir.path().join("state.redb")).unwrap();
    assert!(bytes.windows(8).any(|window| window == b"alive_at"), "the search finds what is there");
    assert!(!bytes.windows(6).any(|window| window == b"canary"));
}

#[test]
fn the_removal_of_an_organization_spares_the_one_that_took_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Millis(0)).unwrap().store;
    let id: Arc<str> = "a".into();
    let tally = Tally { events: [1, 2, 3, 4, 5], ..Default::default() };
    let write = Write::new(id.clone(), 2, None, &tally, Put::All(Vec::new()), store.generation());
    assert_eq!(store.commit(vec![write], Vec::new(), Millis(0)), [store.generation()]);
    store.commit(Vec::new(), vec![(id.clone(), 1)], Millis(0));
    drop(store);
    let stored = Store::open(dir.path(), Millis(0)).unwrap().organizations;
    assert_eq!(stored.iter().map(|stored| stored.ledger.tally()).collect::<Vec<_>>(), [&tally]);

    let store = Store::open(dir.path(), Millis(0)).unwrap().store;
    store.commit(Vec::new(), vec![(id, 2)], Millis(0));
    drop(store);
    assert!(Store::open(dir.path(), Millis(0)).unwrap().organizations.is_empty());
}
