//! Who waits for a check, and who has a turn.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Checks that wait or run, over all peers: at 70 ms each, some seconds of waiting.
const LENGTH: usize = 64;
/// Checks that wait or run for one peer, so that one that floods does not keep out the others.
const SHARE: usize = 8;

/// The queue in front of the checks.
#[derive(Debug)]
pub(super) struct Queue {
    turns: Arc<Semaphore>,
    waiting: Mutex<HashMap<IpAddr, usize>>,
}

impl Queue {
    /// Half of the CPUs are for checks at most: the others answer scrapes.
    pub(super) fn new() -> Arc<Self> {
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Arc::new(Self { turns: Arc::new(Semaphore::new((cpus / 2).max(1))), waiting: Mutex::default() })
    }

    /// A place in the queue; `None` when it is full, or the peer's share of it is.
    pub(super) fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let mut waiting = self.waiting.lock();
        if waiting.values().sum::<usize>() >= LENGTH {
            return None;
        }
        let own = waiting.entry(peer).or_default();
        if *own >= SHARE {
            return None;
        }
        *own += 1;
        Some(Place { queue: Arc::clone(self), peer })
    }
}

/// A place in the queue, free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    queue: Arc<Queue>,
    peer: IpAddr,
}

impl Place {
    /// Waits for a turn.
    pub(super) async fn turn(self) -> Option<Turn> {
        let permit = Arc::clone(&self.queue.turns).acquire_owned().await.ok()?;
        Some(Turn { _permit: permit, _place: self })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.queue.waiting.lock();
        if let Some(own) = waiting.get_mut(&self.peer) {
            *own -= 1;
            if *own == 0 {
                waiting.remove(&self.peer);
            }
        }
    }
}

/// A turn, which ends when dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
    _place: Place,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_floods_leaves_room_for_others_and_places_come_back() {
        let queue = Queue::new();
        let (flood, other) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let places: Vec<_> = std::iter::from_fn(|| queue.enter(flood)).collect();
        assert_eq!(places.len(), SHARE);
        assert!(queue.enter(other).is_some());
        drop(places);
        assert!(queue.enter(flood).is_some());
        assert!(queue.waiting.lock().is_empty());
    }

    #[test]
    fn the_queue_is_bounded_over_all_peers() {
        let queue = Queue::new();
        let peers = (0..=255).map(|last| IpAddr::from([10, 0, 0, last]));
        let places: Vec<_> = peers.filter_map(|peer| queue.enter(peer)).collect();
        assert_eq!(places.len(), LENGTH);
    }
}
