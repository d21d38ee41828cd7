//! The PEM files of `api.tls`.

use std::path::Path;

use file_reader::{Content, ReadError};
use pem_text::{Pem, Placed};
use rustls_pki_types::PrivateKeyDer;
use tokio::time::Instant;

use super::build_error::BuildError;

/// The largest file in bytes; bundles with the authorities of the whole world have a few hundred KiB.
const LARGEST: u64 = 4 << 20;

/// A file of `api.tls`.
pub(super) struct PemFile<'a> {
    setting: &'static str,
    path: &'a Path,
    content: Content,
}

impl<'a> PemFile<'a> {
    /// Reads the file that `api.tls` names under `setting`.
    pub(super) async fn read(setting: &'static str, path: &'a Path, deadline: Instant) -> Result<Self, BuildError> {
        let unreadable =
            |error: ReadError| BuildError::Unreadable { setting, path: path.to_owned(), problem: error.to_string() };
        let content = file_reader::read(path, LARGEST, deadline).await.map_err(unreadable)?;
        Ok(Self { setting, path, content })
    }

    pub(super) fn path(&self) -> &Path {
        self.path
    }

    /// That the file does not hold what it should.
    pub(super) fn unusable(&self, problem: impl Into<String>) -> BuildError {
        BuildError::Unusable { setting: self.setting, path: self.path.to_owned(), problem: problem.into() }
    }

    /// Every certificate, at least one.
    pub(super) fn certificates(&self) -> Result<Vec<Placed>, BuildError> {
        Pem::new(&self.content).and_then(Pem::certificates).map_err(|problem| self.unusable(problem))
    }

    /// The first private key.
    pub(super) fn private_key(&self) -> Result<PrivateKeyDer<'static>, BuildError> {
        Pem::new(&self.content).and_then(Pem::private_key).map_err(|problem| self.unusable(problem))
    }
}
