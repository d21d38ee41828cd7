//! What comes from polls, in one format.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use exporter_toolkit::exposition::{Encoding, Member};
use parking_lot::Mutex;

use super::blocks::Blocks;
use super::cache::Cached;
use super::layout::{Chunks, Layout};
use crate::clock::Steady;
use crate::snapshot::Snapshot;

/// The families of all organizations as they are while nothing changes: each coding is made when it is first
/// asked for, and then kept.
#[derive(Debug)]
pub(super) struct Polled {
    encoding: Encoding,
    /// Keeps the snapshot alive, so that its address cannot stand for another one.
    snapshot: Arc<Snapshot>,
    organizations: Arc<Vec<Arc<Cached>>>,
    /// The span of time in which no organization's data state changes by itself.
    valid: std::ops::Range<Steady>,
    plain: OnceLock<Bytes>,
    compressed: OnceLock<Member>,
}

impl Polled {
    pub(super) fn new(
        encoding: Encoding,
        snapshot: &Arc<Snapshot>,
        organizations: Arc<Vec<Arc<Cached>>>,
        now: Steady,
    ) -> Self {
        let until = snapshot.organizations.iter().filter_map(|entry| entry.goes_stale_at(now)).min();
        Self {
            encoding,
            snapshot: Arc::clone(snapshot),
            organizations,
            valid: now..until.unwrap_or(Steady(i64::MAX)),
            plain: OnceLock::new(),
            compressed: OnceLock::new(),
        }
    }

    /// Whether it says what there is to say of this snapshot at `now`.
    pub(super) fn is_true(&self, snapshot: &Arc<Snapshot>, now: Steady) -> bool {
        Arc::ptr_eq(&self.snapshot, snapshot) && self.valid.contains(&now)
    }

    /// The samples as they are.
    pub(super) fn plain(&self) -> Bytes {
        self.plain.get_or_init(|| self.with_layout(|layout| layout.plain(|_| true)).into()).clone()
    }

    /// The samples as the beginning of a gzip member; what is in `chunks` is not compressed again.
    pub(super) fn compressed(&self, chunks: &Mutex<Chunks>) -> &Member {
        self.compressed.get_or_init(|| self.with_layout(|layout| chunks.lock().compress(layout)))
    }

    fn with_layout<R>(&self, read: impl FnOnce(Layout<'_>) -> R) -> R {
        let now = self.valid.start;
        let sources: Vec<&Blocks> = self.organizations.iter().map(|cached| cached.blocks(self.encoding, now)).collect();
        read(Layout { encoding: self.encoding, sources: &sources })
    }
}
