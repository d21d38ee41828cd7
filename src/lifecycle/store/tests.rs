use std::fs;
use std::io;
use std::sync::atomic::AtomicU32;

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::*;
use crate::census::Status;
use crate::lifecycle::{Lifecycle, Sighting};

/// What the disk does wrong at the moment.
#[derive(Debug, Default)]
struct Faults {
    full: AtomicBool,
    opened: AtomicU32,
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
}

#[test]
fn a_full_disk_is_survived_in_memory_and_made_up_for() {
    let (dir, faults) = (tempfile::tempdir().unwrap(), Arc::new(Faults::default()));
    let lifecycle = open_faulty(dir.path(), &faults);
    for id in ["a", "b", "c"] {
        observe(&lifecycle, id, 0, 0);
    }
    assert_eq!(lifecycle.durable(), Some(true));

    faults.full.store(true, Ordering::Relaxed);
    for id in ["a", "b"] {
        assert_eq!(observe(&lifecycle, id, 3, 10_000), 3);
        assert_eq!(generated(&lifecycle, id), Some(3), "shown although it is not on disk");
    }
    assert_eq!(lifecycle.durable(), Some(false));
    assert_eq!(observe(&lifecycle, "a", 4, 20_000), 4);
    assert_eq!(lifecycle.durable(), Some(false));

    faults.full.store(false, Ordering::Relaxed);
    observe(&lifecycle, "c", 0, 30_000);
    assert_eq!(lifecycle.durable(), Some(true), "an unchanged poll of another organization finds out");
    // No close: what counts is what is on disk now.
    let copy = tempfile::tempdir().unwrap();
    fs::copy(dir.path().join("state.redb"), copy.path().join("state.redb")).unwrap();
    let copy = Lifecycle::open(copy.path(), Millis(30_000)).unwrap();
    assert_eq!(["a", "b", "c"].map(|id| generated(&copy, id)), [Some(4), Some(3), Some(0)]);
    assert!(!copy.state_was_reset());
}

#[test]
fn a_disk_that_refuses_is_not_asked_at_each_poll() {
    let (dir, faults) = (tempfile::tempdir().unwrap(), Arc::new(Faults::default()));
    let lifecycle = open_faulty(dir.path(), &faults);
    faults.full.store(true, Ordering::Relaxed);
    for poll in 0..100 {
        observe(&lifecycle, "a", poll, 100_000 + i64::from(poll) * 100);
    }
    let opened = faults.opened.load(Ordering::Relaxed);
    assert!((2..6).contains(&opened), "opened {opened} times in ten seconds");
}

#[test]
fn a_restart_on_a_full_disk_still_reads_what_is_there() {
    let (dir, faults) = (populated(), Arc::new(Faults::default()));
    faults.full.store(true, Ordering::Relaxed);
    let lifecycle = open_faulty(dir.path(), &faults);
    assert_eq!(lifecycle.durable(), Some(false));
    assert_eq!(generated(&lifecycle, "a"), Some(300));
    assert_eq!(observe(&lifecycle, "a", 301, 0), 301);

    faults.full.store(false, Ordering::Relaxed);
    assert_eq!(lifecycle.flush(Millis(10_000)), Some(true));
    drop(lifecycle);
    let lifecycle = Lifecycle::open(dir.path(), Millis(0)).unwrap();
    assert_eq!(["a", "b"].map(|id| generated(&lifecycle, id)), [Some(301), Some(300)]);
    assert!(!lifecycle.state_was_reset());
}

#[test]
fn an_organization_dropped_while_the_disk_refused_does_not_come_back() {
    let (dir, faults) = (populated(), Arc::new(Faults::default()));
    let lifecycle = open_faulty(dir.path(), &faults);
    lifecycle.keep(&["a"], Millis(0));
    faults.full.store(true, Ordering::Relaxed);
    lifecycle.keep(&["a"], Millis(Millis::DAY + 1));
    assert_eq!(lifecycle.durable(), Some(false));
    faults.full.store(false, Ordering::Relaxed);
    assert_eq!(lifecycle.flush(Millis(Millis::DAY + 10_000)), Some(true));
    drop(lifecycle);
    let lifecycle = Lifecycle::open(dir.path(), Millis(0)).unwrap();
    assert_eq!(["a", "b"].map(|id| generated(&lifecycle, id)), [Some(300), None]);
}

