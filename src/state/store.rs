//! The durable state on disk: one file in a folder that one process owns.
//!
//! **Exactness.** Everything of a poll — counters, durations and the changes to the known invitations — is in one
//! transaction, so the file always holds some poll's outcome whole, and what a crash loses is found again by
//! comparing the next poll with it.
//!
//! **Trouble.** A file that this version can't read is moved aside, never deleted, and a fresh one is begun. A file
//! that cannot be read now may be readable later, so it is left where it is. Only the writer's thread comes here.

use std::path::PathBuf;
use std::sync::Arc;

use invitations::lifecycle::{Change, Known, Ledger, Tally};
use invitations::{IdentityKey, Millis};

use super::published::Published;

mod disk;
mod failure;
mod folder;
mod record;
mod state_file;

pub(super) use disk::{Files, Real};
pub(super) use failure::Failure;
pub(super) use state_file::{Found, StateFile};
#[cfg(test)]
pub(super) use {disk::builder, record::FORMAT};

/// Why a state folder can't be used at all; anything that may pass is no error.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process owns it.
    #[error("the state folder {} is in use by another process; give each instance its own", .0.display())]
    InUse(PathBuf),
    /// It is not a folder.
    #[error("{} is not a folder; the state needs one", .0.display())]
    NotAFolder(PathBuf),
    /// The system has no thread left for it.
    #[error("the state needs two threads of its own: {0}")]
    NoThread(std::io::Error),
}

/// The file that is written to.
#[derive(Debug, Clone)]
pub(super) struct File {
    /// Which one it is: goes up with each other file. Never 0.
    pub(super) generation: u64,
    /// What seals the identities in it.
    pub(super) key: IdentityKey,
}

/// All that a file says.
#[derive(Debug)]
pub(super) struct Content {
    /// When the process that wrote it last was last alive.
    pub(super) alive_at: Millis,
    pub(super) organizations: Vec<Stored>,
}

/// What a file says of one organization.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) id: String,
    pub(super) away_since: Option<Millis>,
    /// With sealed identities.
    pub(super) ledger: Ledger,
    /// Whether they are those of the first format.
    pub(super) is_former: bool,
    pub(super) key: IdentityKey,
    /// The generation of the file.
    pub(super) generation: u64,
}

/// What has to be written of one organization.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) id: Arc<str>,
    pub(super) tally: Arc<Tally>,
    pub(super) away_since: Option<Millis>,
    pub(super) put: Put,
    /// What can be seen once it is written.
    pub(super) published: Published,
}

/// The invitations that have to be written, sealed.
#[derive(Debug)]
pub(super) enum Put {
    /// Those that changed.
    Changed(Vec<Change>),
    /// All, in place of those that are there.
    All(Vec<Known>),
}
