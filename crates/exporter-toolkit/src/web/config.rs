//! The web configuration file, in the format of the Prometheus exporter-toolkit
//! (<https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md>).
//!
//! Files that are good there are good here, with these exceptions, which are refused by name: what
//! rustls does not have (TLS 1.0 and 1.1, P-521, CBC suites, RSA key exchange), and a
//! `tls_server_config` without a certificate, which the toolkit takes as "no TLS".

mod go_duration;
mod names;
mod password;
mod read;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use file_reader::{Content, ReadError};
use http::{HeaderName, HeaderValue};
use rustls::SupportedCipherSuite;
use rustls::crypto::SupportedKxGroup;
use secrecy::SecretString;
use tokio::time::Instant;

pub(super) use password::PasswordHash;

use crate::document::Problems;

/// Everything that the file can say.
#[derive(Debug)]
pub(super) struct WebConfig {
    /// TLS, when it is on.
    pub tls: Option<TlsSettings>,
    /// Whether TLS connections may speak HTTP/2.
    pub http2: bool,
    /// Headers that are added to each answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Who may come in, by name; empty is everybody.
    pub users: BTreeMap<String, PasswordHash>,
    /// How many requests are answered.
    pub rate_limit: Option<RateLimit>,
}

/// A token bucket over all requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RateLimit {
    /// How long it takes for one more request to be allowed; above zero.
    pub interval: Duration,
    /// Requests that are allowed at once; 0 allows none at all, as in the toolkit.
    pub burst: u32,
}

/// TLS as the file describes it; what it refers to is read at each handshake.
pub(super) struct TlsSettings {
    /// The certificate chain; `None` only in a file with that problem.
    pub cert: Option<Pem>,
    /// Its key; `None` only in a file with that problem.
    pub key: Option<Pem>,
    /// Who may have signed clients' certificates.
    pub client_ca: Option<Pem>,
    /// What is asked of clients.
    pub client_auth: ClientAuth,
    /// One of these must be a subject alternative name of the client's certificate.
    pub client_allowed_sans: Option<Vec<String>>,
    /// Whether TLS 1.2 is spoken.
    pub tls12: bool,
    /// Whether TLS 1.3 is spoken.
    pub tls13: bool,
    /// TLS 1.2 suites in the order of preference; `None` is the default.
    pub cipher_suites: Option<Vec<SupportedCipherSuite>>,
    /// Whether this side's order of suites decides.
    pub prefer_server_cipher_suites: bool,
    /// Key exchange groups in the order of preference; `None` is the default.
    pub curve_preferences: Option<Vec<&'static dyn SupportedKxGroup>>,
}

/// Shows where things are, not what they are.
impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cert, key, client_ca, client_auth, .. } = self;
        f.debug_struct("TlsSettings")
            .field("cert", cert)
            .field("key", key)
            .field("client_ca", client_ca)
            .field("client_auth", client_auth)
            .finish_non_exhaustive()
    }
}

/// PEM text, or where it is.
#[derive(Debug)]
pub(super) enum Pem {
    /// In a file.
    File(PathBuf),
    /// In the configuration file itself.
    Inline(SecretString),
}

/// What is asked of clients: Go's `tls.ClientAuthType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientAuth {
    /// `NoClientCert`: nothing.
    None,
    /// `RequestClientCert`: a certificate is asked for; none or any will do.
    Request,
    /// `RequireAnyClientCert`: any certificate, whoever signed it.
    RequireAny,
    /// `VerifyClientCertIfGiven`: none, or one that the client CA signed.
    VerifyIfGiven,
    /// `RequireAndVerifyClientCert`: one that the client CA signed.
    RequireAndVerify,
}

/// The settings in `source`; relative paths are those of `path`'s folder. Reads no other file.
///
/// # Errors
/// Every problem of the text itself.
pub(super) fn parse(source: &[u8], path: &Path) -> Result<WebConfig, Problems> {
    crate::document::read(source, |root| Some(read::web_config(root, folder(path))))
}

/// As [`parse`], with what could be read in spite of problems.
pub(super) fn examine(source: &[u8], path: &Path) -> (Option<WebConfig>, Problems) {
    crate::document::examine(source, |root| Some(read::web_config(root, folder(path))))
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// Reads a regular file of at most 1 MiB.
///
/// # Errors
/// Why there is nothing.
pub(super) async fn read_small(path: &Path, deadline: Instant) -> Result<Content, ReadError> {
    const LIMIT: u64 = 1 << 20;
    file_reader::read_regular(path, LIMIT, deadline).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_documented() {
        let page = include_str!("../../../../docs/http.md");
        let keys = crate::document::known_keys(b"", |root| Some(read::web_config(root, Path::new(""))));
        assert!(keys.len() > 20, "{keys:?}");
        for key in keys {
            let leaf = key.rsplit('.').next().unwrap();
            assert!(leaf == "*" || page.contains(leaf), "{key}");
        }
    }
}