#[test]
fn an_unusable_file_is_set_aside_and_a_fresh_state_begun() {
    let newer: fn(&Path) = |path| {
        let database = redb::Database::open(path).unwrap();
        let transaction = database.begin_write().unwrap();
        let table = redb::TableDefinition::<&str, &[u8]>::new("meta");
        transaction.open_table(table).unwrap().insert("format", (disk::FORMAT + 1).to_le_bytes().as_slice()).unwrap();
        transaction.commit().unwrap();
    };
    let foreign: fn(&Path) = |path| fs::write(path, "name: not a database\n".repeat(1_000)).unwrap();
    let other_database: fn(&Path) = |path| {
        fs::remove_file(path).unwrap();
        drop(redb::Database::create(path).unwrap());
    };
    for (name, spoil) in [("newer", newer), ("foreign", foreign), ("other", other_database)] {
        let dir = populated();
        let state = dir.path().join("state.redb");
        fs::write(dir.path().join("state.redb.set-aside-1"), "an earlier one").unwrap();
        spoil(&state);
        let spoilt = fs::read(&state).unwrap();

        let lifecycle = Lifecycle::open(dir.path(), Millis(0)).unwrap();
        assert!(lifecycle.state_was_reset(), "{name}");
        assert_eq!(generated(&lifecycle, "a"), None, "{name}");
        assert_eq!((observe(&lifecycle, "a", 1, 0), observe(&lifecycle, "a", 2, 0)), (0, 1), "{name}");
        assert_eq!(lifecycle.durable(), Some(true), "{name}");
        drop(lifecycle);
        assert_eq!(fs::read(dir.path().join("state.redb.set-aside-1")).unwrap(), b"an earlier one", "{name}");
        let aside = fs::read(dir.path().join("state.redb.set-aside-2")).unwrap();
        // Of what is a database, opening it writes the head anew.
        assert!(aside == spoilt || name != "foreign", "{name}");
        let lifecycle = Lifecycle::open(dir.path(), Millis(0)).unwrap();
        assert_eq!((generated(&lifecycle, "a"), lifecycle.state_was_reset()), (Some(1), false), "{name}");
    }
}

#[test]
fn a_truncated_or_damaged_file_never_gives_wrong_counters() {
    let dir = populated();
    let whole = fs::read(dir.path().join("state.redb")).unwrap();
    let mut spoilt: Vec<(String, Vec<u8>)> =
        (0..whole.len()).step_by(4096).map(|length| (format!("cut to {length}"), whole[..length].to_vec())).collect();
    for n in 0..120u32 {
        // Spread over the file, half of them over its first pages, which say what is where.
        let hash = blake3::hash(&n.to_le_bytes());
        let place = u32::from_le_bytes(hash.as_bytes()[..4].try_into().unwrap()) as usize;
        let place = place % if n % 2 == 0 { whole.len() } else { 16_384 };
        let mut bytes = whole.clone();
        bytes[place] ^= hash.as_bytes()[4] | 1;
        spoilt.push((format!("byte {place} flipped"), bytes));
    }
    let mut resets = 0;
    for (name, bytes) in spoilt {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("state.redb"), &bytes).unwrap();
        let lifecycle = Lifecycle::open(dir.path(), Millis(0)).unwrap();
        let found = ["a", "b"].map(|id| generated(&lifecycle, id));
        if lifecycle.state_was_reset() {
            resets += 1;
            assert_eq!(found, [None, None], "{name}");
            assert!(names(dir.path()).contains(&"state.redb.set-aside-1".to_owned()), "{name}");
        } else {
            let is_whole = found == [Some(300), Some(300)];
            assert!(is_whole || bytes.is_empty(), "{name}: {found:?}");
        }
        observe(&lifecycle, "c", 0, 0);
        assert_eq!(observe(&lifecycle, "c", 2, 0), 2, "{name}");
        assert_eq!(lifecycle.durable(), Some(true), "{name}");
    }
    assert!(resets > 20, "only {resets} were noticed");
}

#[test]
fn a_file_that_turns_bad_while_open_is_replaced_by_all_that_is_in_memory() {
    let (dir, faults) = (populated(), Arc::new(Faults::default()));
    let lifecycle = open_faulty(dir.path(), &faults);
    faults.full.store(true, Ordering::Relaxed);
    observe(&lifecycle, "a", 301, 10_000);
    fs::write(dir.path().join("state.redb"), "overwritten by something else").unwrap();
    faults.full.store(false, Ordering::Relaxed);
    observe(&lifecycle, "a", 302, 20_000);
    assert!(lifecycle.state_was_reset());
    assert_eq!(lifecycle.durable(), Some(true));
    drop(lifecycle);
    let lifecycle = Lifecycle::open(dir.path(), Millis(0)).unwrap();
    assert_eq!(["a", "b"].map(|id| generated(&lifecycle, id)), [Some(302), Some(300)]);
}

#[test]
fn nothing_of_a_person_is_in_the_file() {
    let dir = populated();
    let bytes = fs::read(dir.path().join("state.redb")).unwrap();
    assert!(bytes.windows(8).any(|window| window == b"alive_at"), "the search finds what is there");
    assert!(!bytes.windows(6).any(|window| window == b"canary"));
}
