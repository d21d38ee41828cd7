//! The state file: opening, reading and writing it.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use invitations::lifecycle::{Change, Known, Ledger};
use invitations::{Identity, IdentityKey, Millis};
use redb::backends::{FileBackend, InMemoryBackend};
use redb::{Builder, Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition};

use super::failure::{Failure, guard};
use super::record::{self, Row};

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const ORGANIZATIONS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("organizations");
const INVITATIONS: TableDefinition<'_, &[u8; 20], &[u8]> = TableDefinition::new("invitations");

/// Raised by a version that writes what earlier ones would misread.
pub(super) const FORMAT: u32 = 1;
/// The whole state is in memory anyway: the cache only serves the transaction at hand.
const CACHE_BYTES: usize = 8 << 20;

/// How a database file is opened or created; tests put faults in here.
#[derive(Clone)]
pub(super) struct Opener(pub(super) Arc<Open>);

type Open = dyn Fn(&Path) -> Result<Database, redb::DatabaseError> + Send + Sync;

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener")
    }
}

/// How it is opened in production.
pub(super) fn opener() -> Opener {
    Opener(Arc::new(|path| {
        // Whoever reads the key can test guesses against the identities.
        let file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        builder().create_with_backend(FileBackend::new(file)?)
    }))
}

/// Settings of the database. A whole check at each start is cheap beside what wrong counters cost.
pub(super) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

/// One thing to write.
#[derive(Debug)]
pub(in crate::state) enum Put {
    /// The organization's row alone.
    Row,
    /// The row, and the invitations that changed.
    Changed(Vec<Change>),
    /// The row, and all invitations in place of those that are there.
    All(Vec<Known>),
}

/// An open state file.
#[derive(Debug)]
pub(super) struct Disk(Database);

/// All that a state file says.
#[derive(Debug)]
pub(super) struct State {
    pub(super) key: IdentityKey,
    pub(super) alive_at: Millis,
    pub(super) organizations: Vec<Stored>,
}

/// What a state file says of one organization.
#[derive(Debug)]
pub(in crate::state) struct Stored {
    pub(in crate::state) id: String,
    pub(in crate::state) number: u32,
    pub(in crate::state) away_since: Option<Millis>,
    pub(in crate::state) ledger: Ledger,
}

impl Disk {
    /// Opens an existing state file.
    pub(super) fn open(path: &Path, opener: &Opener) -> Result<Self, Failure> {
        guard(|| Ok(Self((opener.0)(path)?)))
    }

    /// Creates a state file that holds nothing but its format and `key`.
    pub(super) fn create(path: &Path, opener: &Opener, key: &IdentityKey, now: Millis) -> Result<Self, Failure> {
        let disk = Self::open(path, opener)?;
        disk.write(|transaction| {
            let mut meta = transaction.open_table(META)?;
            meta.insert("format", FORMAT.to_le_bytes().as_slice())?;
            meta.insert("key", key.as_bytes().as_slice())?;
            meta.insert("alive_at", now.0.to_le_bytes().as_slice())?;
            transaction.open_table(ORGANIZATIONS)?;
            transaction.open_table(INVITATIONS)?;
            Ok(())
        })?;
        Ok(disk)
    }

    /// Opens a copy in memory of a file that the disk doesn't let us open for writing.
    pub(super) fn open_copy(path: &Path) -> Result<Self, Failure> {
        let bytes = std::fs::read(path)?;
        guard(|| {
            let memory = InMemoryBackend::new();
            memory.set_len(bytes.len() as u64)?;
            memory.write(0, &bytes)?;
            Ok(Self(builder().create_with_backend(memory)?))
        })
    }

    /// The identity key, from a file of this format.
    pub(super) fn key(&self) -> Result<IdentityKey, Failure> {
        guard(|| {
            let meta = self.0.begin_read()?.open_table(META)?;
            let format = meta.get("format")?.and_then(|v| v.value().try_into().ok()).map(u32::from_le_bytes);
            match format {
                Some(FORMAT) => {}
                Some(newer) if newer > FORMAT => {
                    return Err(Failure::unusable(format!(
                        "it has format {newer}, and this version knows {FORMAT}: a newer version wrote it"
                    )));
                }
                _ => return Err(Failure::unusable("it does not say its format")),
            }
            let key = meta.get("key")?.and_then(|v| v.value().try_into().ok());
            key.map(IdentityKey::from_bytes).ok_or_else(|| Failure::unusable("it has no identity key"))
        })
    }

