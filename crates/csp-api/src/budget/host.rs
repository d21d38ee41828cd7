//! The queue of one host: who waits for whom, and for how long.
//!
//! Requests start one after the other, in three ranks:
//!
//! 1. **Of polls that have begun**: the second request of a poll, and its retries. They wait for the rate, a place and
//!    the host's pauses, but for no other poll, and no longer than until their poll's deadline. Only polls that got
//!    their turn can be in this rank, so there are never many.
//! 2. **First requests of polls**, in the order in which the polls came. They wait as long as it takes for those before
//!    them: no deadline counts yet. An organization has at most one poll in here, so all of them take turns and none
//!    starves. A poll that a reload begins anew keeps its place.
//! 3. **Questions** that no poll depends on, one at a time. They go when nobody of the other ranks waits, and hold one
//!    place at most, so that a poll waits for a question only where there is no second place.
//!
//! The queue is served by a task of its own that runs while anybody waits. It waits for the end of a pause, for the rate,
//! and then for a place, and only then looks who is first: whoever came meanwhile and goes before others does so. In this
//! order no rate is saved up while places are taken, and no place is held by somebody who waits for the rate. A place is
//! held for one attempt, which `api.timeout` ends. The queues of several hosts wait for places first come, first served,
//! but for one place that is each host's own: so a console that does not answer leaves a place to every other.
//!
//! Nobody waits here for longer than a poll can when the service asks for it by `Retry-After`: who was asked to wait beyond
//! its deadline ends at once, and is [held back](Host::hold) from then on. All others of the host wait for a [pause](Host::pause)
//! of a minute at the most.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::Limits;
use crate::deadline::Deadline;
use crate::error::Reason;
use crate::observer::Observer;

/// A start that comes late, because timers are coarse, lets the next one come as much earlier, up to this much.
const SLACK: Duration = Duration::from_millis(5);
/// A wait that is worth being counted.
const NOTABLE: Duration = Duration::from_millis(1);

/// The budget of one host, and the queue in front of it.
#[derive(Debug)]
pub struct Host {
    name: String,
    limits: watch::Receiver<Limits>,
    resumes: watch::Receiver<u64>,
    /// Until when the host asked for no request.
    pause: watch::Sender<Option<Instant>>,
    /// What the service wants to be left alone about, and until when.
    holds: Mutex<HashMap<String, Hold>>,
    queue: Mutex<Queue>,
    /// The only question that may be under way.
    question: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Who waits, by the number of its deadline, and where several requests go by one, in the order in which they came.
    waiting: [BTreeMap<(u64, u64), oneshot::Sender<OwnedSemaphorePermit>>; Rank::COUNT],
    /// When the last request started, or should have started; `None` before the first.
    last: Option<Instant>,
    is_served: bool,
}

/// Who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rank {
    Begun,
    First,
    Question,
}

impl Rank {
    const COUNT: usize = 3;

    fn of(deadline: &Deadline) -> Self {
        match (deadline.is_question(), deadline.begun()) {
            (true, _) => Self::Question,
            (false, Some(_)) => Self::Begun,
            (false, None) => Self::First,
        }
    }
}

/// Why a request was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// No turn before the deadline.
    Deadline,
    /// The service's pause ends after the deadline.
    Paused,
}

/// A request may run while it has this.
#[derive(Debug)]
pub struct Turn {
    _place: OwnedSemaphorePermit,
    _question: Option<OwnedSemaphorePermit>,
}

/// What the service wants to be left alone about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hold {
    pub(crate) until: Instant,
    /// What it refused with when it said so.
    pub(crate) reason: Reason,
}

impl Host {
    pub(super) fn new(name: String, limits: watch::Receiver<Limits>, resumes: watch::Receiver<u64>) -> Self {
        Self {
            name,
            limits,
            resumes,
            pause: watch::Sender::new(None),
            holds: Mutex::default(),
            queue: Mutex::default(),
            question: Arc::new(Semaphore::new(1)),
        }
    }

    /// Waits until a request may start, which lets its deadline count from then on; returns when that is up. The place is
    /// free again when the turn is dropped.
    ///
    /// # Errors
    /// When the deadline counts already, and does not leave the time to wait.
    pub async fn turn(
        self: &Arc<Self>,
        deadline: &Deadline,
        observer: &dyn Observer,
    ) -> Result<(Turn, Instant), Denied> {
        let start = Instant::now();
        let turn = match deadline.at() {
            None => Ok(self.wait(deadline).await),
            Some(at) => tokio::select! {
                biased;
                () = sleep_until(at) => Err(Denied::Deadline),
                () = self.paused_beyond(at) => Err(Denied::Paused),
                turn = self.wait(deadline) => Ok(turn),
            },
        };
        let now = Instant::now();
        if now - start >= NOTABLE {
            observer.throttle_wait(now - start);
        }
        let turn = turn?;
        deadline.begin(now);
        Ok((turn, deadline.at().unwrap_or(now)))
    }

