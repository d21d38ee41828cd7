//! The queue between polls and the writer, in every order in which they can take turns.
//!
//! Each call is one turn under the queue's lock, so the order of the calls is all that can differ. Here it is drawn by lot,
//! thousands of times, with the same lots in each run, and compared with a list of what was put and what is on disk.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::clock::{Reading, Steady};

const ORGANIZATIONS: usize = 3;

/// Whether a poll has been told that its wait may be over.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A poll that waits until what it put is on disk.
struct Waiting {
    organization: usize,
    put: usize,
    written: Pin<Box<dyn Future<Output = bool>>>,
    woken: Arc<Woken>,
}

/// One run: the queue, and what should come of it. Puts are counted from 1; 0 is none.
struct Run {
    queue: Arc<WriteQueue>,
    now: Reading,
    ids: [Arc<str>; ORGANIZATIONS],
    /// What each put left, by its number.
    entries: Vec<Entry>,
    /// The newest put of each organization, and the one that is on disk.
    newest: [usize; ORGANIZATIONS],
    on_disk: [usize; ORGANIZATIONS],
    /// What the writer has taken.
    taken: Option<(Work, [usize; ORGANIZATIONS])>,
    waiting: Vec<Waiting>,
    /// What a poll went on with before it was on disk: it can be seen.
    seen_early: [usize; ORGANIZATIONS],
}

impl Run {
    fn new() -> Self {
        let now = Reading { wall: invitations::Millis(0), steady: Steady(0) };
        Self {
            queue: Arc::new(WriteQueue::new("state".into(), Patience::default(), now)),
            now,
            ids: ["a", "b", "c"].map(Arc::from),
            entries: vec![Entry::Remove],
            newest: [0; ORGANIZATIONS],
            on_disk: [0; ORGANIZATIONS],
            taken: None,
            waiting: Vec::new(),
            seen_early: [0; ORGANIZATIONS],
        }
    }

    fn health(&self) -> Health {
        self.queue.progress.borrow().health
    }

    fn put(&mut self, organization: usize, is_removal: bool) {
        let id = &self.ids[organization];
        let entry = if is_removal {
            Entry::Remove
        } else {
            Entry::Write(Arc::new(OrganizationLifecycle::new(Arc::clone(id), false)))
        };
        let ticket = self.queue.put(Arc::clone(id), entry.clone(), self.now);
        self.newest[organization] = self.entries.len();
        let (queue, woken) = (Arc::clone(&self.queue), Arc::new(Woken(AtomicBool::new(true))));
        // Tokio makes a task that never waits pause now and then: this one is polled by hand.
        let written = Box::pin(tokio::task::unconstrained(async move { queue.written(ticket).await }));
        self.waiting.push(Waiting { organization, put: self.entries.len(), written, woken });
        self.entries.push(entry);
    }

    /// The writer takes what is there: of each organization the newest that the disk lacks, and nothing else.
    fn take(&mut self) {
        assert_eq!(self.queue.wait(Some(Instant::now())), self.queue.inner.lock().stage == Stage::Open);
        let work = self.queue.take();
        let mut expected = [0; ORGANIZATIONS];
        for (organization, id) in self.ids.iter().enumerate() {
            let (newest, on_disk) = (self.newest[organization], self.on_disk[organization]);
            assert_eq!(work.batch.contains_key(id), newest > on_disk, "{id}: {newest} put, {on_disk} on disk");
            if newest > on_disk {
                expected[organization] = newest;
                let is_it = match (&work.batch[id], &self.entries[newest]) {
                    (Entry::Write(taken), Entry::Write(put)) => Arc::ptr_eq(taken, put),
                    (Entry::Remove, Entry::Remove) => true,
                    _ => false,
                };
                assert!(is_it, "{id}: not what was put last");
            }
        }
        assert!(self.taken.replace((work, expected)).is_none());
    }

    fn answer(&mut self, failure: Option<&Failure>) {
        let Some((work, numbers)) = self.taken.take() else { return };
        if failure.is_none() {
            for (on_disk, number) in self.on_disk.iter_mut().zip(numbers) {
                *on_disk = (*on_disk).max(number);
            }
        }
        self.queue.answered(work, failure, false, 0);
    }

