//! The queue of the one thread that writes the state.
//!
//! # Who waits for whom, and for how long?
//!
//! One thread, the *writer*, touches the state folder. Nobody else does, so a folder that does not answer holds up
//! nobody else. Everybody talks to the writer through the [`WriteQueue`], whose locks are held for moments only.
//!
//! - **The queue** holds at most one entry an organization: that it has to be written, or removed. What has to be
//!   written is not in it: the organization itself merges what a file lacks, and never holds more of that than its
//!   whole list is long. So the queue is bounded, and putting something in it never waits.
//! - **A poll** waits until what it found is on disk, so that no scrape shows a count that a crash takes back. It stops
//!   waiting when the writer has been at one thing for [`Patience::answer`], 5 s, and at once while there is trouble
//!   of any kind: then what it found goes on in memory.
//! - **The writer** waits for the disk, without an end; for work, without an end; and after a failure for
//!   [`Patience::retry`] before it asks the disk again.
//! - **The watch**, a second thread, waits for the writer: [`Patience::answer`] for the end of each thing that it does.
//!   Then it says that there is trouble, which sets everybody free. A third party, because the writer can't say it.
//! - **A start** waits [`Patience::start`], 2 s, for the state to be read. If that takes longer, polls begin without
//!   it, and what they count is added to it later.
//! - **A stop** waits [`Patience::end`], 10 s, until everything is written. Then it goes without.
//! - **Scrapes, health checks, the status page and reloads** wait for nothing here.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use super::organization::OrganizationLifecycle;
use super::store::Failure;
use crate::clock::{Reading, Steady};

#[cfg(test)]
mod interleavings;

/// How exactly the file knows when this process was last alive, and how soon a disk that has fallen silent is noticed
/// while nothing happens but polls.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long anybody waits: see the module.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) start: Duration,
    pub(super) answer: Duration,
    pub(super) retry: Duration,
    pub(super) end: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let [start, answer, retry, end] = [2, 5, 5, 10].map(Duration::from_secs);
        Self { start, answer, retry, end }
    }
}

/// What has to be done for one organization.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    Write(Arc<OrganizationLifecycle>),
    Remove,
}

pub(super) type Batch = HashMap<Arc<str>, Entry>;

/// What the writer takes at once.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) batch: Batch,
    /// The number of its newest entry.
    ticket: u64,
    pub(super) alive_at: Reading,
}

/// What everybody may know of the writer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    /// Everything up to this number is on disk.
    written: u64,
    pub(super) health: Health,
    /// How often something was found on disk that changed what there is to see.
    pub(super) finds: u64,
    pub(super) resets: u64,
}

/// How it goes with the state folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// It takes what is written.
    Good,
    /// It does so again, and what had to stay in memory is being written.
    CatchingUp,
    /// It refuses, is silent, has not been read yet, or was given up.
    Trouble,
}

#[derive(Debug)]
struct Inner {
    batch: Batch,
    /// The number of the newest entry, or of whatever else wants a write.
    ticket: u64,
    /// The number up to which the writer has taken everything.
    taken: u64,
    alive_at: Reading,
    written_at: Option<Steady>,
    /// Since when the writer has been at one thing.
    busy_since: Option<Instant>,
    stage: Stage,
    /// Whether the state has been read.
    is_read: bool,
    /// Whether the trouble there is has been logged.
    is_told: bool,
}

/// How much the writer has before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No end in sight.
    Open,
    /// It has to come to an end.
    Closing,
    /// It has ended.
    Ended,
}

/// What is left for the writer to do, and what everybody may know of it.
pub(super) struct WriteQueue {
    inner: Mutex<Inner>,
    /// The writer waits here.
    work: Condvar,
    /// Who waits for the writer waits here.
    turn: Condvar,
    progress: watch::Sender<Progress>,
    patience: Patience,
    /// For people.
    file: PathBuf,
}

impl WriteQueue {
    pub(super) fn new(file: PathBuf, patience: Patience, now: Reading) -> Self {
        let inner = Inner {
            batch: Batch::new(),
            ticket: 0,
            taken: 0,
            alive_at: now,
            written_at: None,
            busy_since: None,
            stage: Stage::Open,
            is_read: false,
            is_told: false,
        };
        let progress = Progress { written: 0, health: Health::Trouble, finds: 0, resets: 0 };
        let (work, turn) = (Condvar::new(), Condvar::new());
        Self { inner: Mutex::new(inner), work, turn, progress: watch::Sender::new(progress), patience, file }
    }

    /// What is known of the writer now, and each time that it changes.
    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Leaves an entry, in place of an earlier one of the organization, and returns its number.
    pub(super) fn put(&self, id: Arc<str>, entry: Entry, now: Reading) -> u64 {
        let mut inner = self.inner.lock();
        inner.alive_at = now;
        if inner.stage != Stage::Ended {
            inner.batch.insert(id, entry);
            inner.ticket += 1;
            self.work.notify_one();
        }
        inner.ticket
    }

    /// Lets the file know now and then that this process is alive.
    pub(super) fn beat(&self, now: Reading) {
        let mut inner = self.inner.lock();
        inner.alive_at = now;
        if inner.written_at.is_some_and(|at| now.steady.since(at) >= HEARTBEAT) {
            inner.ticket += 1;
            self.work.notify_one();
        }
    }

    /// Returns once everything up to `ticket` is on disk, with whether it is; not so in trouble.
    pub(super) async fn written(&self, ticket: u64) -> bool {
        let is_settled = |progress: &Progress| progress.written >= ticket || progress.health == Health::Trouble;
        let mut progress = self.progress.subscribe();
        progress.wait_for(is_settled).await.is_ok_and(|progress| progress.written >= ticket)
    }

