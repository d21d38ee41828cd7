//! Why the disk did not do what it was asked, in the three kinds that call for different answers.

use std::io::ErrorKind;
use std::panic::{self, AssertUnwindSafe};

use redb::StorageError;

/// Why the disk did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The file is there, but not a state that this version can read: damaged, foreign or of a newer version.
    #[error("{0}")]
    Unusable(String),
    /// Another process has it.
    #[error("another process has it open")]
    InUse,
    /// The folder is none.
    #[error("it is not a folder")]
    NotAFolder,
    /// The disk refuses: full, read-only, broken. It may come back.
    #[error("{0}")]
    Unavailable(String),
}

impl Failure {
    pub(super) fn unusable(reason: impl Into<String>) -> Self {
        Self::Unusable(reason.into())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            // What redb says of a foreign file, and what reading past the end of a truncated one gives.
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof | ErrorKind::InvalidInput => {
                Self::Unusable(error.to_string())
            }
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<redb::Error> for Failure {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => error.into(),
            redb::Error::DatabaseAlreadyOpen => Self::InUse,
            redb::Error::PreviousIo | redb::Error::Backend(_) | redb::Error::DatabaseClosed => {
                Self::Unavailable(error.to_string())
            }
            _ => Self::Unusable(error.to_string()),
        }
    }
}

/// Each of redb's errors goes through its common one.
macro_rules! through_common {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                redb::Error::from(error).into()
            }
        }
    )*};
}
through_common!(redb::DatabaseError, redb::TransactionError, redb::TableError, redb::CommitError, StorageError);

/// Runs `work`, with a panic as [`Failure::Unusable`]: redb may panic on a file that something else altered.
pub(super) fn guard<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    // What `work` was writing is abandoned with its transaction, so nothing half-done is seen afterwards.
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Failure::unusable("reading it failed badly")))
}