    /// The watch has waited for the writer for too long.
    fn lose_patience(&self) -> bool {
        let mut inner = self.queue.inner.lock();
        let is_busy = inner.busy_since.is_some();
        if is_busy {
            self.queue.set_free(&mut inner);
        }
        is_busy
    }

    /// Lets all polls look, of which none may have to wait any longer.
    fn all_go_on(&mut self, seed: u64) {
        while let Some(place) = self.waiting.len().checked_sub(1) {
            assert!(self.go_on(place), "seed {seed}: it waits for ever");
        }
    }

    /// Lets a poll look whether it may go on, if it has been woken.
    fn go_on(&mut self, place: usize) -> bool {
        let waiting = &mut self.waiting[place];
        if !waiting.woken.0.swap(false, Ordering::SeqCst) {
            return false;
        }
        let waker = Waker::from(Arc::clone(&waiting.woken));
        let Poll::Ready(is_written) = waiting.written.as_mut().poll(&mut Context::from_waker(&waker)) else {
            return false;
        };
        let Waiting { organization, put, .. } = self.waiting.swap_remove(place);
        if is_written {
            assert!(self.on_disk[organization] >= put, "{put} is not on disk");
        } else {
            assert_eq!(self.health(), Health::Trouble, "{put} was given up without any");
            self.seen_early[organization] = self.seen_early[organization].max(put);
        }
        true
    }

    /// All is well only if nothing can be seen that a crash would take back.
    fn check(&self) {
        let lacks = self.seen_early.iter().zip(self.on_disk).any(|(seen, on_disk)| *seen > on_disk);
        assert!(
            self.health() != Health::Good || !lacks,
            "{:?} can be seen, {:?} is stored",
            self.seen_early,
            self.on_disk
        );
    }
}

#[test]
fn in_any_order_the_newest_is_written_and_nobody_is_told_of_more_than_the_disk_has() {
    let (mut stored, mut early, mut ends) = (0, 0, 0);
    for seed in 0..4000 {
        let (mut lots, mut run) = (StdRng::seed_from_u64(seed), Run::new());
        let failure = Failure::Unavailable("by lot".to_owned());
        let breaks = lots.random_range(0..3);
        for _ in 0..120 {
            match lots.random_range(0..12) {
                0..=2 if run.waiting.len() < 8 => {
                    run.put(lots.random_range(0..ORGANIZATIONS), lots.random_range(0..4) == 0);
                }
                3 => run.queue.beat(run.now),
                4 => run.now.steady = run.now.steady.after(HEARTBEAT / 2),
                5 => {
                    if run.lose_patience() && lots.random_range(0..2) == 0 {
                        run.all_go_on(seed);
                    }
                }
                6 | 7 if run.taken.is_none() => run.take(),
                6..=8 => run.answer(Some(&failure).filter(|_| lots.random_range(0..3) < breaks)),
                9 if !run.waiting.is_empty() => drop(run.waiting.swap_remove(lots.random_range(0..run.waiting.len()))),
                _ if run.waiting.is_empty() => {}
                _ => {
                    let before = (run.waiting.len(), run.seen_early);
                    if run.go_on(lots.random_range(0..before.0)) {
                        if run.seen_early == before.1 { stored += 1 } else { early += 1 }
                    }
                }
            }
            run.check();
        }
        // In the end the disk takes everything, or the writer goes.
        if lots.random_range(0..4) == 0 {
            run.answer(None);
            run.queue.end();
            ends += 1;
        } else {
            for _ in 0..2 {
                run.answer(None);
                run.take();
                run.answer(None);
                run.check();
            }
            assert_eq!((run.on_disk, run.health()), (run.newest, Health::Good), "seed {seed}");
        }
        run.all_go_on(seed);
    }
    assert!(stored > 1000 && early > 1000 && ends > 100, "{stored} were stored, {early} seen before, {ends} ends");
}
