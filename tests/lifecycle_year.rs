//! A year of polls, failures, crashes and reloads in seconds: the counters equal the documented table.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

#[path = "support/history.rs"]
mod history;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use csp_invitations_exporter::clock::{Reading, Steady};
use csp_invitations_exporter::state::Lifecycle;
use invitations::lifecycle::Tally;
use invitations::{Millis, Sighting};

use history::{Dice, Model, World, as_sent};

const START: i64 = 1_767_225_600_000;
const STATE: &str = "state.redb";

fn at(millis: i64) -> Reading {
    Reading { wall: Millis(millis), steady: Steady(millis) }
}

/// The state, read however long that takes.
fn open(folder: &Path, now: Reading) -> Lifecycle {
    let lifecycle = Lifecycle::open(folder, now).unwrap();
    assert_eq!(lifecycle.flush(now), Some(true));
    lifecycle
}

/// A poll, and what can be seen after it.
fn count(lifecycle: &Lifecycle, id: &str, list: Vec<Sighting>, now: i64) -> Arc<Tally> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(lifecycle.observe(id, list, None, at(now)).settled()).tally().unwrap()
}

/// A folder in memory where there is one: these crashes are copies, which no `fsync` makes any truer.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// What a crash leaves: the file as it was at that instant, in a folder of its own.
fn crash(from: &Path) -> tempfile::TempDir {
    let dir = folder();
    if from.join(STATE).exists() {
        std::fs::copy(from.join(STATE), dir.path().join(STATE)).unwrap();
    }
    dir
}

#[test]
fn a_year_with_fifty_crashes_counts_exactly() {
    let mut dice = Dice::new(2026);
    let ids = ["one", "two", "three"];
    let mut worlds: HashMap<&str, World> = ids.iter().zip(1..).map(|(id, seed)| (*id, World::new(seed))).collect();
    let mut models: HashMap<&str, Model> = HashMap::new();
    let mut dir = folder();
    let mut lifecycle = open(dir.path(), at(START));
    lifecycle.keep(&ids, at(START));
    let mut away_since: Option<i64> = None;
    let (mut crashes, mut polls, mut absences, mut drops) = (0, 0, 0, 0);

    for hour in 0..365 * 24i64 {
        let now = START + hour * Millis::HOUR;
        if hour % 175 == 174 && crashes < 50 {
            crashes += 1;
            let next = crash(dir.path());
            drop(lifecycle);
            dir = next;
            lifecycle = open(dir.path(), at(now));
            let present: Vec<_> = ids.iter().filter(|id| away_since.is_none() || **id != "three").collect();
            lifecycle.keep(&present, at(now));
            assert_eq!(lifecycle.resets(), Some(0));
            for (id, model) in &models {
                // An absence that a restart ended is settled below, at the reload.
                if away_since.is_none() {
                    assert!(model.agrees(&lifecycle.tally(id).unwrap()), "{id} after crash {crashes}");
                }
            }
        }
        match away_since {
            None if dice.below(700) == 0 => {
                away_since = Some(now);
                absences += 1;
                lifecycle.keep(&ids[..2], at(now));
            }
            Some(since) if dice.below(24) == 0 => {
                away_since = None;
                lifecycle.keep(&ids, at(now));
                if now - since > Millis::DAY {
                    drops += 1;
                    models.remove("three");
                    assert_eq!(lifecycle.tally("three"), None);
                }
            }
            _ => {}
        }
        for id in ids {
            let list = worlds.get_mut(id).unwrap().advance(now, 3);
            // A failed poll sees nothing; an absent organization is not asked.
            if dice.chance(72) || (id == "three" && away_since.is_some()) {
                continue;
            }
            polls += 1;
            let model = models.entry(id).or_default();
            model.observe(&list);
            let tally = count(&lifecycle, id, as_sent(&list, &mut dice), now);
            assert!(model.agrees(&tally), "{id} at hour {hour}: {:?} instead of {model:?}", tally.events);
        }
    }
    assert_eq!(lifecycle.durable(), Some(true));
    let generated: u64 = models.values().map(|model| model.events[0]).sum();
    assert!(crashes == 50 && polls > 6_000 && generated > 3_000, "{crashes} crashes, {polls} polls, {generated}");
    assert!(absences > 3 && drops > 0, "{absences} absences, {drops} of them too long");
}

/// Anything between two polls, from a scripted choice.
#[derive(Debug, Clone, Copy)]
enum Step {
    Poll,
    Failed,
    Restart,
    Crash,
    /// Back to the file as it was before the last poll, as if its commit had been lost.
    LostCommit,
    Reload,
}

mod random_histories {
    use proptest::prelude::*;

    use super::*;

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => Just(Step::Poll),
            2 => Just(Step::Failed),
            1 => Just(Step::Restart),
            1 => Just(Step::Crash),
            1 => Just(Step::LostCommit),
            1 => Just(Step::Reload),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

        #[test]
        fn counters_equal_the_table_whatever_happens(seed in any::<u64>(), steps in prop::collection::vec(step(), 1..60)) {
            let (mut dice, mut world, mut model) = (Dice::new(seed), World::new(!seed), Model::default());
            let mut dir = folder();
            let mut lifecycle = open(dir.path(), at(START));
            let mut before = (crash(dir.path()), model.clone());
            for (minute, step) in (0..).zip(steps) {
                let now = at(START + minute * 60_000);
                match step {
                    Step::Poll => {
                        let list = world.advance(now.wall.0, 12);
                        before = (crash(dir.path()), model.clone());
                        model.observe(&list);
                        let tally = count(&lifecycle, "o", as_sent(&list, &mut dice), now.wall.0);
                        prop_assert!(model.agrees(&tally), "{:?} instead of {:?}", tally.events, model);
                        continue;
                    }
                    Step::Failed => {
                        world.advance(now.wall.0, 12);
                        continue;
                    }
                    Step::Reload => {
                        lifecycle.keep::<&str>(&[], now);
                        lifecycle.keep(&["O"], now);
                        continue;
                    }
                    Step::Restart => {
                        lifecycle.close(now);
                        drop(lifecycle);
                    }
                    Step::Crash => {
                        let next = crash(dir.path());
                        drop(lifecycle);
                        dir = next;
                    }
                    Step::LostCommit => {
                        drop(lifecycle);
                        dir = crash(before.0.path());
                        model = before.1.clone();
                    }
                }
                lifecycle = open(dir.path(), now);
                prop_assert_eq!(lifecycle.resets(), Some(0));
                let tally = lifecycle.tally("o");
                prop_assert!(
                    tally.as_ref().map_or(model == Model::default(), |tally| model.agrees(tally)),
                    "{tally:?} instead of {model:?}"
                );
            }
        }
    }
}
