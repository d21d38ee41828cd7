//! The process is killed at random instants, as by `kill -9`: the state always opens, and its counters are those
//! of the documented table after some poll that is not older than the last one that was acknowledged.
//!
//! `LIFECYCLE_KILLS` sets how often (25).

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

#[path = "support/history.rs"]
mod history;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use csp_invitations_exporter::clock::{Reading, Steady};
use csp_invitations_exporter::state::Lifecycle;
use invitations::Millis;
use invitations::lifecycle::Tally;

use history::{Dice, Model, World, as_sent};

const FOLDER: &str = "LIFECYCLE_KILL_FOLDER";
const SEED: u64 = 7;

fn at(millis: i64) -> Reading {
    Reading { wall: Millis(millis), steady: Steady(millis) }
}

/// The state, read however long that takes.
fn open(folder: &Path) -> Lifecycle {
    let lifecycle = Lifecycle::open(folder, at(0)).unwrap();
    assert_eq!(lifecycle.flush(at(0)), Some(true));
    lifecycle
}

/// A poll that found `list`, acknowledged.
fn count(lifecycle: &Lifecycle, list: &[history::Record], dice: &mut Dice, now: i64) -> Arc<Tally> {
    let observed = lifecycle.observe("o", as_sent(list, dice), None, at(now));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(observed.settled()).tally().unwrap()
}

/// Poll number `poll` of the history: any process can compute it from the start.
fn lists() -> impl Iterator<Item = (u64, i64, Vec<history::Record>)> {
    let mut world = World::new(SEED);
    (1..).map(move |poll| {
        let now = i64::try_from(poll).unwrap() * 1_000;
        (poll, now, world.advance(now, 6))
    })
}

/// The child: goes on with the history where `from` says, and acknowledges each poll once it is counted.
fn observe_for_ever(folder: &Path, from: u64) {
    let lifecycle = open(folder);
    let (mut dice, mut stdout) = (Dice::new(from), std::io::stdout());
    for (poll, now, list) in lists().skip_while(|(poll, ..)| *poll <= from) {
        count(&lifecycle, &list, &mut dice, now);
        writeln!(stdout, "acknowledged {poll}").unwrap();
        stdout.flush().unwrap();
    }
}

/// Not a test of its own: what the test below starts and kills.
#[test]
fn child() {
    if let (Some(folder), Ok(from)) = (std::env::var_os(FOLDER), std::env::var("LIFECYCLE_KILL_FROM")) {
        observe_for_ever(Path::new(&folder), from.parse().unwrap());
    }
}

#[test]
fn killed_at_any_instant_the_state_is_that_of_some_poll_not_before_the_last_acknowledged() {
    let kills: u32 = std::env::var("LIFECYCLE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(25);
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice::new(u64::from(std::process::id()));
    // The model after each poll that this test has caught up with.
    let (mut lists, mut model, mut reached) = (lists(), Model::default(), 0u64);
    for kill in 1..=kills {
        let acknowledged = run_and_kill(dir.path(), reached, Duration::from_micros(dice.below(60_000)));
        let lifecycle = open(dir.path());
        assert_eq!(lifecycle.resets(), Some(0), "kill {kill}");
        while reached < acknowledged {
            let (poll, _, list) = lists.next().unwrap();
            model.observe(&list);
            reached = poll;
        }
        let Some(tally) = lifecycle.tally("o") else {
            assert_eq!(reached, 0, "kill {kill}: an acknowledged poll was lost");
            continue;
        };
        // The next poll may have been committed without having been acknowledged, never more than that one.
        // Taking it again changes nothing if it was; if it was not, now it is.
        let (poll, now, list) = lists.next().unwrap();
        let before = model.clone();
        model.observe(&list);
        reached = poll;
        assert!(
            (acknowledged > 0 && before.agrees(&tally)) || model.agrees(&tally),
            "kill {kill}, {acknowledged} acknowledged: {:?} is neither {before:?} nor {model:?}",
            tally.events
        );
        let after = count(&lifecycle, &list, &mut dice, now);
        assert!(model.agrees(&after), "kill {kill}: {:?} instead of {model:?}", after.events);
    }
    assert!(reached > u64::from(kills), "only {reached} polls between {kills} kills");
}

/// Runs the child for `time` from its first sign of life on and returns the last poll that it acknowledged.
fn run_and_kill(folder: &Path, from: u64, time: Duration) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(FOLDER, folder)
        .env("LIFECYCLE_KILL_FROM", from.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let (send, lines) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in stdout.lines() {
            let _ = send.send(line.unwrap());
        }
    });
    let (mut last, mut deadline) = (from, None);
    loop {
        let wait = deadline.map_or(Duration::from_secs(20), |at: Instant| at.saturating_duration_since(Instant::now()));
        let Ok(line) = lines.recv_timeout(wait) else { break };
        // The test harness prints a line before the child begins: from there on any instant may be the one.
        deadline.get_or_insert_with(|| Instant::now() + time);
        last = line.split_once("acknowledged ").map_or(last, |(_, poll)| poll.parse().unwrap());
    }
    // SIGKILL on Unix: nothing in the child gets to clean up.
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap();
    lines.try_iter().filter_map(|line| line.split_once("acknowledged ")?.1.parse().ok()).last().unwrap_or(last)
}
