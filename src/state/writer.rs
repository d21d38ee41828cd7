//! The one thread that touches the state folder.
//!
//! **Group commit.** A commit costs two `fsync`, and thousands of organizations may be polled a minute. While the disk
//! is busy with one batch, the next one gathers on the [`WriteQueue`].

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use super::organizations::Organizations;
use super::store::{Failure, Files, Found, OpenError, StateFile};
use super::write_queue::{Entry, Patience, Work, WriteQueue};
use crate::clock::Reading;

pub(super) struct Writer {
    queue: Arc<WriteQueue>,
    organizations: Arc<Organizations>,
    state_file: StateFile,
    patience: Patience,
}

/// Starts the writer and its watch for the folder `path`, and waits a moment for what it finds there.
pub(super) fn start(
    path: &Path,
    files: Box<dyn Files>,
    patience: Patience,
    organizations: &Arc<Organizations>,
    now: Reading,
) -> Result<Arc<WriteQueue>, OpenError> {
    let state_file = StateFile::new(path, files);
    let queue = Arc::new(WriteQueue::new(state_file.path(), patience, now));
    let writer = Writer { queue: queue.clone(), organizations: organizations.clone(), state_file, patience };
    // Without a place for a message: either it is taken, or whoever would take it has gone on.
    let (tell, told) = sync_channel(0);
    let watched = queue.clone();
    spawn("state-watch", move || watched.watch())?;
    spawn("state-writer", move || writer.run(&tell))?;
    match told.recv_timeout(patience.start) {
        Ok(outcome) => outcome.map(|()| queue),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(queue),
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), OpenError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map(drop)
        .map_err(|error: io::Error| OpenError::NoThread(error))
}

impl Writer {
    fn run(mut self, tell: &SyncSender<Result<(), OpenError>>) {
        let mut retry = Some(Instant::now());
        let mut is_first = true;
        loop {
            let goes_on = self.queue.wait(retry);
            let outcome = self.turn();
            if std::mem::take(&mut is_first) {
                let hopeless = outcome.as_ref().err().and_then(|failure| self.state_file.is_hopeless(failure));
                let is_hopeless = hopeless.is_some();
                if tell.send(hopeless.map_or(Ok(()), Err)).is_ok() && is_hopeless {
                    break;
                }
            }
            if !goes_on {
                break;
            }
            retry = outcome.is_err().then(|| Instant::now() + self.patience.retry);
        }
        self.state_file.leave();
        self.queue.end();
    }

    /// Sees what is there, and writes what there is to write.
    fn turn(&mut self) -> Result<(), Failure> {
        let now = self.queue.alive_at();
        let known = self.organizations.generation();
        let (found, attached) = self.state_file.attach(now.wall);
        let has_found = found.is_some();
        self.organizations.set_file(self.state_file.file());
        let entries = match found {
            Some(Found::Nothing) => self.organizations.learn(None, now),
            Some(Found::State(content)) => self.organizations.learn(Some(content), now),
            // Another file that holds nothing which memory does not: it lacks something of everybody.
            None if self.organizations.generation() != known => self.organizations.all_entries(),
            None => Vec::new(),
        };
        if has_found {
            self.queue.read();
        }
        for (id, entry) in entries {
            self.queue.put(id, entry, now);
        }
        let work = self.queue.take();
        let outcome = attached.and_then(|()| self.write(&work));
        if outcome.is_err() {
            // After an error redb wants its file opened anew.
            self.state_file.detach();
            for entry in work.batch.values() {
                if let Entry::Write(organization) = entry {
                    organization.lost();
                }
            }
        }
        self.queue.answered(work, outcome.as_ref().err(), has_found, self.state_file.resets());
        outcome
    }

    fn write(&mut self, work: &Work) -> Result<(), Failure> {
        let Some(file) = self.state_file.file().cloned() else {
            return Err(Failure::Unavailable("no file is open".to_owned()));
        };
        let (mut removals, mut organizations, mut writes) = (Vec::new(), Vec::new(), Vec::new());
        for (id, entry) in &work.batch {
            match entry {
                Entry::Remove => removals.push(&**id),
                Entry::Write(organization) => {
                    if let Some(write) = organization.take(&file, work.alive_at) {
                        organizations.push(organization);
                        writes.push(write);
                    }
                }
            }
        }
        self.state_file.commit(&removals, &writes, work.alive_at.wall)?;
        for (organization, write) in organizations.into_iter().zip(writes) {
            organization.written(write);
        }
        Ok(())
    }
}
