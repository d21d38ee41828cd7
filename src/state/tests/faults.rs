//! Disks that refuse, or do not answer.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode};

use super::disk::{CALM, Faults, HASTY, copy, names, open};
use super::*;
use crate::state::store::{Failure, Real, StateFile};

#[test]
fn a_full_disk_is_survived_in_memory_and_made_up_for() {
    let (dir, faults) = (tempfile::tempdir().unwrap(), Arc::new(Faults::default()));
    let lifecycle = open(dir.path(), &faults, CALM);
    for id in ["a", "b", "c"] {
        observe_many(&lifecycle, id, 0, 0);
    }
    assert_eq!(lifecycle.durable(), Some(true));

    faults.full.store(true, Ordering::Relaxed);
    for id in ["a", "b"] {
        assert_eq!(observe_many(&lifecycle, id, 3, 0), Some(3));
        assert_eq!(generated(&lifecycle, id), Some(3), "shown although it is not on disk");
    }
    assert_eq!(lifecycle.durable(), Some(false));
    assert_eq!(observe_many(&lifecycle, "a", 4, 0), Some(4));
    assert_eq!(lifecycle.durable(), Some(false));

    faults.mend();
    assert_eq!(lifecycle.flush(at(0)), Some(true), "the writer finds out by itself");
    // No close: what counts is what is on disk now.
    let (_dir, copy) = copy(dir.path());
    assert_eq!(["a", "b", "c"].map(|id| generated(&copy, id)), [Some(4), Some(3), Some(0)]);
    assert_eq!(copy.resets(), Some(0));
}

#[test]
fn a_disk_that_refuses_is_not_asked_at_each_poll() {
    let (dir, faults) = (tempfile::tempdir().unwrap(), Arc::new(Faults::default()));
    let lifecycle = open(dir.path(), &faults, Patience { retry: Duration::from_secs(60), end: Duration::ZERO, ..CALM });
    faults.full.store(true, Ordering::Relaxed);
    for invitations in 0..100 {
        observe_many(&lifecycle, "a", invitations, 0);
    }
    let opened = faults.opened.load(Ordering::Relaxed);
    assert!((1..3).contains(&opened), "opened {opened} times");
}

#[test]
fn a_restart_on_a_full_disk_still_reads_what_is_there() {
    let (dir, faults) = (populated(), Arc::new(Faults::default()));
    faults.full.store(true, Ordering::Relaxed);
    let lifecycle = open(dir.path(), &faults, CALM);
    assert_eq!(lifecycle.durable(), Some(false));
    assert_eq!(generated(&lifecycle, "a"), Some(300));
    assert_eq!(observe_many(&lifecycle, "a", 301, 0), Some(301));

    faults.mend();
    assert_eq!(lifecycle.flush(at(10_000)), Some(true));
    drop(lifecycle);
    let lifecycle = start(dir.path(), at(0)).unwrap();
    assert_eq!(["a", "b"].map(|id| generated(&lifecycle, id)), [Some(301), Some(300)]);
    assert_eq!(lifecycle.resets(), Some(0));
}

#[test]
fn an_organization_dropped_while_the_disk_refused_does_not_come_back() {
    let (dir, faults) = (populated(), Arc::new(Faults::default()));
    let lifecycle = open(dir.path(), &faults, CALM);
    lifecycle.keep(&["a"], at(0));
    assert_eq!(lifecycle.flush(at(0)), Some(true));
    faults.full.store(true, Ordering::Relaxed);
    lifecycle.keep(&["a"], at(Millis::DAY + 1));
    observe_many(&lifecycle, "a", 300, Millis::DAY + 1);
    observe_many(&lifecycle, "a", 301, Millis::DAY + 1);
    assert_eq!(lifecycle.durable(), Some(false));
    faults.mend();
    assert_eq!(lifecycle.flush(at(Millis::DAY + 10_000)), Some(true));
    drop(lifecycle);
    let lifecycle = start(dir.path(), at(0)).unwrap();
    assert_eq!(["a", "b"].map(|id| generated(&lifecycle, id)), [Some(301), None]);
}

#[test]
fn nothing_is_shown_before_the_disk_has_it() {
    let (dir, faults) = (tempfile::tempdir().unwrap(), Arc::new(Faults::default()));
    let lifecycle = open(dir.path(), &faults, CALM);
    observe_many(&lifecycle, "a", 0, 0);
    faults.hang(true);
    std::thread::scope(|scope| {
        let poll = scope.spawn(|| observe_many(&lifecycle, "a", 3, 0));
        faults.until_held_up();
        assert_eq!(generated(&lifecycle, "a"), Some(0), "the transaction is not on disk yet");
        assert_eq!(lifecycle.durable(), Some(true), "waiting is not failing");
        faults.hang(false);
        assert_eq!(poll.join().unwrap(), Some(3));
    });
    assert_eq!(generated(&lifecycle, "a"), Some(3));
}

