//! Reads the content of a file, on a thread that may wait inside of the kernel.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::{Content, ReadError};

/// A pipe does not say how much is to come; no secret is longer.
const PIPE_BYTES: u64 = 64 << 10;
/// What is read at once of a pipe, and is beyond what is expected of any file.
const SPARE: usize = 4096;
/// How often who waits for a pipe's writer looks whether the path still leads to the pipe.
const GLANCE: Duration = Duration::from_millis(200);

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    pub(super) limit: u64,
    pub(super) takes_pipes: bool,
    pub(super) is_of_many: bool,
}

/// Reads the whole of a file. `until` is how long the writer of a pipe is waited for.
pub(super) fn read_whole(path: &Path, kind: Kind, until: std::time::Instant) -> Result<Content, ReadError> {
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
