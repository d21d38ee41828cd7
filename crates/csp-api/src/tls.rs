//! TLS towards the service: whom the exporter trusts, and as whom it comes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, InconsistentKeys, RootCertStore};
use rustls_pki_types::PrivateKeyDer;

use super::pem::{PemFile, rsa_bits};
use super::proxy::ProxyError;
use super::settings::Tls;

/// Why no client can be built from the settings. Names the setting and the path, never a value that can be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A file cannot be read.
    #[error("api.tls.{setting}: cannot read {path}: {kind}", path = path.display())]
    Unreadable {
        /// `ca_file`, `cert_file` or `key_file`.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        kind: std::io::ErrorKind,
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

/// The TLS side of all connections. `is_needed` tells that at least one of them is to be encrypted: without any, a system
/// that has no certificate authorities, such as a container with nothing else in it, will do.
///
/// # Errors
/// Everything that is wrong with the files and their settings.
pub(super) fn configure(tls: &Tls, is_needed: bool) -> Result<ClientConfig, Vec<BuildError>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let Tls { ca_file, ca_only, cert_file, key_file } = tls;
    let mut problems = Vec::new();
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => problems.extend(trust(path, &mut roots).err()),
        None if *ca_only => problems.push(BuildError::Incomplete("ca_only needs ca_file")),
        None => {}
    }
    let identity = match (cert_file, key_file) {
        (Some(cert), Some(key)) => match identity(cert, key, &provider) {
            Ok(identity) => Some(identity),
            Err(found) => {
                problems.extend(found);
                None
            }
        },
        (None, None) => None,
        _ => {
            problems.push(BuildError::Incomplete("cert_file and key_file need each other"));
            None
        }
    };
    if !ca_only && is_needed && problems.is_empty() {
        problems.extend(trust_system(&mut roots).err());
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.map_err(|_| vec![BuildError::Library])?.with_root_certificates(roots);
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Adds the authorities of `ca_file`.
fn trust(path: &Path, roots: &mut RootCertStore) -> Result<(), BuildError> {
    let file = PemFile::read("ca_file", path)?;
    for (place, certificate) in file.certificates()? {
        let damaged = |_| file.unusable(format!("has a damaged block: {place} is no certificate inside"));
        roots.add(certificate).map_err(damaged)?;
    }
    Ok(())
}

/// Adds the system's authorities, as far as they can be read; none at all is an error.
fn trust_system(roots: &mut RootCertStore) -> Result<(), BuildError> {
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    let unread: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
    let named: Vec<_> =
        ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().filter(|n| std::env::var_os(n).is_some()).collect();
    if roots.is_empty() {
        let mut words = match named.as_slice() {
            [] => "the system has none: install ca-certificates, or set api.tls.ca_file".to_owned(),
            named => format!("{} of the environment names none: mend or unset it", named.join(" with ")),
        };
        if let Some(unread) = unread.first() {
            words = format!("{words} ({unread})");
        }
        return Err(BuildError::NoAuthorities(words));
    }
    for unread in unread {
        tracing::warn!(problem = unread, "certificate authorities of the system cannot be read and do not count");
    }
    Ok(())
}

/// The client certificate and its key.
fn identity(cert: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, Vec<BuildError>> {
    let chain = PemFile::read("cert_file", cert).and_then(|file| Ok((file.certificates()?, file)));
    let key = PemFile::read("key_file", key).and_then(|file| Ok((file.private_key()?, file)));
    let ((chain, cert_file), (key, key_file)) = match (chain, key) {
        (Ok(chain), Ok(key)) => (chain, key),
        (chain, key) => return Err(chain.err().into_iter().chain(key.err()).collect()),
    };
    for (place, certificate) in &chain {
        if x509_parser::parse_x509_certificate(certificate).is_err() {
            return Err(vec![cert_file.unusable(format!("has a damaged block: {place} is no certificate inside"))]);
        }
    }
    let signing_key = provider.key_provider.load_private_key(key.clone_key());
    let signing_key = signing_key.map_err(|_| vec![key_file.unusable(unfit(&key))])?;
    let identity = CertifiedKey::new(chain.into_iter().map(|(_, certificate)| certificate).collect(), signing_key);
    match identity.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(identity),
        Err(rustls::Error::InconsistentKeys(_)) => Err(vec![key_file.unusable(format!(
            "is not the key of the first certificate in {} (api.tls.cert_file), which must be the client's own",
            cert.display()
        ))]),
        Err(_) => Err(vec![cert_file.unusable("has a first certificate that TLS cannot use as the client's own")]),
    }
}

/// Why a key that is a key cannot be used.
fn unfit(key: &PrivateKeyDer<'_>) -> String {
    match rsa_bits(key) {
        Some(bits @ ..2048) => format!("is an RSA key of {bits} bits: TLS needs 2048 or more, so have a new one issued"),
        Some(bits @ 8193..) => format!("is an RSA key of {bits} bits: 8192 are the most that can be used"),
        _ => "is a key that cannot be used: RSA keys of 2048 to 8192 bits can, and ECDSA keys on P-256, P-384 and P-521, \
              and Ed25519 keys"
            .to_owned(),
    }
}
