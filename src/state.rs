//! What happens to invitations between polls: counters that survive failed polls, reloads and restarts.
//!
//! The pure part is [`Ledger`](invitations::lifecycle::Ledger): it compares each good poll's list with the invitations
//! known so far and counts [`Event`](invitations::Event)s. [`Lifecycle`] keeps one ledger per organization and, with a
//! state folder, a durable copy of each.
//!
//! **Commit before publish.** A tally can be seen only once the disk has it, or is known not to take it. So no
//! scrape ever shows a count that a crash takes back, and after a crash at any instant the counters are those of
//! the documented table applied to the polls that were committed.
//!
//! **A state that is read late.** A folder may hang at the start, be unreadable, or be a mount that appears later.
//! What earlier processes counted, which invitations they knew, and the key of the identities in the file are not
//! known then. So an identity in memory depends on no key, and the first list of each organization is kept as it was
//! seen. When the file can be read, the key seals that list, and it is compared with what the file knew, as it would
//! have been at the first poll. The counters are then what the file held, plus the events of that comparison, plus
//! what has been counted in memory since: the documented table applied to all polls, none left out. Reading them off
//! the next poll instead would lose whatever came and went in between.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use hashbrown::HashSet;
use invitations::lifecycle::Tally;
use invitations::{Former, IdentityKey, Sighting};
use tokio::sync::watch;

use crate::clock::Reading;

mod organization;
mod organizations;
mod published;
mod retention;
mod store;
#[cfg(test)]
mod tests;
mod write_queue;
mod writer;

pub use store::OpenError;

use organization::{OrganizationLifecycle, Seen};
use organizations::Organizations;
use published::Published;
use store::{Files, Real};
use write_queue::{Entry, Health, Patience, Progress, WriteQueue};

/// The lifecycle counters of all organizations of this instance. Keys are compared exactly: what is the same
/// organization is said by `OrganizationKey`.
#[derive(Debug)]
pub struct Lifecycle {
    organizations: Arc<Organizations>,
    queue: Option<Arc<WriteQueue>>,
}

impl Lifecycle {
    /// Counters in memory, which a restart loses.
    #[must_use]
    pub(crate) fn in_memory() -> Self {
        Self { organizations: Arc::new(Organizations::new(false)), queue: None }
    }

    /// Counters that continue from the folder `path`, which is created where it is missing. Blocks for two seconds at
    /// the most; what the folder holds is added later if it cannot be read in this time.
    ///
    /// A disk that refuses or hangs, or a file that is not usable, is no error: see [`Self::durable`] and
    /// [`Self::resets`].
    ///
    /// # Errors
    ///
    /// When the folder can never be used by this process.
    pub fn open(path: &Path, now: Reading) -> Result<Self, OpenError> {
        Self::open_with(path, now, Box::new(Real), Patience::default())
    }

    fn open_with(path: &Path, now: Reading, files: Box<dyn Files>, patience: Patience) -> Result<Self, OpenError> {
        let organizations = Arc::new(Organizations::new(true));
        let queue = writer::start(path, files, patience, &organizations, now)?;
        Ok(Self { organizations, queue: Some(queue) })
    }

    /// The key that the next list of an organization has to be hashed with, too: see [`Self::observe`].
    #[must_use]
    pub fn former_key(&self, key: &str) -> Option<IdentityKey> {
        self.organizations.find(key)?.published().former_key
    }

    /// Takes a good poll's list; `former` are its identities by [`Self::former_key`]. What comes of it can be seen
    /// once [`Observed::settled`] returns.
    ///
    /// An organization's first list is its baseline. Lists of one organization are taken one after the other.
    /// Takes time in proportion to the list.
    pub fn observe(&self, key: &str, sightings: Vec<Sighting>, former: Option<Vec<Former>>, now: Reading) -> Observed {
        let organization = loop {
            let organization = self.organizations.find_or_add(key);
            // A reload drops it right now: it begins anew.
            if !organization.is_dropped() {
                break organization;
            }
            std::thread::yield_now();
        };
        let seen = Seen { sightings, former };
        let is_lacking = organization.observe(seen, self.organizations.file().as_ref(), self.queue.is_some());
        let ticket = self.queue.as_ref().and_then(|queue| {
            if is_lacking {
                let entry = Entry::Write(organization.clone());
                Some((queue.clone(), queue.put(organization.key().clone(), entry, now)))
            } else {
                queue.beat(now);
                None
            }
        });
        Observed { organization, ticket }
    }

