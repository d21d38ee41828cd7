//! States that can be read only some time after the start, or that come to light only then.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::disk::{CALM, Faults, HASTY, copy, mount, names, open};
use super::*;

#[path = "../../../tests/support/history.rs"]
mod history;

use history::{Dice, Model, World, as_sent};

#[test]
fn a_folder_that_hangs_at_the_start_holds_nobody_up_and_is_added_to_later() {
    let (dir, faults) = (populated(), Arc::new(Faults::default()));
    faults.hang(true);
    let lifecycle = open(dir.path(), &faults, HASTY);
    lifecycle.keep(&["a", "b", "c"], at(0));
    assert_eq!((lifecycle.durable(), lifecycle.resets()), (Some(false), Some(0)));
    for (id, invitations) in [("a", 301), ("a", 0), ("a", 302), ("c", 5), ("c", 6)] {
        // Shown from nothing on, the counters would seem to jump by what the file holds.
        assert_eq!(observe_many(&lifecycle, id, invitations, 0), None, "{id}");
        assert_eq!(lifecycle.shown("b"), None);
    }

    let mut finds = lifecycle.finds();
    faults.mend();
    block_on(finds.next());
    assert_eq!(lifecycle.flush(at(0)), Some(true));
    let counted = ["a", "b", "c"].map(|id| lifecycle.shown(id).unwrap().events);
    // All 301 vanished once, and 302 came.
    assert_eq!(counted, [[603, 0, 0, 0, 301], [300, 0, 0, 0, 0], [1, 0, 0, 0, 0]]);
    assert_eq!(observe_many(&lifecycle, "a", 303, 0), Some(604));
    assert_eq!(observe_many(&lifecycle, "b", 301, 0), Some(301));
    assert_eq!(lifecycle.resets(), Some(0));
    assert_eq!(names(dir.path()), ["lock", "state.redb"], "nothing was set aside");
    let (_dir, copy) = copy(dir.path());
    assert_eq!(["a", "b", "c"].map(|id| observe_many(&copy, id, 304, 0)), [Some(605), Some(304), Some(299)]);
}

#[test]
fn redemptions_that_nobody_could_compare_yet_are_timed() {
    let (dir, faults) = (tempfile::tempdir().unwrap(), Arc::new(Faults::default()));
    let sighting = |status, redeemed: Option<i64>| {
        vec![Sighting::new(Identity::of(Some("x"), "", None), status, Some(Millis(0)), redeemed.map(Millis))]
    };
    let lifecycle = open(dir.path(), &faults, CALM);
    poll(&lifecycle, ORG, sighting(A, None), 0);
    drop(lifecycle);
    faults.locked.store(true, Ordering::Relaxed);
    let lifecycle = open(dir.path(), &faults, CALM);
    assert_eq!(poll(&lifecycle, ORG, sighting(R, Some(1_500)), 0), None);
    faults.mend();
    assert_eq!(lifecycle.flush(at(0)), Some(true));
    let tally = lifecycle.tally(ORG).unwrap();
    assert_eq!((tally.events, tally.redemption.count(), tally.redemption.sum()), ([0, 1, 0, 0, 0], 1, 1.5));
}

#[test]
fn absences_count_as_if_the_state_had_been_read_at_the_start() {
    let hour = Millis::HOUR;
    let (dir, faults) = (tempfile::tempdir().unwrap(), Arc::new(Faults::default()));
    let ids = ["back", "gone", "long-gone", "stays"];
    let lifecycle = open(dir.path(), &faults, CALM);
    lifecycle.keep(&ids, at(0));
    for id in ids {
        observe_many(&lifecycle, id, 0, 0);
        observe_many(&lifecycle, id, 1, 0);
    }
    lifecycle.keep(&["gone", "stays"], at(0));
    lifecycle.close(at(hour));
    drop(lifecycle);

    faults.locked.store(true, Ordering::Relaxed);
    let lifecycle = open(dir.path(), &faults, CALM);
    lifecycle.keep(&["stays", "gone", "back"], at(20 * hour));
    lifecycle.keep(&["stays"], at(22 * hour));
    lifecycle.keep(&["stays", "back", "long-gone"], at(30 * hour));
    faults.mend();
    assert_eq!(lifecycle.flush(at(40 * hour)), Some(true));
    let counted = ids.map(|id| generated(&lifecycle, id));
    assert_eq!(counted, [Some(1), Some(1), None, Some(1)]);
    let (_dir, copy) = copy(dir.path());
    assert_eq!(ids.map(|id| generated(&copy, id)), counted);
}

