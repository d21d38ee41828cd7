//! What it takes to pass over the JSON of a file without keeping anything: the yardstick of `tests/perf/poll.py`.
//! `cargo bench --bench validate -- FILE` prints the median of several runs, in seconds.

#![expect(clippy::print_stdout, reason = "the result")]

use std::hint::black_box;
use std::time::Instant;

use serde::de::IgnoredAny;

const RUNS: usize = 7;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(file) = std::env::args().skip(1).find(|argument| !argument.starts_with('-')) else { return Ok(()) };
    let list = std::fs::read(file)?;
    let mut seconds = [0.0; RUNS];
    for run in &mut seconds {
        let start = Instant::now();
        serde_json::from_slice::<IgnoredAny>(black_box(&list))?;
        *run = start.elapsed().as_secs_f64();
    }
    seconds.sort_by(f64::total_cmp);
    println!("{}", seconds[RUNS / 2]);
    Ok(())
}
