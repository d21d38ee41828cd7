//! The state file: opening, reading and writing it.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use invitations::lifecycle::{Known, Ledger};
use invitations::{Identity, IdentityKey, Millis};
use redb::backends::{FileBackend, InMemoryBackend};
use redb::{Builder, Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition};

use super::failure::{Failure, guard};
use super::record::{self, FORMAT, Row, Stamp};
use super::{Content, Put, Stored, Write};

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const ORGANIZATIONS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("organizations");
const INVITATIONS: TableDefinition<'_, &[u8; 20], &[u8]> = TableDefinition::new("invitations");

/// The whole state is in memory anyway: the cache only serves the transaction at hand.
const CACHE_BYTES: usize = 8 << 20;

/// How the state file is reached; tests put faults in here.
pub(crate) trait Files: Send {
    /// Opens a database, or creates it.
    fn open(&self, path: &Path) -> Result<Database, redb::DatabaseError>;
    /// Reads a file whole.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
}

/// The real ones.
pub(crate) struct Real;

impl Files for Real {
    fn open(&self, path: &Path) -> Result<Database, redb::DatabaseError> {
        // Whoever reads the key can test guesses against the identities.
        let file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        builder().create_with_backend(FileBackend::new(file)?)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }
}

/// Settings of the database. A whole check at each start is cheap beside what wrong counters cost.
pub(crate) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

/// An open state file.
pub(super) struct Disk {
    database: Database,
    key: IdentityKey,
    stamp: Stamp,
    alive_at: Millis,
    /// What each organization's invitations are filed under.
    numbers: HashMap<String, u32>,
    next_number: u32,
}

impl Disk {
    /// Opens an existing state file.
    pub(super) fn open(path: &Path, files: &dyn Files) -> Result<Self, Failure> {
        guard(|| Self::read(files.open(path)?))
    }

    /// Opens a copy in memory of a file that the disk doesn't let us open for writing.
    pub(super) fn open_copy(path: &Path, files: &dyn Files) -> Result<Self, Failure> {
        let bytes = files.read(path)?;
        guard(|| {
            let memory = InMemoryBackend::new();
            memory.set_len(bytes.len() as u64)?;
            memory.write(0, &bytes)?;
            Self::read(builder().create_with_backend(memory)?)
        })
    }

    /// Creates a state file that holds no organization.
    pub(super) fn create(
        path: &Path,
        files: &dyn Files,
        key: &IdentityKey,
        stamp: Stamp,
        now: Millis,
    ) -> Result<Self, Failure> {
        guard(|| {
            let database = files.open(path)?;
            let transaction = database.begin_write()?;
            {
                let mut meta = transaction.open_table(META)?;
                meta.insert("format", FORMAT.to_le_bytes().as_slice())?;
                meta.insert("key", key.as_bytes().as_slice())?;
                meta.insert("stamp", stamp.as_slice())?;
                meta.insert("alive_at", now.0.to_le_bytes().as_slice())?;
                transaction.open_table(ORGANIZATIONS)?;
                transaction.open_table(INVITATIONS)?;
            }
            transaction.commit()?;
            Self::read(database)
        })
    }

    /// Reads everything but the invitations.
    fn read(database: Database) -> Result<Self, Failure> {
        let transaction = database.begin_read()?;
        let meta = transaction.open_table(META)?;
        match meta.get("format")?.and_then(|v| v.value().try_into().ok()).map(u32::from_le_bytes) {
            Some(1..=FORMAT) => {}
            Some(newer) if newer > FORMAT => {
                return Err(Failure::unusable(format!(
                    "it has format {newer}, and this version knows {FORMAT}: a newer version wrote it"
                )));
            }
            _ => return Err(Failure::unusable("it does not say its format")),
        }
        let key = meta.get("key")?.and_then(|v| v.value().try_into().ok()).map(IdentityKey::from_bytes);
        let key = key.ok_or_else(|| Failure::unusable("it has no identity key"))?;
        // The first format has none, and the key's beginning serves as well: no other file has the same.
        let stamp = meta.get("stamp")?.and_then(|v| v.value().try_into().ok());
        let stamp = stamp.or_else(|| key.as_bytes().first_chunk().copied()).unwrap_or_default();
        let alive_at = meta.get("alive_at")?.and_then(|v| v.value().try_into().ok()).map(i64::from_le_bytes);
        let alive_at = alive_at.ok_or_else(|| Failure::unusable("it does not say when it was written"))?;
        let mut numbers = HashMap::new();
        for entry in transaction.open_table(ORGANIZATIONS)?.iter()? {
            let (id, row) = entry?;
            numbers.insert(id.value().to_owned(), decode(row.value())?.number);
        }
        drop((meta, transaction));
        let next_number = numbers.values().max().map_or(0, |number| number.saturating_add(1));
        Ok(Self { database, key, stamp, alive_at: Millis(alive_at), numbers, next_number })
    }