    /// Reads everything.
    pub(super) fn load(&self) -> Result<State, Failure> {
        let key = self.key()?;
        guard(|| {
            let transaction = self.0.begin_read()?;
            let alive_at = transaction.open_table(META)?.get("alive_at")?;
            let alive_at = alive_at.and_then(|v| v.value().try_into().ok()).map(i64::from_le_bytes);
            let alive_at = alive_at.ok_or_else(|| Failure::unusable("it does not say when it was written"))?;

            let mut known: HashMap<u32, Vec<Known>> = HashMap::new();
            for entry in transaction.open_table(INVITATIONS)?.iter()? {
                let (key, statuses) = entry?;
                let (number, identity) = record::split_key(key.value());
                let held = record::decode_statuses(statuses.value())
                    .ok_or_else(|| Failure::unusable("an invitation's record is not readable"))?;
                let identity = Identity::from_bytes(identity);
                known.entry(number).or_default().extend(held.statuses().map(|status| (identity, status)));
            }
            let mut organizations = Vec::new();
            for entry in transaction.open_table(ORGANIZATIONS)?.iter()? {
                let (id, row) = entry?;
                let row = Row::decode(row.value())
                    .ok_or_else(|| Failure::unusable("an organization's record is not readable"))?;
                let (number, away_since) = (row.number, row.away_since.map(Millis));
                let ledger = Ledger::restore(known.remove(&number).unwrap_or_default(), row.into_tally());
                organizations.push(Stored { id: id.value().to_owned(), number, away_since, ledger });
            }
            Ok(State { key, alive_at: Millis(alive_at), organizations })
        })
    }

    /// Runs `work` in one transaction and commits it.
    fn write(&self, work: impl FnOnce(&redb::WriteTransaction) -> Result<(), Failure>) -> Result<(), Failure> {
        guard(|| {
            let transaction = self.0.begin_write()?;
            work(&transaction)?;
            Ok(transaction.commit()?)
        })
    }

    /// Writes everything of a batch, or nothing: first the removals of organizations by id and number, then
    /// id, row and what to put.
    pub(super) fn commit<'a>(
        &self,
        removals: &[(Arc<str>, u32)],
        puts: impl Iterator<Item = (&'a str, &'a Row, &'a Put)>,
        now: Millis,
    ) -> Result<(), Failure> {
        self.write(|transaction| {
            transaction.open_table(META)?.insert("alive_at", now.0.to_le_bytes().as_slice())?;
            let mut organizations = transaction.open_table(ORGANIZATIONS)?;
            let mut invitations = transaction.open_table(INVITATIONS)?;
            for (id, number) in removals {
                // Added again meanwhile, it has another number, and a row that stays.
                let row = organizations.get(&**id)?.and_then(|row| Row::decode(row.value()));
                if row.is_some_and(|row| row.number == *number) {
                    organizations.remove(&**id)?;
                }
                clear(&mut invitations, *number)?;
            }
            for (id, row, put) in puts {
                organizations.insert(id, row.encode().as_slice())?;
                match put {
                    Put::Row => {}
                    Put::Changed(changes) => {
                        for change in changes.chunk_by(|a, b| a.0 == b.0) {
                            let key = record::key(row.number, change[0].0.as_bytes());
                            if change[0].1.is_none() {
                                invitations.remove(&key)?;
                            } else {
                                let value = record::encode_statuses(change.iter().filter_map(|c| c.1));
                                invitations.insert(&key, value.as_slice())?;
                            }
                        }
                    }
                    Put::All(known) => {
                        clear(&mut invitations, row.number)?;
                        for known in known.chunk_by(|a, b| a.0 == b.0) {
                            let key = record::key(row.number, known[0].0.as_bytes());
                            let value = record::encode_statuses(known.iter().map(|k| k.1));
                            invitations.insert(&key, value.as_slice())?;
                        }
                    }
                }
            }
            Ok(())
        })
    }
}

/// Removes all invitations of one organization.
fn clear(invitations: &mut redb::Table<'_, &'static [u8; 20], &'static [u8]>, number: u32) -> Result<(), Failure> {
    let (first, last) = (record::key(number, &[0; 16]), record::key(number, &[255; 16]));
    Ok(invitations.retain_in::<&[u8; 20], _>(&first..=&last, |_, _| false)?)
}
