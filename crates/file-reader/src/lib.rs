//! Reads files for callers that cannot wait for ever.
//!
//! A file can hang: its mount has lost its server, or it is a pipe that nobody writes to. Whoever reads it then waits
//! inside of the kernel, for hours, and cannot be called back. **Who waits for whom, and for how long?**
//!
//! - One reader a file waits for the disk, for as long as that takes. It is a thread of the runtime's pool for blocking
//!   work, never one that polls, scrapes, health checks and signals run on.
//! - Everybody else waits for that reader, as a task and not as a thread, and until a deadline of their own. Who gives
//!   up costs nothing any more. A file that hangs so costs one thread, however often it is asked for.
//! - Nobody is given what was read before they asked: who comes while a reader is at work waits for its end, and for the
//!   one read that follows for all of them. So a file that was changed is never seen as it was, and two reads serve any
//!   number of callers: a thousand organizations that share a secret do not wait for a thousand reads.
//! - A file's reader waits for no other file. All readers together are at most [`MOST_READERS`] threads; runtimes that
//!   read files get so many beside what they need otherwise. Files that there can be thousands of, [`read_one_of_many`],
//!   get at most [`MOST_OF_MANY`] of them: when all of those hang, whoever needs one of the few others, to let a scrape in
//!   or for a reload, still finds a reader. And those that are on one mount get at most [`MOST_OF_A_MOUNT`]: a mount that
//!   loses its server takes all of its files with it, however many there are, and those on other mounts still find a reader.
//! - A path that hung can lead elsewhere by now: a link was turned, another disk mounted over it. The reader does not
//!   know, and to ask the disk may hang as well. So an operator who asks for a reload sends one more reader a file,
//!   [`try_again`], and at most `MOST_AGAIN` of them.

mod mount;

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

/// Threads that may wait for files at once, over the whole process.
pub const MOST_READERS: usize = 1024;
/// Of these, threads that may wait for files of which there can be thousands.
const MOST_OF_MANY: usize = 896;
/// Of these, threads that may wait for files of one mount.
const MOST_OF_A_MOUNT: usize = 768;
/// How long most callers wait for a file: long for a disk that answers, short for an operator who waits.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Readers that are sent after a first one that hangs, at most.
const MOST_AGAIN: usize = 3;
/// A reader that takes longer than this counts as hanging.
const HANGS: Duration = Duration::from_secs(5);
/// A pipe does not say how much is to come; no secret is longer.
const PIPE_BYTES: u64 = 64 << 10;
/// What is read at once of a pipe, and is beyond what is expected of any file.
const SPARE: usize = 4096;
/// How often who waits for a pipe's writer looks whether the path still leads to the pipe.
const GLANCE: Duration = Duration::from_millis(200);

/// What a file holds. It is overwritten when it is dropped, and left behind nowhere on the way: any file may hold a secret.
pub type Content = Zeroizing<Vec<u8>>;

/// Why a file's content is not to be had. Names neither the file nor anything of its content.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// What the system says.
    #[error("{0}")]
    System(Arc<io::Error>),
    /// A folder.
    #[error("it is a folder, not a file")]
    Folder,
    /// A pipe where one is of no use.
    #[error("it is a pipe, and would be empty the next time")]
    Pipe,
    /// A device or the like, which need not end.
    #[error("it is neither a regular file nor a pipe")]
    NotAFile,
    /// It goes on after as many bytes as are allowed.
    #[error("it is larger than {}", size(*.0))]
    TooLarge(u64),
    /// It has not been read in time.
    #[error(
        "it took longer than {:.0?}; the disk or mount that it is on does not answer, or nobody writes \
         into the pipe", .0
    )]
    Hangs(Duration),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::System(Arc::new(error))
    }
}

impl ReadError {
    /// Whether the file neither answers nor fails.
    #[must_use]
    pub fn hangs(&self) -> bool {
        matches!(self, Self::Hangs(_))
    }
}

/// Reads the whole of a regular file, or of a pipe until its writer closes it.
///
/// # Errors
/// When it is something else, is larger than `limit` bytes, cannot be read, or was not read before `deadline`.
pub async fn read(path: &Path, limit: u64, deadline: Instant) -> Result<Content, ReadError> {
    share(path, Kind { limit, takes_pipes: true, is_of_many: false }, deadline).await
}

/// [`read`], for a file of a kind that there can be thousands of, such as the secrets of organizations.
///
/// # Errors
/// As [`read`]. Where [`MOST_OF_A_MOUNT`] of them hang on one mount, the others on that mount do, too; where
/// [`MOST_OF_MANY`] do on several, all others.
pub async fn read_one_of_many(path: &Path, limit: u64, deadline: Instant) -> Result<Content, ReadError> {
    share(path, Kind { limit, takes_pipes: true, is_of_many: true }, deadline).await
}

/// [`read`], for files that are read again and again: a pipe is refused at once.
///
/// # Errors
/// As [`read`], and when it is a pipe.
pub async fn read_regular(path: &Path, limit: u64, deadline: Instant) -> Result<Content, ReadError> {
    share(path, Kind { limit, takes_pipes: false, is_of_many: false }, deadline).await
}

