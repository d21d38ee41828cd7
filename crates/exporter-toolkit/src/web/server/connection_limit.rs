//! How many connections there may be, and which one makes room.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::connection_state::ConnectionState;

/// The connections of a server, no more than a limit.
#[derive(Debug)]
pub(super) struct ConnectionLimit {
    limit: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    states: HashMap<u64, Arc<ConnectionState>>,
}

impl ConnectionLimit {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit: limit.max(1), taken: Mutex::default() })
    }

    /// A lease, if need be that of the most dispensable connection; `None` when all others are being answered.
    pub(super) fn acquire(self: &Arc<Self>) -> Option<Lease> {
        let mut taken = self.taken.lock();
        if taken.states.len() >= self.limit && !taken.evict() {
            return None;
        }
        let number = taken.next;
        taken.next += 1;
        let state = ConnectionState::new();
        taken.states.insert(number, Arc::clone(&state));
        Some(Lease { number, state, limit: Arc::clone(self) })
    }

    /// Ends the most dispensable connection.
    pub(super) fn evict(&self) {
        self.taken.lock().evict();
    }

    /// How many connections there are.
    pub(super) fn count(&self) -> usize {
        self.taken.lock().states.len()
    }
}

impl Taken {
    /// Whether there was one to end.
    fn evict(&mut self) -> bool {
        let worth = |(number, state): (&u64, &Arc<ConnectionState>)| Some((state.worth()?, *number));
        let Some((_, number)) = self.states.iter().filter_map(worth).min() else { return false };
        // Its lease is void from now on, although its task takes a moment to end.
        if let Some(state) = self.states.remove(&number) {
            state.evict();
        }
        true
    }
}

/// The right of a connection to be there: ends when dropped, and is taken away when another one needs the room more.
#[derive(Debug)]
pub(super) struct Lease {
    number: u64,
    pub(super) state: Arc<ConnectionState>,
    limit: Arc<ConnectionLimit>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.limit.taken.lock().states.remove(&self.number);
    }
}

/// Three quarters of the descriptors that the process may open: polling needs some as well,
/// and must not starve because somebody opens connections.
pub(super) fn open_files_share() -> usize {
    use procfs::process::{LimitValue, Process};
    let limits = Process::myself().and_then(|process| process.limits());
    match limits.map(|limits| limits.max_open_files.soft_limit) {
        Ok(LimitValue::Value(files)) => usize::try_from(files / 4 * 3).unwrap_or(usize::MAX),
        Ok(LimitValue::Unlimited) | Err(_) => usize::MAX,
    }
}