#[test]
fn a_mount_that_appears_over_the_folder_is_noticed_and_added_to() {
    for polls_before in [0, 1, 3] {
        let (mounted, outer) = (populated(), tempfile::tempdir().unwrap());
        let folder = outer.path().join("state");
        let lifecycle = start(&folder, at(0)).unwrap();
        for invitations in 0..polls_before {
            // It looks like the beginning of everything, and is shown as such.
            let events = u64::from(invitations);
            assert_eq!(observe_many(&lifecycle, "a", 300 + invitations, 0), Some(events), "{polls_before}");
        }
        let hidden = mount(&folder, mounted.path());
        observe_many(&lifecycle, "a", 310, 0);
        assert_eq!(generated(&lifecycle, "a"), Some(310), "{polls_before}");
        assert_eq!(generated(&lifecycle, "b"), Some(300), "{polls_before}");
        assert_eq!(observe_many(&lifecycle, "b", 301, 0), Some(301), "{polls_before}");
        assert_eq!((lifecycle.durable(), lifecycle.resets()), (Some(true), Some(0)), "{polls_before}");
        assert_eq!(names(&folder), ["lock", "state.redb"], "{polls_before}");
        let (_dir, copied) = copy(&hidden);
        assert_eq!(generated(&copied, "a"), polls_before.checked_sub(1).map(u64::from), "nothing more is hidden");
        let (_dir, copy) = copy(&folder);
        assert_eq!(["a", "b"].map(|id| observe_many(&copy, id, 311, 0)), [Some(311), Some(311)], "{polls_before}");
    }
}

#[test]
fn a_mount_that_hides_another_state_goes_on_with_its_own() {
    let (mounted, outer) = (populated(), tempfile::tempdir().unwrap());
    let folder = outer.path().join("state");
    let lifecycle = start(&folder, at(0)).unwrap();
    for id in ["a", "hidden"] {
        observe_many(&lifecycle, id, 0, 0);
        observe_many(&lifecycle, id, 7, 0);
    }
    drop(lifecycle);
    let lifecycle = start(&folder, at(0)).unwrap();
    assert_eq!(observe_many(&lifecycle, "a", 8, 0), Some(8));
    mount(&folder, mounted.path());
    observe_many(&lifecycle, "b", 300, 0);
    // 300 of the 300 that the mounted state knows, but for eight, are gone.
    assert_eq!(lifecycle.flush(at(0)), Some(true));
    assert_eq!(lifecycle.tally("a").unwrap().events, [300, 0, 0, 0, 292]);
    assert_eq!(observe_many(&lifecycle, "a", 9, 0), Some(301));
    assert_eq!(observe_many(&lifecycle, "hidden", 9, 0), Some(9), "only this process knows it");
    let (_dir, copy) = copy(&folder);
    assert_eq!(["a", "b", "hidden"].map(|id| generated(&copy, id)), [Some(301), Some(300), Some(9)]);
}

#[test]
fn a_backup_of_the_own_state_is_brought_up_to_date() {
    let (dir, outer) = (populated(), tempfile::tempdir().unwrap());
    let lifecycle = start(dir.path(), at(0)).unwrap();
    observe_many(&lifecycle, "a", 301, 0);
    let backup = outer.path().join("backup");
    fs::create_dir(&backup).unwrap();
    fs::copy(dir.path().join("state.redb"), backup.join("state.redb")).unwrap();
    observe_many(&lifecycle, "a", 302, 0);
    fs::rename(backup.join("state.redb"), dir.path().join("state.redb")).unwrap();
    assert_eq!(observe_many(&lifecycle, "b", 301, 0), Some(301));
    let (_dir, copy) = copy(dir.path());
    assert_eq!(["a", "b"].map(|id| generated(&copy, id)), [Some(302), Some(301)]);
    assert_eq!(observe_many(&copy, "a", 303, 0), Some(303));
}

