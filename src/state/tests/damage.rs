//! Files that are not what this version wrote.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::disk::{CALM, Faults, copy, names, open};
use super::*;
use crate::state::store::FORMAT;

#[test]
fn an_unusable_file_is_set_aside_and_a_fresh_state_begun() {
    let newer: fn(&Path) = |path| {
        let database = redb::Database::open(path).unwrap();
        let transaction = database.begin_write().unwrap();
        let table = redb::TableDefinition::<&str, &[u8]>::new("meta");
        transaction.open_table(table).unwrap().insert("format", (FORMAT + 1).to_le_bytes().as_slice()).unwrap();
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

        let lifecycle = start(dir.path(), at(0)).unwrap();
        assert_eq!(lifecycle.resets(), Some(1), "{name}");
        assert_eq!(generated(&lifecycle, "a"), None, "{name}");
        let counted = [1, 2].map(|invitations| observe_many(&lifecycle, "a", invitations, 0));
        assert_eq!(counted, [Some(0), Some(1)], "{name}");
        assert_eq!(lifecycle.durable(), Some(true), "{name}");
        drop(lifecycle);
        assert_eq!(fs::read(dir.path().join("state.redb.set-aside-1")).unwrap(), b"an earlier one", "{name}");
        let aside = fs::read(dir.path().join("state.redb.set-aside-2")).unwrap();
        // Of what is a database, opening it writes the head anew.
        assert!(aside == spoilt || name != "foreign", "{name}");
        let lifecycle = start(dir.path(), at(0)).unwrap();
        assert_eq!((generated(&lifecycle, "a"), lifecycle.resets()), (Some(1), Some(0)), "{name}");
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
        let lifecycle = start(dir.path(), at(0)).unwrap();
        let found = ["a", "b"].map(|id| generated(&lifecycle, id));
        if lifecycle.resets() == Some(1) {
            resets += 1;
            assert_eq!(found, [None, None], "{name}");
            assert!(names(dir.path()).contains(&"state.redb.set-aside-1".to_owned()), "{name}");
        } else {
            let is_whole = found == [Some(300), Some(300)];
            assert!(is_whole || bytes.is_empty(), "{name}: {found:?}");
        }
        observe_many(&lifecycle, "c", 0, 0);
        assert_eq!(observe_many(&lifecycle, "c", 2, 0), Some(2), "{name}");
        assert_eq!(lifecycle.durable(), Some(true), "{name}");
    }
    assert!(resets > 20, "only {resets} were noticed");
}

#[test]
fn a_file_that_turns_bad_while_open_is_replaced_by_all_that_is_in_memory() {
    let (dir, faults) = (populated(), Arc::new(Faults::default()));
    let lifecycle = open(dir.path(), &faults, CALM);
    faults.full.store(true, Ordering::Relaxed);
    assert_eq!(observe_many(&lifecycle, "a", 301, 0), Some(301));
    fs::write(dir.path().join("state.redb"), "overwritten by something else").unwrap();
    faults.mend();
    assert_eq!(lifecycle.flush(at(0)), Some(true));
    assert_eq!(lifecycle.resets(), Some(1));
    assert_eq!(observe_many(&lifecycle, "a", 302, 0), Some(302));
    let (_dir, copy) = copy(dir.path());
    assert_eq!(["a", "b"].map(|id| generated(&copy, id)), [Some(302), Some(300)]);
    assert_eq!(["a", "b"].map(|id| observe_many(&copy, id, 303, 0)), [Some(303), Some(303)]);
}

#[test]
fn a_file_that_is_removed_while_open_is_begun_anew_with_all_that_is_in_memory() {
    let dir = populated();
    let lifecycle = start(dir.path(), at(0)).unwrap();
    assert_eq!(observe_many(&lifecycle, "b", 300, 0), Some(300));
    fs::remove_file(dir.path().join("state.redb")).unwrap();
    assert_eq!(observe_many(&lifecycle, "a", 301, 0), Some(301));
    assert_eq!((lifecycle.durable(), lifecycle.resets()), (Some(true), Some(0)));
    let (_dir, copy) = copy(dir.path());
    assert_eq!(["a", "b"].map(|id| generated(&copy, id)), [Some(301), Some(300)]);
    assert_eq!(observe_many(&copy, "b", 300, 0), Some(300), "the known invitations are there, too");
}