#[test]
fn a_disk_that_hangs_costs_one_poll_a_wait_and_loses_nothing() {
    let (dir, faults) = (populated(), Arc::new(Faults::default()));
    let lifecycle = open(dir.path(), &faults, Patience { start: CALM.start, ..HASTY });
    observe_many(&lifecycle, "a", 300, 0);
    assert_eq!(lifecycle.flush(at(0)), Some(true));
    faults.hang(true);
    assert_eq!(observe_many(&lifecycle, "a", 301, 0), Some(301), "it goes on in memory");
    assert_eq!(lifecycle.durable(), Some(false));
    // From here on nobody waits any more, not even for a moment: the writer has been given up until it answers.
    let begin = Instant::now();
    for invitations in 302..402 {
        assert_eq!(observe_many(&lifecycle, "a", invitations, 0), Some(u64::from(invitations)));
    }
    assert_eq!(observe_many(&lifecycle, "c", 0, 0), Some(0), "a new one, too");
    lifecycle.keep(&["a", "c"], at(0));
    assert!(begin.elapsed() < 100 * HASTY.answer, "each of them waited: {:?}", begin.elapsed());

    faults.mend();
    assert_eq!(lifecycle.flush(at(0)), Some(true));
    let (_dir, copy) = copy(dir.path());
    assert_eq!(["a", "b", "c"].map(|id| generated(&copy, id)), [Some(401), Some(300), Some(0)]);
    assert_eq!(observe_many(&copy, "a", 403, 0), Some(403));
}

#[test]
fn a_stop_waits_for_a_disk_that_hangs_no_longer_than_it_may() {
    let (dir, faults) = (populated(), Arc::new(Faults::default()));
    let end = Duration::from_millis(50);
    let lifecycle = open(dir.path(), &faults, Patience { end, start: CALM.start, ..HASTY });
    faults.hang(true);
    assert_eq!(observe_many(&lifecycle, "a", 301, 0), Some(301));
    let begin = Instant::now();
    lifecycle.close(at(0));
    assert!(begin.elapsed() >= end && begin.elapsed() < CALM.end, "{:?}", begin.elapsed());
    assert_eq!(lifecycle.durable(), Some(false));
    faults.mend();
}

#[test]
fn a_folder_that_is_new_and_refuses_from_the_start_counts_from_nothing() {
    let (dir, faults) = (tempfile::tempdir().unwrap(), Arc::new(Faults::default()));
    faults.full.store(true, Ordering::Relaxed);
    let lifecycle = open(dir.path(), &faults, CALM);
    assert_eq!(lifecycle.shown("a").map(|tally| tally.events), Some([0; 5]), "there is no state, that is known");
    observe_many(&lifecycle, "a", 0, 0);
    assert_eq!(observe_many(&lifecycle, "a", 2, 0), Some(2));
    faults.mend();
    assert_eq!(lifecycle.flush(at(0)), Some(true));
    assert_eq!(names(dir.path()), ["lock", "state.redb"]);
    let (_dir, copy) = copy(dir.path());
    assert_eq!(generated(&copy, "a"), Some(2));
}

/// What is no file, in a place where one is looked for.
fn put(kind: &str, path: &Path) {
    match kind {
        "folder" => std::fs::create_dir(path).unwrap(),
        "pipe" => rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap(),
        "socket" => drop(std::os::unix::net::UnixListener::bind(path).unwrap()),
        "device" => std::os::unix::fs::symlink("/dev/null", path).unwrap(),
        _ => std::os::unix::fs::symlink("nowhere", path).unwrap(),
    }
}

#[test]
fn what_is_no_file_in_the_place_of_the_state_is_named_and_left_alone() {
    for (kind, words) in [
        ("folder", "a folder"),
        ("pipe", "a pipe"),
        ("socket", "a device or a socket"),
        ("device", "a device or a socket"),
        ("link", "a symbolic link"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state.redb");
        put(kind, &state);
        let (found, outcome) = StateFile::new(dir.path(), Box::new(Real)).attach(Millis(0));
        let failure = outcome.unwrap_err();
        assert!(matches!(&failure, Failure::Unavailable(reason) if reason.contains(words)), "{kind}: {failure}");
        assert!(found.is_none(), "{kind}: nobody knows what was there before");

        let lifecycle = open(dir.path(), &Arc::default(), CALM);
        assert_eq!(lifecycle.durable(), Some(false), "{kind}");
        assert_eq!(observe_many(&lifecycle, "a", 3, 0), None, "{kind}: counts wait");
        assert_eq!(names(dir.path()), ["lock", "state.redb"], "{kind}: nothing was set aside");
        std::fs::rename(&state, dir.path().join("moved")).unwrap();
        assert_eq!(lifecycle.flush(at(0)), Some(true), "{kind}");
        assert_eq!((generated(&lifecycle, "a"), lifecycle.resets()), (Some(0), Some(0)), "{kind}");
    }
}

#[test]
fn what_is_in_the_way_beside_the_state_is_named() {
    for (kind, name) in [("folder", "state.redb.new"), ("folder", "lock"), ("link", "")] {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("state");
        if name.is_empty() {
            put(kind, &folder);
        } else {
            std::fs::create_dir(&folder).unwrap();
            put(kind, &folder.join(name));
        }
        let failure = StateFile::new(&folder, Box::new(Real)).attach(Millis(0)).1.unwrap_err();
        let path = folder.join(name).display().to_string();
        assert!(failure.to_string().contains(path.trim_end_matches('/')), "{failure}");
    }
    // A lock that is a pipe is as good as any.
    let dir = tempfile::tempdir().unwrap();
    put("pipe", &dir.path().join("lock"));
    StateFile::new(dir.path(), Box::new(Real)).attach(Millis(0)).1.unwrap();
}
