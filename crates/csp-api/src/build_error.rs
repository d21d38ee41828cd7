//! What keeps a client from being built.

use std::path::PathBuf;

use super::proxy::ProxyError;

/// Why no client can be built from the settings. Names the setting and the path, never a value that can be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A file cannot be read.
    #[error("api.tls.{setting}: cannot read {path}: {problem}", path = path.display())]
    Unreadable {
        /// `ca_file`, `cert_file` or `key_file`.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// A file can be read but does not hold what it should.
    #[error("api.tls.{setting}: {path} {problem}", path = path.display())]
    Unusable {
        /// `ca_file`, `cert_file` or `key_file`.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Settings that need each other.
    #[error("api.tls: {0}")]
    Incomplete(&'static str),
    /// A proxy's URL cannot be used.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The system has no certificate authorities, and no other ones are configured.
    #[error("no certificate authority to trust: {0}")]
    NoAuthorities(String),
    /// The HTTP library refuses settings that were checked: a fault in the exporter.
    #[error("the HTTP client cannot be built: report it as a fault of the exporter")]
    Library,
}
