//! Where polls leave their results and scrapes find them.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

use super::{OrganizationSnapshot, Snapshot};
use crate::config::Organization;
use crate::lifecycle::Tally;
use crate::time::Millis;

/// The newest [`Snapshot`], replaced piece by piece by the polls and read as a whole by scrapes.
///
/// Every entry is immutable and changes as a whole under the lock, so a reader
/// has either all of an update or nothing of it.
#[derive(Debug, Default)]
pub struct Board {
    current: RwLock<Current>,
}

#[derive(Debug, Default)]
struct Current {
    snapshot: Snapshot,
    /// What readers share until the next change.
    shared: OnceLock<Arc<Snapshot>>,
}

impl Current {
    fn change(&mut self) -> &mut Snapshot {
        self.shared = OnceLock::new();
        &mut self.snapshot
    }
}

impl Board {
    /// Everything as it is at this moment: the same `Arc` until something changes.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        let current = self.current.read();
        Arc::clone(current.shared.get_or_init(|| Arc::new(current.snapshot.clone())))
    }

    /// Sets which organizations there are; those that stay keep what is known of them, by id.
    pub fn arrange(&self, organizations: &[Arc<Organization>], tally: impl Fn(&str) -> Option<Arc<Tally>>) {
        let mut current = self.current.write();
        let current = current.change();
        let known: HashMap<String, &Arc<OrganizationSnapshot>> =
            current.organizations.iter().map(|entry| (entry.organization.id.to_ascii_lowercase(), entry)).collect();
        let mut arranged: Vec<_> = organizations
            .iter()
            .map(|organization| match known.get(&organization.id.to_ascii_lowercase()) {
                Some(entry) => {
                    Arc::new(OrganizationSnapshot { organization: Arc::clone(organization), ..(***entry).clone() })
                }
                None => Arc::new(OrganizationSnapshot::new(
                    Arc::clone(organization),
                    tally(&organization.id).unwrap_or_default(),
                )),
            })
            .collect();
        arranged.sort_by(|a, b| a.organization.name.cmp(&b.organization.name));
        current.organizations = arranged;
    }

    /// Replaces one organization's entry by what `change` makes of it; nothing happens when it is gone.
    pub fn update(&self, organization: &Organization, change: impl FnOnce(&mut OrganizationSnapshot)) {
        let mut current = self.current.write();
        let current = current.change();
        let place = current.organizations.binary_search_by(|entry| entry.organization.name.cmp(&organization.name));
        let Some(entry) = place.ok().map(|place| &mut current.organizations[place]) else { return };
        if same_id(entry, &organization.id) {
            let mut changed = (**entry).clone();
            change(&mut changed);
            *entry = Arc::new(changed);
        }
    }

    /// Says when the long-lived API token of a credential runs out; `None` when the service does not tell.
    pub fn set_api_token_expiration(&self, credential: &str, expiration: Option<Millis>) {
        let mut current = self.current.write();
        let current = current.change();
        current.api_token_expirations.retain(|(name, _)| name != credential);
        current.api_token_expirations.extend(expiration.map(|at| (credential.to_owned(), at)));
        current.api_token_expirations.sort();
    }

    /// Forgets the expirations of credentials that `keep` does not name.
    pub fn retain_api_token_expirations(&self, keep: impl Fn(&str) -> bool) {
        self.current.write().change().api_token_expirations.retain(|(name, _)| keep(name));
    }
}

fn same_id(entry: &OrganizationSnapshot, id: &str) -> bool {
    entry.organization.id.eq_ignore_ascii_case(id)
}
