//! Disks that refuse, or take their time.

use std::time::{Duration, Instant};

use super::*;

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
fn nothing_is_shown_before_the_disk_has_it() {
    let (dir, faults) = (tempfile::tempdir().unwrap(), Arc::new(Faults::default()));
    let lifecycle = open_faulty(dir.path(), &faults);
    observe(&lifecycle, "a", 0, 0);
    let slow = faults.slow.lock();
    std::thread::scope(|scope| {
        let poll = scope.spawn(|| observe(&lifecycle, "a", 3, 0));
        let deadline = Instant::now() + Duration::from_secs(20);
        while !faults.held_up.load(Ordering::Relaxed) {
            assert!(Instant::now() < deadline, "the poll never got to the disk");
            std::thread::yield_now();
        }
        assert_eq!(generated(&lifecycle, "a"), Some(0), "the transaction is not on disk yet");
        assert_eq!(lifecycle.durable(), Some(true), "waiting is not failing");
        drop(slow);
        assert_eq!(poll.join().unwrap(), 3);
    });
    assert_eq!(generated(&lifecycle, "a"), Some(3));
}