    pub(super) fn key(&self) -> &IdentityKey {
        &self.key
    }

    pub(super) fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Reads everything, as of a file of this generation.
    pub(super) fn load(&self, generation: u64) -> Result<Content, Failure> {
        guard(|| {
            let transaction = self.database.begin_read()?;
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
                let row = decode(row.value())?;
                let known = known.remove(&row.number).unwrap_or_default();
                organizations.push(Stored {
                    id: id.value().to_owned(),
                    away_since: row.away_since.map(Millis),
                    is_former: row.is_former(),
                    ledger: Ledger::restore(known, row.into_tally()),
                    key: self.key.clone(),
                    generation,
                });
            }
            Ok(Content { alive_at: self.alive_at, organizations })
        })
    }

    /// Writes everything of a batch, or nothing: first the organizations that are removed, then the others. After a
    /// failure this is of no further use.
    pub(super) fn commit(
        &mut self,
        removals: &[&str],
        writes: &[Write],
        stamp: Stamp,
        now: Millis,
    ) -> Result<(), Failure> {
        let Self { database, numbers, next_number, .. } = self;
        guard(|| {
            let transaction = database.begin_write()?;
            {
                let mut meta = transaction.open_table(META)?;
                meta.insert("format", FORMAT.to_le_bytes().as_slice())?;
                meta.insert("stamp", stamp.as_slice())?;
                meta.insert("alive_at", now.0.to_le_bytes().as_slice())?;
                let mut organizations = transaction.open_table(ORGANIZATIONS)?;
                let mut invitations = transaction.open_table(INVITATIONS)?;
                for id in removals {
                    if let Some(number) = numbers.remove(*id) {
                        organizations.remove(id)?;
                        clear(&mut invitations, number)?;
                    }
                }
                for write in writes {
                    let number = *numbers.entry(write.id.to_string()).or_insert_with(|| {
                        let number = *next_number;
                        *next_number = number.saturating_add(1);
                        number
                    });
                    let row = Row::new(number, write.away_since, write.published.former_key.is_some(), &write.tally);
                    organizations.insert(&*write.id, row.encode().as_slice())?;
                    put(&mut invitations, number, &write.put)?;
                }
            }
            Ok(transaction.commit()?)
        })
    }
}

type Invitations<'txn> = redb::Table<'txn, &'static [u8; 20], &'static [u8]>;

fn put(invitations: &mut Invitations<'_>, number: u32, put: &Put) -> Result<(), Failure> {
    match put {
        Put::Changed(changes) => {
            for change in changes.chunk_by(|a, b| a.0 == b.0) {
                let key = record::key(number, change[0].0.as_bytes());
                if change[0].1.is_none() {
                    invitations.remove(&key)?;
                } else {
                    let value = record::encode_statuses(change.iter().filter_map(|c| c.1));
                    invitations.insert(&key, value.as_slice())?;
                }
            }
        }
        Put::All(known) => {
            clear(invitations, number)?;
            for known in known.chunk_by(|a, b| a.0 == b.0) {
                let key = record::key(number, known[0].0.as_bytes());
                let value = record::encode_statuses(known.iter().map(|k| k.1));
                invitations.insert(&key, value.as_slice())?;
            }
        }
    }
    Ok(())
}

/// Removes all invitations of one organization.
fn clear(invitations: &mut Invitations<'_>, number: u32) -> Result<(), Failure> {
    let (first, last) = (record::key(number, &[0; 16]), record::key(number, &[255; 16]));
    Ok(invitations.retain_in::<&[u8; 20], _>(&first..=&last, |_, _| false)?)
}

fn decode(row: &[u8]) -> Result<Row, Failure> {
    Row::decode(row).ok_or_else(|| Failure::unusable("an organization's record is not readable"))
}
