//! All organizations of this instance, and when the configuration had which.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hashbrown::{HashMap, HashSet};
use parking_lot::{Mutex, RwLock};

use super::organization::OrganizationLifecycle;
use super::published::Published;
use super::retention::{Change, Retention};
use super::store::{Content, File, Stored};
use super::write_queue::Entry;
use crate::clock::{Reading, Steady};

/// Reloads that are remembered while the state is unread. Past it only the first and the last ones are.
const KEEPS: usize = 16;

/// All organizations, by their key.
#[derive(Debug)]
pub(super) struct Organizations {
    by_key: RwLock<HashMap<Arc<str>, Arc<OrganizationLifecycle>>>,
    /// The file that is written to.
    file: RwLock<Option<File>>,
    is_unread: AtomicBool,
    keeps: Mutex<Keeps>,
}

/// Which organizations the configuration had, and when.
#[derive(Debug, Default)]
struct Keeps {
    /// The last look into the configuration; while the state is unread, all of them.
    looks: Vec<(HashSet<Arc<str>>, Steady)>,
    /// What is away at the first look has been away since the process before this one ended.
    gone_since: Option<Steady>,
}

impl Organizations {
    pub(super) fn new(is_unread: bool) -> Self {
        Self {
            by_key: RwLock::default(),
            file: RwLock::default(),
            is_unread: AtomicBool::new(is_unread),
            keeps: Mutex::default(),
        }
    }

    /// Whether it is not known yet what earlier processes counted.
    pub(super) fn is_unread(&self) -> bool {
        self.is_unread.load(Ordering::Relaxed)
    }

    pub(super) fn find(&self, key: &str) -> Option<Arc<OrganizationLifecycle>> {
        self.by_key.read().get(key).cloned()
    }

    /// What is to be seen of the organization; the default where nothing is known of it, unless that is because the state
    /// is unread.
    pub(super) fn published(&self, key: &str) -> Published {
        let by_key = self.by_key.read();
        match by_key.get(key) {
            Some(organization) => organization.published(),
            // Asked under the lock: once the state is read, whatever it holds is found above.
            None => Published { is_unread: self.is_unread(), ..Published::default() },
        }
    }

    /// The organization, a new one where there is none.
    pub(super) fn find_or_add(&self, key: &str) -> Arc<OrganizationLifecycle> {
        if let Some(organization) = self.find(key) {
            return organization;
        }
        let key: Arc<str> = key.into();
        let mut by_key = self.by_key.write();
        // Asked under the lock: one that is added after the state was read has no past.
        let fresh = || Arc::new(OrganizationLifecycle::new(key.clone(), self.is_unread()));
        by_key.entry(key.clone()).or_insert_with(fresh).clone()
    }

    pub(super) fn file(&self) -> Option<File> {
        self.file.read().clone()
    }

    /// The generation of the file; 0 without one.
    pub(super) fn generation(&self) -> u64 {
        self.file.read().as_ref().map_or(0, |file| file.generation)
    }

    pub(super) fn set_file(&self, file: Option<&File>) {
        *self.file.write() = file.cloned();
    }

    /// Looks into the configuration. Returns what has to be written.
    pub(super) fn keep(&self, keys: HashSet<Arc<str>>, now: Reading) -> Vec<(Arc<str>, Entry)> {
        let mut keeps = self.keeps.lock();
        let gone_since = keeps.gone_since.take().unwrap_or(now.steady);
        let mut entries = Vec::new();
        for organization in self.all() {
            let key = organization.key().clone();
            match organization.keep(keys.contains(&key), gone_since, now.steady) {
                Change::None => {}
                Change::Moved => entries.push((key, Entry::Write(organization))),
                Change::Dropped => {
                    self.by_key.write().remove(&key);
                    entries.push((key, Entry::Remove));
                }
            }
        }
        keeps.note(keys, now.steady, self.is_unread());
        entries
    }

    /// Learns what the file that was just opened holds; `None` if there is no state. Returns what has to be written.
    pub(super) fn learn(&self, content: Option<Content>, now: Reading) -> Vec<(Arc<str>, Entry)> {
        let mut entries = Vec::new();
        let mut found: HashMap<Arc<str>, Box<Stored>> = HashMap::new();
        {
            let mut keeps = self.keeps.lock();
            let mut by_key = self.by_key.write();
            if let Some(content) = content {
                let alive_at = now.steady_at(content.alive_at);
                for stored in content.organizations {
                    let key: Arc<str> = stored.id.as_str().into();
                    let Some(retention) = keeps.replay(&key, Retention::stored(stored.away_since, now), alive_at)
                    else {
                        entries.push((key, Entry::Remove));
                        continue;
                    };
                    by_key
                        .entry(key.clone())
                        .or_insert_with(|| Arc::new(OrganizationLifecycle::found(key.clone(), retention)));
                    found.insert(key, Box::new(stored));
                }
                if keeps.looks.is_empty() {
                    keeps.gone_since = Some(alive_at);
                }
            }
            self.is_unread.store(false, Ordering::Relaxed);
        }
        // Outside of the locks: long lists take their time.
        for organization in self.all() {
            organization.learn(found.remove(organization.key()));
        }
        entries.extend(self.all_entries());
        entries
    }

    /// That everybody has to be written.
    pub(super) fn all_entries(&self) -> Vec<(Arc<str>, Entry)> {
        self.all().into_iter().map(|organization| (organization.key().clone(), Entry::Write(organization))).collect()
    }

    fn all(&self) -> Vec<Arc<OrganizationLifecycle>> {
        self.by_key.read().values().cloned().collect()
    }
}

impl Keeps {
    fn note(&mut self, keys: HashSet<Arc<str>>, now: Steady, is_unread: bool) {
        if !is_unread {
            self.looks.clear();
        }
        if self.looks.last().is_some_and(|last| last.0 == keys) {
            return;
        }
        if self.looks.len() >= KEEPS {
            self.looks.remove(1);
        }
        self.looks.push((keys, now));
    }

    /// What has become of an organization that was read only now, as if it had been there at each look into the
    /// configuration; `None` if it was away for too long.
    fn replay(&self, key: &Arc<str>, mut retention: Retention, alive_at: Steady) -> Option<Retention> {
        for (place, (keys, at)) in self.looks.iter().enumerate() {
            let gone_since = if place == 0 { alive_at } else { *at };
            if retention.keep(keys.contains(key), gone_since, *at) == Change::Dropped {
                return None;
            }
        }
        Some(retention)
    }
}