    /// The tally to show; `None` until a first list, in this or an earlier process, has been taken, and while the
    /// stored state is unread.
    #[must_use]
    pub fn tally(&self, key: &str) -> Option<Arc<Tally>> {
        self.organizations.find(key)?.published().tally
    }

    /// What there is to show of an organization now: nothing before a first list; `None` while the stored state is unread.
    #[must_use]
    pub(crate) fn shown(&self, key: &str) -> Option<Arc<Tally>> {
        shown(self.organizations.published(key))
    }

    /// Whether everything is on disk that can be seen; `None` without a state folder.
    #[must_use]
    pub fn durable(&self) -> Option<bool> {
        Some(self.queue.as_ref()?.progress().borrow().health == Health::Good)
    }

    /// How many stored states were not usable and had to be set aside since the start; `None` without a state folder.
    #[must_use]
    pub fn resets(&self) -> Option<u64> {
        Some(self.queue.as_ref()?.progress().borrow().resets)
    }

    /// What is found on disk from now on.
    #[must_use]
    pub(crate) fn finds(&self) -> Finds {
        let progress = self.queue.as_ref().map(|queue| queue.progress());
        Finds { seen: progress.as_ref().map_or(0, |progress| progress.borrow().finds), progress }
    }

    /// Says which organizations are configured, at the start and at each reload. Those that have been away for
    /// more than a day are dropped, the others continue. Does not wait for the disk.
    pub fn keep<S: AsRef<str>>(&self, keys: &[S], now: Reading) {
        let keys: HashSet<Arc<str>> = keys.iter().map(|key| key.as_ref().into()).collect();
        for (key, entry) in self.organizations.keep(keys, now) {
            if let Some(queue) = &self.queue {
                queue.put(key, entry, now);
            }
        }
    }

    /// Writes what is in memory alone, and that this process was alive at `now`. Blocks for ten seconds at the most.
    ///
    /// Returns [`Self::durable`] afterwards.
    #[must_use]
    pub fn flush(&self, now: Reading) -> Option<bool> {
        self.queue.as_ref()?.flush(now);
        self.durable()
    }

    /// Writes what is in memory alone and gives the state folder up. Blocks for ten seconds at the most. What is
    /// observed afterwards is in memory alone.
    pub fn close(&self, now: Reading) {
        if let Some(queue) = &self.queue
            && !queue.close(now)
        {
            tracing::error!("the state folder does not answer: what is in memory alone is lost");
        }
    }
}

impl Drop for Lifecycle {
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
            queue.close(queue.alive_at());
        }
    }
}

/// A list that has been compared, and is on its way to the disk.
#[derive(Debug)]
#[must_use = "what was counted can be seen once it is settled"]
pub struct Observed {
    organization: Arc<OrganizationLifecycle>,
    ticket: Option<(Arc<WriteQueue>, u64)>,
}

impl Observed {
    /// Returns once the disk has it, or is known not to take it.
    pub async fn settled(self) -> Account {
        let Self { organization, ticket } = self;
        let is_written = match ticket {
            Some((queue, ticket)) => queue.written(ticket).await,
            None => false,
        };
        if !is_written {
            organization.publish();
        }
        Account(organization)
    }
}

/// The counters of one organization, wherever they stand.
#[derive(Debug, Clone)]
pub struct Account(Arc<OrganizationLifecycle>);

impl Account {
    /// What there is to show now: nothing before a first list; `None` while the stored state is unread.
    #[must_use]
    pub fn tally(&self) -> Option<Arc<Tally>> {
        shown(self.0.published())
    }
}

fn shown(published: Published) -> Option<Arc<Tally>> {
    /// One for all who have no list yet.
    static NOTHING: LazyLock<Arc<Tally>> = LazyLock::new(Arc::default);
    (!published.is_unread).then(|| published.tally.unwrap_or_else(|| Arc::clone(&NOTHING)))
}

impl Default for Account {
    fn default() -> Self {
        Self(Arc::new(OrganizationLifecycle::new("".into(), false)))
    }
}

/// Tells when something was found on disk that changes what there is to show.
#[derive(Debug)]
pub(crate) struct Finds {
    progress: Option<watch::Receiver<Progress>>,
    seen: u64,
}

impl Finds {
    /// Returns after the next find; never without a state folder.
    pub(crate) async fn next(&mut self) {
        let seen = self.seen;
        let found = match &mut self.progress {
            Some(progress) => {
                progress.wait_for(|progress| progress.finds > seen).await.ok().map(|progress| progress.finds)
            }
            None => None,
        };
        match found {
            Some(finds) => self.seen = finds,
            None => std::future::pending().await,
        }
    }
}

const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<Lifecycle>();
};
