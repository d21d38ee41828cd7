//! TLS towards the service: whom the exporter trusts, and as whom it comes.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, InconsistentKeys, RootCertStore};
use rustls_pki_types::CertificateDer;
use tokio::time::Instant;

use super::build_error::BuildError;
use super::pem::PemFile;
use super::settings::Tls;

/// The TLS side of all connections. `is_needed` tells that at least one of them is to be encrypted: without any, a system
/// that has no certificate authorities, such as a container with nothing else in it, will do.
///
/// Files are read elsewhere, those of the system included, and waited for no longer than [`file_reader::PATIENCE`].
///
/// # Errors
/// Everything that is wrong with the files and their settings.
pub(super) async fn configure(tls: &Tls, is_needed: bool) -> Result<ClientConfig, Vec<BuildError>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let Tls { ca_file, ca_only, cert_file, key_file } = tls;
    let mut problems = Vec::new();
    let mut roots = RootCertStore::empty();
    let deadline = Instant::now() + file_reader::PATIENCE;
    let (authorities, cert, key) = tokio::join!(
        read("ca_file", ca_file.as_deref(), deadline),
        read("cert_file", cert_file.as_deref(), deadline),
        read("key_file", key_file.as_deref(), deadline)
    );
    match authorities {
        Some(file) => problems.extend(file.and_then(|file| trust(&file, &mut roots)).err()),
        None if *ca_only => problems.push(BuildError::Incomplete("ca_only needs ca_file")),
        None => {}
    }
    let identity = match (cert, key) {
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
        match system().await {
            Ok(certificates) => {
                roots.add_parsable_certificates(certificates);
            }
            Err(problem) => problems.push(problem),
        }
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

/// The file of a setting, if it is set.
async fn read<'a>(
    setting: &'static str,
    path: Option<&'a Path>,
    deadline: Instant,
) -> Option<Result<PemFile<'a>, BuildError>> {
    Some(PemFile::read(setting, path?, deadline).await)
}

/// Adds the authorities of `ca_file`.
fn trust(file: &PemFile<'_>, roots: &mut RootCertStore) -> Result<(), BuildError> {
    for placed in file.certificates()? {
        roots.add(placed.certificate.clone()).map_err(|_| file.unusable(placed.damaged()))?;
    }
    Ok(())
}

/// The system's authorities, as far as they can be read; none at all is an error.
async fn system() -> Result<Vec<CertificateDer<'static>>, BuildError> {
    // They are in several files and folders; the usual one stands for all.
    let (place, deadline) = (Path::new("/etc/ssl/certs"), Instant::now() + file_reader::PATIENCE);
    let found = file_reader::ask(place, deadline, |_| Ok(rustls_native_certs::load_native_certs())).await;
    let found = found.map_err(|error| {
        BuildError::NoAuthorities(format!(
            "those of the system (usually in {}) cannot be read: {error}",
            place.display()
        ))
    })?;
    let unread: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
    let named: Vec<_> =
        ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().filter(|n| std::env::var_os(n).is_some()).collect();
    if found.certs.is_empty() {
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
    Ok(found.certs)
}

/// The client certificate and its key.
fn identity(
    cert: Result<PemFile<'_>, BuildError>,
    key: Result<PemFile<'_>, BuildError>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, Vec<BuildError>> {
    let chain = cert.and_then(|file| Ok((file.certificates()?, file)));
    let key = key.and_then(|file| Ok((file.private_key()?, file)));
    let ((chain, cert_file), (key, key_file)) = match (chain, key) {
        (Ok(chain), Ok(key)) => (chain, key),
        (chain, key) => return Err(chain.err().into_iter().chain(key.err()).collect()),
    };
    for placed in &chain {
        placed.check().map_err(|problem| vec![cert_file.unusable(problem)])?;
    }
    let signing_key = provider.key_provider.load_private_key(key.clone_key());
    let signing_key = signing_key.map_err(|_| vec![key_file.unusable(pem_text::unfit(&key))])?;
    let identity = CertifiedKey::new(chain.into_iter().map(|placed| placed.certificate).collect(), signing_key);
    match identity.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(identity),
        Err(rustls::Error::InconsistentKeys(_)) => Err(vec![key_file.unusable(format!(
            "is not the key of the first certificate in {} (api.tls.cert_file), which must be the client's own",
            cert_file.path().display()
        ))]),
        Err(_) => Err(vec![cert_file.unusable("has a first certificate that TLS cannot use as the client's own")]),
    }
}
