//! The threads that a command runs on: whether there are enough of them, and how it runs there.

use std::ffi::OsString;
use std::io;
use std::num::NonZero;
use std::sync::{Arc, mpsc};
use std::thread;

use parking_lot::Mutex;

use super::{Failure, signals};

/// Threads for work that blocks, beside those that may wait for files: what scrapes, lists and passwords are worked on.
const BLOCKING_THREADS: usize = 512;

/// The runtime would read it itself, and panic over what it cannot use.
const VARIABLE: &str = "TOKIO_WORKER_THREADS";

/// Threads that every command needs beside those that polls run on: of the log, of signals, of the state and its watch, two for
/// files, and those that long lists may keep.
const OTHERS: usize = 6 + csp_api::BODY_THREADS;

/// How many threads polls, scrapes and health checks run on; as many have been there.
pub(super) struct Workers(usize);

impl Workers {
    /// Finds out whether there are as many threads as a command needs at once. Where there are not, the libraries that start
    /// them panic, and one of them waits for ever for those that it has started already.
    ///
    /// # Errors
    /// When there are not, and when the variable is no number of threads.
    pub(super) fn find() -> Result<Self, Failure> {
        let workers = Self::wanted(std::env::var_os(VARIABLE))?;
        let needed = workers.0 + OTHERS;
        let mut found = Vec::with_capacity(needed);
        let (stay, until_all_are_there) = mpsc::channel::<()>();
        let until_all_are_there = Arc::new(Mutex::new(until_all_are_there));
        let outcome = (0..needed).try_for_each(|_| {
            let wait = Arc::clone(&until_all_are_there);
            // They end when nobody can send any more.
            let thread = thread::Builder::new().spawn(move || {
                let _ = wait.lock().recv();
            })?;
            found.push(thread);
            Ok::<(), io::Error>(())
        });
        drop(stay);
        let started = found.len();
        for thread in found {
            drop(thread.join());
        }
        outcome.map(|()| workers).map_err(|error| {
            Failure::Running(format!(
                "the system gave {started} of the {needed} threads that it takes: {error}. Raise the limit of processes \
                 (TasksMax of systemd, pids.max of the control group, ulimit -u), or that of memory (ulimit -v)"
            ))
        })
    }

    /// One a processor, unless the variable says how many.
    fn wanted(variable: Option<OsString>) -> Result<Self, Failure> {
        let text = variable.unwrap_or_default().to_string_lossy().trim().to_owned();
        if text.is_empty() {
            return Ok(Self(thread::available_parallelism().map_or(1, NonZero::get)));
        }
        text.parse().ok().filter(|count| (1..=BLOCKING_THREADS).contains(count)).map(Self).ok_or_else(|| {
            Failure::Configuration(format!("{VARIABLE} must be a whole number from 1 to {BLOCKING_THREADS}"))
        })
    }

    /// Runs `command` on a runtime of its own to its end, and no further: what still blocks a thread then, a secret file on
    /// a storage that hangs or a name server that is silent, holds up nobody.
    pub(super) fn block_on<T>(&self, command: impl Future<Output = T>) -> Result<T, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(self.0)
            .max_blocking_threads(BLOCKING_THREADS + file_reader::MOST_READERS)
            .enable_all()
            .build()
            .map_err(Failure::running)?;
        let outcome = runtime.block_on(async {
            signals::survive_limits();
            command.await
        });
        runtime.shutdown_background();
        Ok(outcome)
    }
}
