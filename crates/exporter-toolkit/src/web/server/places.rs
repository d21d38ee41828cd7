//! How many connections there may be, and which one makes room.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::pulse::Pulse;

/// The connections of a server.
#[derive(Debug)]
pub(super) struct Places {
    limit: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    pulses: HashMap<u64, Arc<Pulse>>,
}

impl Places {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit: limit.max(1), taken: Mutex::default() })
    }

    /// A place, if need be that of the most dispensable connection; `None` when all others are being answered.
    pub(super) fn take(self: &Arc<Self>) -> Option<Place> {
        let mut taken = self.taken.lock();
        if taken.pulses.len() >= self.limit && !taken.evict() {
            return None;
        }
        let number = taken.next;
        taken.next += 1;
        let pulse = Pulse::new();
        taken.pulses.insert(number, Arc::clone(&pulse));
        Some(Place { number, pulse, places: Arc::clone(self) })
    }

    /// Ends the most dispensable connection.
    pub(super) fn evict(&self) {
        self.taken.lock().evict();
    }

    /// How many connections there are.
    pub(super) fn taken(&self) -> usize {
        self.taken.lock().pulses.len()
    }
}

impl Taken {
    /// Whether there was one to end.
    fn evict(&mut self) -> bool {
        let worth = |(number, pulse): (&u64, &Arc<Pulse>)| Some((pulse.worth()?, *number));
        let Some((_, number)) = self.pulses.iter().filter_map(worth).min() else { return false };
        // Its place is free from now on, although its task takes a moment to end.
        if let Some(pulse) = self.pulses.remove(&number) {
            pulse.evict();
        }
        true
    }
}

/// A connection's place; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    pub(super) pulse: Arc<Pulse>,
    places: Arc<Places>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken.lock().pulses.remove(&self.number);
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
