//! The same comparison as one number: both measured in turns, so that what else the machine does hits both alike;
//! and what a list of a million invitations takes.
//!
//! `cargo bench --bench fold_ratio`; with `-- million` also the ratio of a list of a million expanded invitations,
//! for which the whole list has to be in memory: 4.3 GB.

#![expect(clippy::print_stdout, reason = "the result")]

#[path = "../tests/common/lists.rs"]
mod lists;
#[path = "../tests/common/stream.rs"]
mod stream;

use std::hint::black_box;
use std::sync::Arc;

use csp_invitations_exporter::config::Metrics;
use invitations::Millis;
use invitations::census::{CensusBuilder, Criteria};
use rustix::time::{ClockId, clock_gettime};
use serde::de::IgnoredAny;
use stream::Stream;

const CHUNK: usize = 64 << 10;
const MILLION: usize = 1_000_000;

fn main() {
    let criteria = Arc::new(Criteria::new(&Metrics::default()));
    million(&criteria);
    println!("| list | MB | IgnoredAny ms | counted ms | ratio | quartiles |");
    for expanded in [true, false] {
        for invitations in [1_000, 10_000, 100_000] {
            compare(&criteria, invitations, expanded, &lists::list(invitations, expanded));
        }
    }
    if std::env::args().any(|argument| argument == "million") {
        compare(&criteria, MILLION, true, &whole(MILLION));
    }
}

/// Seconds that this thread computed in `run`: what other processes do in the meantime is not among them.
fn seconds(run: impl FnOnce()) -> f64 {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let start = now();
    run();
    now() - start
}

fn compare(criteria: &Arc<Criteria>, invitations: usize, expanded: bool, list: &[u8]) {
    let rounds = (3_000_000_000 / list.len()).clamp(5, 101);
    let mut turns: Vec<[f64; 3]> = Vec::new();
    for _ in 0..rounds {
        let ignored = seconds(|| {
            black_box(serde_json::from_slice::<IgnoredAny>(list).expect("valid JSON"));
        });
        let folded = seconds(|| {
            let mut builder = CensusBuilder::new(Arc::clone(criteria), Millis::from(std::time::SystemTime::now()));
            for chunk in list.chunks(CHUNK) {
                builder.write(chunk).expect("a list so far");
            }
            drop(black_box(builder.finish().expect("a whole list").census()));
        });
        turns.push([ignored, folded, folded / ignored]);
    }
    let quantile = |which: usize, quarters: usize| {
        let mut values: Vec<f64> = turns.iter().map(|turn| turn[which]).collect();
        values.sort_by(f64::total_cmp);
        values[(values.len() - 1) * quarters / 4]
    };
    let form = if expanded { "expanded" } else { "short" };
    println!(
        "| {invitations} {form} | {:.1} | {:.2} | {:.2} | {:.2} | {:.2} to {:.2} |",
        list.len() as f64 / 1e6,
        quantile(0, 2) * 1e3,
        quantile(1, 2) * 1e3,
        quantile(2, 2),
        quantile(2, 1),
        quantile(2, 3),
    );
}

/// An expanded list of so many invitations, in one piece.
fn whole(invitations: usize) -> Vec<u8> {
    let mut stream = Stream::of(&lists::list(1_000, true));
    let rounds = invitations / stream.invitations();
    let mut list = Vec::with_capacity(rounds * stream.next_round().len() + 1);
    list.push(b'[');
    for _ in 0..rounds {
        list.extend_from_slice(stream.next_round());
    }
    // In place of the comma behind the last.
    list.pop();
    list.push(b']');
    list
}

/// Peak resident memory above idle, in bytes, of a list that is never held as a whole.
fn million(criteria: &Arc<Criteria>) {
    let mut stream = Stream::of(&lists::list(1_000, true));
    let idle = resident("VmRSS");
    let rounds = MILLION / stream.invitations();
    let mut builder = CensusBuilder::new(Arc::clone(criteria), Millis::from(std::time::SystemTime::now()));
    let mut bytes = 1;
    let time = seconds(|| {
        builder.write(b"[").expect("a list so far");
        for _ in 0..rounds {
            for chunk in stream.next_round().chunks(CHUNK) {
                bytes += chunk.len();
                builder.write(chunk).expect("a list so far");
            }
        }
        builder.write(b"null]").expect("a list so far");
        drop(black_box(builder.finish().expect("a whole list").census()));
    });
    let invitations = rounds * stream.invitations();
    let peak = resident("VmHWM").saturating_sub(idle);
    println!(
        "{invitations} invitations of {:.2} GB in {time:.1} s, generated and folded; peak {:.1} MiB above idle, {:.1} bytes an invitation",
        bytes as f64 / 1e9,
        peak as f64 / 1024.0 / 1024.0,
        peak as f64 / invitations as f64,
    );
}

/// A line of `/proc/self/status`, in bytes.
fn resident(field: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<usize>().ok()).unwrap_or(0) * 1024
}