/// Lets the reader of `path` do `job` when it is at leisure, and waits for the outcome until `deadline`. `job` is told
/// when nobody will be interested in it any more.
///
/// # Errors
/// Those of `job`, and [`ReadError::Hangs`].
pub async fn ask<T: Send + 'static>(
    path: &Path,
    deadline: Instant,
    job: impl FnOnce(std::time::Instant) -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    let asked = async {
        let turn = lane(path).turn(None).await?;
        turn.work(deadline, job).await
    };
    within(deadline, asked).await
}

/// Waits for the next read of this kind, together with all who want the same.
async fn share(path: &Path, kind: Kind, deadline: Instant) -> Result<Content, ReadError> {
    let read = lane(path).next_read(path, kind, deadline);
    within(deadline, read).await.map(Arc::unwrap_or_clone)
}

async fn within<T>(deadline: Instant, work: impl Future<Output = Result<T, ReadError>>) -> Result<T, ReadError> {
    let start = Instant::now();
    timeout_at(deadline, work).await.unwrap_or_else(|_| Err(ReadError::Hangs(start.elapsed())))
}

/// Sends another reader to each file whose reader hangs, up to a few a file: the path may lead elsewhere by now. For
/// operators, not for timers: what hangs on costs one more thread each time.
pub fn try_again() {
    for lane in LANES.lock().by_path.values() {
        let mut state = lane.state.lock();
        let hangs = state.since.is_some_and(|since| since.elapsed() >= HANGS);
        if hangs && lane.turns.available_permits() == 0 && state.again < MOST_AGAIN {
            state.again += 1;
            lane.turns.add_permits(1);
        }
    }
}

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
struct Lane {
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

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    limit: u64,
    takes_pipes: bool,
    is_of_many: bool,
}

/// A read that several wait for.
type SharedRead = BoxFuture<'static, Result<Arc<Content>, ReadError>>;

/// A read that has not begun. It is there as long as somebody waits for it, and moves on while any of them does.
#[derive(Debug)]
struct Next {
    read: WeakShared<SharedRead>,
    /// When the last of them gives up.
    deadline: Instant,
}

/// The right to send a reader to a file.
struct Turn {
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
    async fn turn(self, of_many: Option<&Path>) -> Result<Turn, ReadError> {
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
    fn next_read(self, path: &Path, kind: Kind, deadline: Instant) -> Shared<SharedRead> {
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
    async fn work<T: Send + 'static>(
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
fn lane(path: &Path) -> Lane {
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

/// `until` is how long the writer of a pipe is waited for.
fn read_whole(path: &Path, kind: Kind, until: std::time::Instant) -> Result<Content, ReadError> {
    let Kind { limit, takes_pipes, is_of_many: _ } = kind;
    let open = |flags: OFlags| OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    loop {
        // Opening a pipe waits for its writer otherwise, and a terminal would become that of this process.
        let file = match open(OFlags::NONBLOCK | OFlags::NOCTTY) {
            // A file server lends the file to somebody, and has to ask for it back.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => open(OFlags::NOCTTY)?,
            opened => opened?,
        };
        let metadata = file.metadata()?;
        let file_type = metadata.file_type();
        // One that has to grow leaves behind what it had.
        let expected = if file_type.is_file() { metadata.len() } else { PIPE_BYTES }.min(limit);
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(expected).unwrap_or(0) + SPARE));
        if file_type.is_dir() {
            return Err(ReadError::Folder);
        } else if file_type.is_fifo() {
            if !takes_pipes {
                return Err(ReadError::Pipe);
            }
            let is_still_there =
                || Ok(fs::metadata(path).map(|now| (now.dev(), now.ino()))? == (metadata.dev(), metadata.ino()));
            if !read_pipe(file, limit, until, is_still_there, &mut bytes)? {
                continue;
            }
        } else if file_type.is_file() {
            file.take(limit + 1).read_to_end(&mut bytes)?;
        } else {
            return Err(ReadError::NotAFile);
        }
        return if bytes.len() as u64 > limit { Err(ReadError::TooLarge(limit)) } else { Ok(bytes) };
    }
}

/// Reads a pipe until its writer closes it; `false` when the path came to lead elsewhere while there was none.
fn read_pipe(
    mut pipe: File,
    limit: u64,
    until: std::time::Instant,
    is_still_there: impl Fn() -> io::Result<bool>,
    bytes: &mut Vec<u8>,
) -> Result<bool, ReadError> {
    let start = std::time::Instant::now();
    let mut chunk = Zeroizing::new([0; SPARE]);
    while bytes.len() as u64 <= limit {
        let left = until.saturating_duration_since(std::time::Instant::now());
        if left.is_zero() {
            return Err(ReadError::Hangs(start.elapsed()));
        }
        let glance = Timespec { tv_sec: 0, tv_nsec: left.min(GLANCE).subsec_nanos().into() };
        match poll(&mut [PollFd::new(&pipe, PollFlags::IN)], Some(&glance)) {
            Ok(0) if bytes.is_empty() && !is_still_there()? => return Ok(false),
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
        match pipe.read(&mut *chunk) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

fn size(bytes: u64) -> String {
    if bytes >= 1 << 20 { format!("{} MiB", bytes >> 20) } else { format!("{} KiB", bytes >> 10) }
}

#[cfg(test)]
mod tests;