    async fn wait(self: &Arc<Self>, deadline: &Deadline) -> Turn {
        let rank = Rank::of(deadline);
        let question = match rank {
            Rank::Question => Arc::clone(&self.question).acquire_owned().await.ok(),
            Rank::Begun | Rank::First => None,
        };
        let (sender, receiver) = oneshot::channel();
        let is_served = {
            let mut queue = self.queue.lock();
            let waiting = &mut queue.waiting[rank as usize];
            let mut place = (deadline.number(), 0);
            // One that gave up leaves its place to who comes again.
            while waiting.get(&place).is_some_and(|other| !other.is_closed()) {
                place.1 += 1;
            }
            waiting.insert(place, sender);
            std::mem::replace(&mut queue.is_served, true)
        };
        if !is_served {
            tokio::spawn(Arc::clone(self).serve());
        }
        match receiver.await {
            Ok(place) => Turn { _place: place, _question: question },
            // The queue was left by the task that serves it: only at the end of the runtime.
            Err(_) => std::future::pending().await,
        }
    }

    /// Gives turns to those who wait, until nobody does.
    async fn serve(self: Arc<Self>) {
        let mut serving = Serving { host: &self, is_done: false };
        let mut limits = self.limits.clone();
        loop {
            self.may_start().await;
            let places = Arc::clone(&limits.borrow_and_update().places);
            let place = tokio::select! {
                place = places.take(&self.name) => place,
                // Other places.
                () = changed(&mut limits) => continue,
            };
            let Ok(place) = place else { return };
            let now = Instant::now();
            let mut queue = self.queue.lock();
            // A pause can have begun while there was no place.
            if self.earliest(&queue, &limits.borrow()).is_some_and(|earliest| earliest > now) {
                continue;
            }
            queue.give(place, now, limits.borrow().period);
            if queue.waiting.iter().all(BTreeMap::is_empty) {
                // Under the lock: who comes next finds it unserved.
                queue.is_served = false;
                serving.is_done = true;
                return;
            }
        }
    }

    /// Waits for the end of a pause and for the rate.
    async fn may_start(&self) {
        let (mut pause, mut limits) = (self.pause.subscribe(), self.limits.clone());
        loop {
            pause.mark_unchanged();
            let earliest = self.earliest(&self.queue.lock(), &limits.borrow_and_update());
            let Some(earliest) = earliest.filter(|&earliest| earliest > Instant::now()) else { return };
            tokio::select! {
                () = sleep_until(earliest) => {}
                () = changed(&mut pause) => {}
                () = changed(&mut limits) => {}
            }
        }
    }

    /// When the next request may start, by the rate and the host's pause.
    fn earliest(&self, queue: &Queue, limits: &Limits) -> Option<Instant> {
        queue.last.map(|last| last + limits.period).max(*self.pause.borrow())
    }

    async fn paused_beyond(&self, deadline: Instant) {
        let mut pause = self.pause.subscribe();
        if pause.wait_for(|until| until.is_some_and(|until| until > deadline)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Lets no request start for `length`; a pause that ends later stays.
    pub fn pause(&self, length: Duration) {
        let until = Instant::now() + length;
        self.pause.send_modify(|pause| *pause = (*pause).max(Some(until)));
    }

    /// Lets nobody ask about `subject` while `hold` lasts, because the service wants it so. Whatever is configured later: it
    /// ends with its time, or with the process.
    pub(crate) fn hold(&self, subject: String, hold: Hold) {
        let mut holds = self.holds.lock();
        let now = Instant::now();
        holds.retain(|_, hold| hold.until > now);
        holds.insert(subject, hold);
    }

    /// Until when nobody may ask about `subject`, and why; `None` when anybody may.
    pub(crate) fn held(&self, subject: &str) -> Option<Hold> {
        self.holds.lock().get(subject).copied().filter(|hold| hold.until > Instant::now())
    }

    /// Sleeps for `length`, or until back-offs are ended: for pauses that nobody asked for.
    pub(crate) async fn back_off(&self, length: Duration) {
        let mut resumes = self.resumes.clone();
        resumes.mark_unchanged();
        tokio::select! {
            () = tokio::time::sleep(length) => {}
            () = changed(&mut resumes) => {}
        }
    }
}

impl Queue {
    /// Gives a place to the first who still waits.
    fn give(&mut self, mut place: OwnedSemaphorePermit, now: Instant, period: Duration) {
        for waiting in &mut self.waiting {
            while let Some((_, first)) = waiting.pop_first() {
                match first.send(place) {
                    Ok(()) => {
                        let sooner = now.checked_sub(SLACK).unwrap_or(now);
                        self.last = Some(self.last.map_or(now, |last| (last + period).max(sooner)));
                        return;
                    }
                    // It gave up.
                    Err(back) => place = back,
                }
            }
        }
    }
}

/// Returns when a value has changed. One that nobody can change any more does not.
async fn changed<T>(value: &mut watch::Receiver<T>) {
    if value.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The task that serves a queue. When it ends before its time, the next who comes starts another one.
struct Serving<'h> {
    host: &'h Host,
    is_done: bool,
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.host.queue.lock().is_served = false;
        }
    }
}