    /// Waits until everything is on disk that has been put so far, and returns whether it is.
    pub(super) fn flush(&self, now: Reading) -> bool {
        let mut inner = self.inner.lock();
        inner.alive_at = now;
        inner.ticket += 1;
        let ticket = inner.ticket;
        self.work.notify_one();
        let deadline = Instant::now() + self.patience.end;
        let is_written = || self.progress.borrow().written >= ticket;
        while !is_written() && inner.stage != Stage::Ended && !self.turn.wait_until(&mut inner, deadline).timed_out() {}
        is_written()
    }

    /// Asks for everything to be written and the folder to be given up, and waits for that for a while.
    pub(super) fn close(&self, now: Reading) -> bool {
        let mut inner = self.inner.lock();
        inner.alive_at = now;
        // Whoever comes later need not wait all over again.
        let deadline = match inner.stage {
            Stage::Open => Instant::now() + self.patience.end,
            Stage::Closing | Stage::Ended => Instant::now(),
        };
        if inner.stage == Stage::Open {
            inner.stage = Stage::Closing;
            self.work.notify_one();
        }
        while inner.stage != Stage::Ended && !self.turn.wait_until(&mut inner, deadline).timed_out() {}
        inner.stage == Stage::Ended
    }

    /// The writer: waits for work; without an open file until `retry` instead. Returns whether to go on after it.
    pub(super) fn wait(&self, retry: Option<Instant>) -> bool {
        let mut inner = self.inner.lock();
        while inner.stage == Stage::Open {
            match retry {
                None if inner.ticket > inner.taken => break,
                None => self.work.wait(&mut inner),
                Some(at) if at <= Instant::now() => break,
                Some(at) => {
                    self.work.wait_until(&mut inner, at);
                }
            }
        }
        inner.busy_since = Some(Instant::now());
        self.turn.notify_all();
        inner.stage == Stage::Open
    }

    /// The writer: the state has been read.
    pub(super) fn read(&self) {
        self.inner.lock().is_read = true;
    }

    /// The writer: takes all there is to do. The disk has just answered.
    pub(super) fn take(&self) -> Work {
        let mut inner = self.inner.lock();
        inner.busy_since = Some(Instant::now());
        self.turn.notify_all();
        inner.taken = inner.ticket;
        Work { batch: std::mem::take(&mut inner.batch), ticket: inner.ticket, alive_at: inner.alive_at }
    }

    /// The last sign of life of the rest.
    pub(super) fn alive_at(&self) -> Reading {
        self.inner.lock().alive_at
    }

    /// The writer: all of this is on disk, or nothing of it is.
    pub(super) fn answered(&self, work: Work, failure: Option<&Failure>, has_found: bool, resets: u64) {
        let mut inner = self.inner.lock();
        inner.busy_since = None;
        let was_in_trouble = self.progress.borrow().health == Health::Trouble;
        let health = if let Some(failure) = failure {
            // What was not put anew meanwhile has to be done again.
            for (id, entry) in work.batch {
                inner.batch.entry(id).or_insert(entry);
            }
            self.tell(&mut inner, failure);
            Health::Trouble
        } else {
            inner.written_at = Some(work.alive_at.steady);
            // What was put during trouble could be seen at once: it has to be on disk before all is well.
            if was_in_trouble && !inner.batch.is_empty() { Health::CatchingUp } else { Health::Good }
        };
        if health == Health::Good && std::mem::take(&mut inner.is_told) {
            tracing::info!("the state folder takes what is written again, and has all of it");
        }
        self.turn.notify_all();
        self.progress.send_modify(|progress| {
            if failure.is_none() {
                progress.written = work.ticket;
            }
            progress.health = health;
            progress.finds += u64::from(has_found);
            progress.resets = resets;
        });
    }

    /// The writer: this was its last act.
    pub(super) fn end(&self) {
        let mut inner = self.inner.lock();
        inner.busy_since = None;
        inner.stage = Stage::Ended;
        inner.batch.clear();
        self.turn.notify_all();
        self.progress.send_modify(|progress| progress.health = Health::Trouble);
    }

    /// The watch: sets everybody free who waits for a writer that is not heard of.
    pub(super) fn watch(&self) {
        let mut inner = self.inner.lock();
        while inner.stage != Stage::Ended {
            let is_known = inner.is_told && self.progress.borrow().health == Health::Trouble;
            let Some(since) = inner.busy_since.filter(|_| !is_known) else {
                self.turn.wait(&mut inner);
                continue;
            };
            let is_late = self.turn.wait_until(&mut inner, since + self.patience.answer).timed_out();
            if is_late && inner.busy_since == Some(since) {
                self.set_free(&mut inner);
            }
        }
    }

    /// Says that there is trouble, because the writer has been at one thing for too long: nobody waits for it any more.
    fn set_free(&self, inner: &mut Inner) {
        self.tell(inner, &format_args!("it has not answered for {:?}", self.patience.answer));
        self.turn.notify_all();
        self.progress.send_modify(|progress| progress.health = Health::Trouble);
    }

    /// Logs trouble, once until all is well again.
    fn tell(&self, inner: &mut Inner, error: &dyn fmt::Display) {
        if std::mem::replace(&mut inner.is_told, true) {
            return;
        }
        let file = self.file.display();
        if inner.is_read {
            tracing::error!(
                %error, %file,
                "the state folder does not take what is written; lifecycle counters go on in memory alone"
            );
        } else {
            tracing::error!(
                %error, %file,
                "the stored state cannot be read; lifecycle counters wait in memory and are shown once it can be"
            );
        }
    }
}

impl fmt::Debug for WriteQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteQueue").finish_non_exhaustive()
    }
}
