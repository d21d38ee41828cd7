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
//!   get at most `MOST_OF_MANY` of them: when all of those hang, whoever needs one of the few others, to let a scrape in
//!   or for a reload, still finds a reader. And those that are on one mount get at most `MOST_OF_A_MOUNT`: a mount that
//!   loses its server takes all of its files with it, however many there are, and those on other mounts still find a reader.
//! - A path that hung can lead elsewhere by now: a link was turned, another disk mounted over it. The reader does not
//!   know, and to ask the disk may hang as well. So an operator who asks for a reload sends one more reader a file,
//!   [`try_again`], and at most `MOST_AGAIN` of them.

mod content;
mod lane;
mod mount;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use content::Kind;
use lane::lane;

/// Threads that may wait for files at once, over the whole process.
pub const MOST_READERS: usize = 1024;
/// Of these, threads that may wait for files of which there can be thousands.
const MOST_OF_MANY: usize = 896;
/// Of these, threads that may wait for files of one mount.
const MOST_OF_A_MOUNT: usize = 768;
/// How long most callers wait for a file: long for a disk that answers, short for an operator who waits.
pub const PATIENCE: Duration = Duration::from_secs(10);

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
/// As [`read`]. Where `MOST_OF_A_MOUNT` of them hang on one mount, the others on that mount do, too; where
/// `MOST_OF_MANY` do on several, all others.
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
    lane::try_again();
}

fn size(bytes: u64) -> String {
    if bytes >= 1 << 20 { format!("{} MiB", bytes >> 20) } else { format!("{} KiB", bytes >> 10) }
}

#[cfg(test)]
mod tests;
