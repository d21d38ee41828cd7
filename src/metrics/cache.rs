//! What is encoded already.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use exporter_toolkit::exposition::Encoding;
use parking_lot::Mutex;

use super::blocks::Blocks;
use super::collect;
use crate::clock::Steady;
use crate::snapshot::{DataState, OrganizationSnapshot, Snapshot};

const SLOTS: usize = Encoding::ALL.len() * DataState::ALL.len();

/// One organization's samples. They depend on its snapshot and, because data goes stale by itself, on how
/// current that is: one slot for each format and state, filled when first asked for.
#[derive(Debug)]
pub(super) struct Cached {
    snapshot: Arc<OrganizationSnapshot>,
    slots: [OnceLock<Blocks>; SLOTS],
}

impl Cached {
    fn new(snapshot: Arc<OrganizationSnapshot>) -> Self {
        Self { snapshot, slots: [const { OnceLock::new() }; SLOTS] }
    }

    /// The samples at `now`.
    pub(super) fn blocks(&self, encoding: Encoding, now: Steady) -> &Blocks {
        let state = self.snapshot.data_state(now);
        let slot = encoding as usize * DataState::ALL.len() + state as usize;
        self.slots[slot].get_or_init(|| collect::organization(encoding, &self.snapshot, now))
    }
}

/// The newest snapshot that was scraped, with what is encoded of it.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Newest>);

#[derive(Debug, Default)]
struct Newest {
    snapshot: Option<Arc<Snapshot>>,
    organizations: Arc<Vec<Arc<Cached>>>,
}

impl Cache {
    /// One entry per organization, in the order of the snapshot. Organizations that did not change since the
    /// last call keep their entry; nothing is encoded under the lock.
    pub(super) fn organizations(&self, snapshot: &Arc<Snapshot>) -> Arc<Vec<Arc<Cached>>> {
        let mut newest = self.0.lock();
        if newest.snapshot.as_ref().is_none_or(|known| !Arc::ptr_eq(known, snapshot)) {
            // An entry keeps its snapshot alive, so an address cannot stand for another one.
            let known: HashMap<_, _> =
                newest.organizations.iter().map(|cached| (Arc::as_ptr(&cached.snapshot), cached)).collect();
            let organizations = snapshot
                .organizations
                .iter()
                .map(|organization| match known.get(&Arc::as_ptr(organization)) {
                    Some(cached) => Arc::clone(cached),
                    None => Arc::new(Cached::new(Arc::clone(organization))),
                })
                .collect();
            *newest = Newest { snapshot: Some(Arc::clone(snapshot)), organizations: Arc::new(organizations) };
        }
        Arc::clone(&newest.organizations)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::config::{Credential, CredentialKind, Organization, Secret};

    fn organization(name: &str) -> Arc<OrganizationSnapshot> {
        let kind = CredentialKind::ApiToken { token: Secret::File(PathBuf::from("token")) };
        let second = Duration::from_secs(1);
        Arc::new(OrganizationSnapshot::new(
            Arc::new(Organization {
                id: name.into(),
                custom_group_id: None,
                name: name.into(),
                credential: Arc::new(Credential { name: "app".into(), kind, url: None }),
                interval: second,
                deadline: second,
                stale_after: second,
            }),
            Some(Arc::default()),
        ))
    }

    #[test]
    fn only_organizations_that_changed_are_encoded_again() {
        let cache = Cache::default();
        let snapshot = |organizations| Arc::new(Snapshot { organizations, api_token_expirations: Vec::new() });
        let (kept, changed) = (organization("kept"), organization("changed"));
        let before = cache.organizations(&snapshot(vec![Arc::clone(&kept), changed]));
        let blocks = before[0].blocks(Encoding::Text, Steady(0));
        let after = cache.organizations(&snapshot(vec![organization("changed"), kept]));
        assert!(std::ptr::eq(blocks, after[1].blocks(Encoding::Text, Steady(500))));
        assert!(!before.iter().any(|known| Arc::ptr_eq(known, &after[0])));
    }
}