/// Anything that happens to a disk, from a scripted choice.
#[derive(Debug, Clone, Copy)]
enum Step {
    Poll,
    Failed,
    Hang,
    Full,
    Mend,
    Restart,
    /// A restart at which the folder hangs, cannot be read, or is not mounted yet.
    RestartHung,
    RestartLocked,
    RestartUnmounted,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => Just(Step::Poll),
        2 => Just(Step::Failed),
        1 => Just(Step::Hang),
        1 => Just(Step::Full),
        3 => Just(Step::Mend),
        1 => Just(Step::Restart),
        1 => Just(Step::RestartHung),
        1 => Just(Step::RestartLocked),
        1 => Just(Step::RestartUnmounted),
    ]
}

/// An exporter's state with everything that a test may do to it.
struct Trial {
    outer: tempfile::TempDir,
    faults: Arc<Faults>,
    lifecycle: Option<Lifecycle>,
    /// Whether the folder with the state is elsewhere, and an empty one in its place.
    is_unmounted: bool,
}

impl Trial {
    fn folder(&self) -> std::path::PathBuf {
        self.outer.path().join("state")
    }

    fn lifecycle(&self) -> &Lifecycle {
        self.lifecycle.as_ref().unwrap()
    }

    /// All is well again, and everything on disk.
    fn mend(&mut self) {
        self.faults.mend();
        if std::mem::take(&mut self.is_unmounted) {
            // The writer may not have got there yet.
            fs::create_dir_all(self.folder()).unwrap();
            mount(&self.folder(), &self.outer.path().join("elsewhere"));
            fs::remove_dir_all(self.folder().with_extension("hidden")).unwrap();
            // What the writer is at right now may still be for the hidden file.
            let _ = self.lifecycle().flush(at(0));
        }
        assert_eq!(self.lifecycle().flush(at(0)), Some(true));
    }

    fn restart(&mut self, step: Step) {
        self.mend();
        self.lifecycle = None;
        match step {
            Step::RestartHung => self.faults.hang(true),
            Step::RestartLocked => self.faults.locked.store(true, Ordering::Relaxed),
            Step::RestartUnmounted => {
                fs::rename(self.folder(), self.outer.path().join("elsewhere")).unwrap();
                self.is_unmounted = true;
            }
            _ => {}
        }
        self.lifecycle = Some(open(&self.folder(), &self.faults, HASTY));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn counters_equal_the_table_whatever_the_disk_does(
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let (mut dice, mut world, mut model) = (Dice::new(seed), World::new(!seed), Model::default());
        let faults = Arc::new(Faults::default());
        let mut trial = Trial { outer: tempfile::tempdir().unwrap(), faults, lifecycle: None, is_unmounted: false };
        trial.lifecycle = Some(open(&trial.folder(), &trial.faults, HASTY));
        trial.mend();
        // What a process sees that does not know of the state which is not mounted.
        let mut apparent: Option<Model> = None;
        for (minute, step) in (0..).zip(steps.into_iter().chain([Step::Poll, Step::Restart])) {
            let now = minute * 60_000;
            match step {
                Step::Poll => {
                    let list = world.advance(now, 12);
                    model.observe(&list);
                    if let Some(apparent) = &mut apparent {
                        apparent.observe(&list);
                    }
                    let seen = poll(trial.lifecycle(), "o", as_sent(&list, &mut dice), now);
                    let expected = apparent.as_ref().unwrap_or(&model);
                    // Not shown is what may wait for a state that is unread.
                    let is_right = seen.as_ref().is_none_or(|tally| expected.agrees(tally));
                    prop_assert!(is_right, "poll {minute}: {seen:?} instead of {expected:?}");
                    continue;
                }
                Step::Failed => {
                    world.advance(now, 12);
                    continue;
                }
                Step::Hang => {
                    trial.faults.hang(true);
                    continue;
                }
                Step::Full => {
                    trial.faults.full.store(true, Ordering::Relaxed);
                    continue;
                }
                Step::Mend => {
                    trial.mend();
                    apparent = None;
                }
                Step::Restart | Step::RestartHung | Step::RestartLocked | Step::RestartUnmounted => {
                    trial.restart(step);
                    apparent = trial.is_unmounted.then(Model::default);
                    if !matches!(step, Step::Restart) {
                        continue;
                    }
                    trial.mend();
                }
            }
            prop_assert_eq!(trial.lifecycle().resets(), Some(0));
            let tally = trial.lifecycle().tally("o");
            prop_assert!(
                tally.as_ref().map_or(model == Model::default(), |tally| model.agrees(tally)),
                "{step:?} {minute}: {tally:?} instead of {model:?}"
            );
        }
    }
}
