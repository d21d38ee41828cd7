//! Where polls leave their results and scrapes find them.

use std::sync::{Arc, OnceLock};

use hashbrown::{HashMap, HashSet};
use invitations::Millis;
use invitations::lifecycle::Tally;
use parking_lot::RwLock;
use tokio::sync::Notify;

use super::{OrganizationSnapshot, OrganizationStatus, Snapshot};
use crate::clock::{Reading, Steady};
use crate::config::{Organization, OrganizationKey};

#[cfg(test)]
mod tests;

/// The newest [`Snapshot`], replaced piece by piece by the polls and read as a whole by scrapes.
///
/// Every entry is immutable and changes as a whole under the lock, so a reader
/// has either all of an update or nothing of it.
#[derive(Debug, Default)]
pub(crate) struct Latest {
    current: RwLock<Current>,
    /// When the next poll of each organization starts, by its key; none while one is under way. The status page alone
    /// shows it: kept apart, so that a poll that begins makes nothing untrue that scrapes have at hand.
    next_polls: RwLock<HashMap<OrganizationKey, Steady>>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Current {
    snapshot: Snapshot,
    /// What readers share until the next change.
    shared: OnceLock<Arc<Snapshot>>,
}

impl Latest {
    /// The only way in: what readers share is forgotten, and who waits for a change hears of it.
    fn change<R>(&self, change: impl FnOnce(&mut Snapshot) -> R) -> R {
        let mut current = self.current.write();
        current.shared = OnceLock::new();
        let result = change(&mut current.snapshot);
        self.changed.notify_one();
        result
    }

    /// Everything as it is at this moment: the same `Arc` until something changes.
    #[must_use]
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        let current = self.current.read();
        Arc::clone(current.shared.get_or_init(|| Arc::new(current.snapshot.clone())))
    }

    /// Sets which organizations there are; those that stay keep what is known of them, by key.
    pub(crate) fn arrange(&self, organizations: &[Arc<Organization>], tally: impl Fn(&str) -> Option<Arc<Tally>>) {
        self.change(|current| {
            let known: HashMap<OrganizationKey, &Arc<OrganizationSnapshot>> =
                current.organizations.iter().map(|entry| (entry.organization.key(), entry)).collect();
            let mut arranged: Vec<_> = organizations
                .iter()
                .map(|organization| {
                    let key = organization.key();
                    match known.get(&key) {
                        Some(entry) => Arc::new(entry.with_settings(organization)),
                        None => Arc::new(OrganizationSnapshot::new(Arc::clone(organization), tally(key.as_str()))),
                    }
                })
                .collect();
            arranged.sort_by(|a, b| a.organization.name.cmp(&b.organization.name));
            drop(known);
            current.organizations = arranged;
        });
        let mut next_polls = self.next_polls.write();
        if !next_polls.is_empty() {
            let keys: HashSet<OrganizationKey> = organizations.iter().map(|organization| organization.key()).collect();
            next_polls.retain(|key, _| keys.contains(key));
        }
    }

    /// Replaces one organization's entry by what `change` makes of it; nothing happens when it is gone.
    pub(crate) fn update(&self, organization: &Organization, change: impl FnOnce(&mut OrganizationSnapshot)) {
        self.change(|current| {
            let place = current.organizations.binary_search_by(|entry| entry.organization.name.cmp(&organization.name));
            let Some(entry) = place.ok().map(|place| &mut current.organizations[place]) else { return };
            if entry.organization.key() == organization.key() {
                let mut changed = (**entry).clone();
                change(&mut changed);
                *entry = Arc::new(changed);
            }
        });
    }

    /// Shows other lifecycle counters: those of earlier processes have been read. `tally` is asked by key.
    pub(crate) fn recount(&self, tally: impl Fn(&str) -> Option<Arc<Tally>>) {
        self.change(|current| {
            for entry in &mut current.organizations {
                let lifecycle = tally(entry.organization.key().as_str());
                *entry = Arc::new(OrganizationSnapshot { lifecycle, ..(**entry).clone() });
            }
        });
    }

    /// Returns once something has changed since this returned last. For one waiter.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Says when the next poll of an organization starts; `None` while one is under way.
    pub(crate) fn set_next_poll(&self, organization: &Organization, at: Option<Steady>) {
        let mut next_polls = self.next_polls.write();
        match at {
            Some(at) => next_polls.insert(organization.key(), at),
            None => next_polls.remove(&organization.key()),
        };
    }

    /// What there is to show of each organization at `now`, by name.
    #[must_use]
    pub(crate) fn status(&self, now: Reading) -> Vec<OrganizationStatus> {
        let snapshot = self.snapshot();
        let next_polls = self.next_polls.read();
        let status = |entry: &Arc<OrganizationSnapshot>| {
            OrganizationStatus::of(entry, next_polls.get(&entry.organization.key()).copied(), now)
        };
        snapshot.organizations.iter().map(status).collect()
    }

    /// Says when the long-lived API token of a credential runs out; `None` when the service does not tell.
    pub(crate) fn set_api_token_expiration(&self, credential: &str, expiration: Option<Millis>) {
        self.change(|current| {
            current.api_token_expirations.retain(|(name, _)| name != credential);
            current.api_token_expirations.extend(expiration.map(|at| (credential.to_owned(), at)));
            current.api_token_expirations.sort();
        });
    }

    /// Forgets the expirations of credentials that `keep` does not name.
    pub(crate) fn retain_api_token_expirations(&self, keep: impl Fn(&str) -> bool) {
        self.change(|current| current.api_token_expirations.retain(|(name, _)| keep(name)));
    }
}
