//! The queue in front of each file, and the readers that all of them share.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::content::{Kind, read_whole};
use super::mount;
use super::{Content, MOST_OF_MANY, MOST_READERS, ReadError};

/// Readers that are sent after a first one that hangs, at most.
const MOST_AGAIN: usize = 3;
/// A reader that takes longer than this counts as hanging.
const HANGS: Duration = Duration::from_secs(5);

static LANES: LazyLock<Mutex<Lanes>> = LazyLock::new(Mutex::default);
static READERS: Semaphore = Semaphore::const_new(MOST_READERS);
static READERS_OF_MANY: Semaphore = Semaphore::const_new(MOST_OF_MANY);

/// The queues in front of all files that somebody asks for.
#[derive(Debug, Default)]
struct Lanes {
    by_path: HashMap<PathBuf, Lane>,
    /// With as many, those that nobody asks for any more are looked for: seldom enough to cost little a file.
    full: usize,
}

/// Queues that are kept in any case.
const FEW_LANES: usize = 64;

/// The queue in front of one file.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    turns: Arc<Semaphore>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// When the newest reader started.
    since: Option<std::time::Instant>,
    /// Turns beyond the one that each file has.
    again: usize,
    /// Reads that have not begun yet: who comes now may join.
    next: HashMap<Kind, Next>,
}

/// A read that several wait for.
pub(super) type SharedRead = BoxFuture<'static, Result<Arc<Content>, ReadError>>;

/// A read that has not begun. It is there as long as somebody waits for it, and moves on while any of them does.
#[derive(Debug)]
struct Next {
    read: WeakShared<SharedRead>,
    /// When the last of them gives up.
    deadline: Instant,
}

/// The right to send a reader to a file.
pub(super) struct Turn {
    lane: Lane,
    permit: OwnedSemaphorePermit,
    reader: (Option<OfMany>, SemaphorePermit<'static>),
}

/// The right to send one to one of many files.
struct OfMany {
    _of_mount: OwnedSemaphorePermit,
    _of_all: SemaphorePermit<'static>,
}

impl Lane {
    /// Waits until the file's reader is at leisure. `of_many` is the path of a file that is one of many.
    pub(super) async fn turn(self, of_many: Option<&Path>) -> Result<Turn, ReadError> {
        let gone = |_| io::Error::other("the process is stopping");
        let permit = Arc::clone(&self.turns).acquire_owned().await.map_err(gone)?;
        let of_many = match of_many {
            Some(path) => {
                let of_mount = mount::readers(path).acquire_owned().await.map_err(gone)?;
                Some(OfMany { _of_mount: of_mount, _of_all: READERS_OF_MANY.acquire().await.map_err(gone)? })
            }
            None => None,
        };
        let reader = READERS.acquire().await.map_err(gone)?;
        Ok(Turn { lane: self, permit, reader: (of_many, reader) })
    }

    /// The read that begins next.
    pub(super) fn next_read(self, path: &Path, kind: Kind, deadline: Instant) -> Shared<SharedRead> {
        let state = Arc::clone(&self.state);
        let mut state = state.lock();
        if let Some(next) = state.next.get_mut(&kind)
            && let Some(read) = next.read.upgrade()
        {
            next.deadline = next.deadline.max(deadline);
            return read;
        }
        let path = path.to_owned();
        let read = async move {
            let turn = self.turn(kind.is_of_many.then_some(&*path)).await?;
            // Who comes from here on comes too late for this read.
            let next = turn.lane.state.lock().next.remove(&kind);
            let deadline = next.map_or(deadline, |next| next.deadline);
            turn.work(deadline, move |until| read_whole(&path, kind, until)).await.map(Arc::new)
        };
        let read = read.boxed().shared();
        if let Some(weak) = read.downgrade() {
            state.next.insert(kind, Next { read: weak, deadline });
        }
        read
    }

    /// Ends a reader's turn. One that was given beside another is not given again.
    fn finished(&self, turn: OwnedSemaphorePermit) {
        let mut state = self.state.lock();
        state.since = None;
        if state.again > 0 {
            state.again -= 1;
            turn.forget();
        }
    }
}

impl Turn {
    /// Does `job` on a thread that may wait.
    pub(super) async fn work<T: Send + 'static>(
        self,
        deadline: Instant,
        job: impl FnOnce(std::time::Instant) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let Self { lane, permit, reader } = self;
        let left = deadline.saturating_duration_since(Instant::now());
        let at_work = spawn_blocking(move || {
            lane.state.lock().since = Some(std::time::Instant::now());
            let outcome = job(std::time::Instant::now() + left);
            drop(reader);
            lane.finished(permit);
            outcome
        });
        at_work.await.unwrap_or_else(|error| Err(io::Error::other(error).into()))
    }
}

/// The queue in front of `path`. Files that nobody asks for any more are forgotten meanwhile.
pub(super) fn lane(path: &Path) -> Lane {
    let mut lanes = LANES.lock();
    let Lanes { by_path, full } = &mut *lanes;
    if let Some(lane) = by_path.get(path) {
        return lane.clone();
    }
    if by_path.len() >= *full {
        by_path.retain(|_, lane| Arc::strong_count(&lane.turns) > 1);
        *full = (by_path.len() * 2).max(FEW_LANES);
    }
    let lane = Lane { turns: Arc::new(Semaphore::new(1)), state: Arc::default() };
    by_path.insert(path.to_owned(), lane.clone());
    lane
}

/// See [`super::try_again`].
pub(super) fn try_again() {
    for lane in LANES.lock().by_path.values() {
        let mut state = lane.state.lock();
        let hangs = state.since.is_some_and(|since| since.elapsed() >= HANGS);
        if hangs && lane.turns.available_permits() == 0 && state.again < MOST_AGAIN {
            state.again += 1;
            lane.turns.add_permits(1);
        }
    }
}
