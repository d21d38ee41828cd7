//! From the settings and the files that they name to what rustls works with.

mod client;
mod san;

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{InconsistentKeys, ServerConfig, version};
use secrecy::{ExposeSecret, SecretSlice};
use tokio::time::Instant;

use super::config::{ClientAuth, Pem, TlsSettings, read_small};
use crate::document::{Problem, Problems};

/// The bytes that the settings refer to, at one moment.
pub(super) struct Material {
    cert: Vec<u8>,
    key: SecretSlice<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Material {
    /// Reads what `settings` names, until `deadline` at the latest.
    ///
    /// # Errors
    /// Every file that can't be read.
    pub(super) async fn read(settings: &TlsSettings, deadline: Instant) -> Result<Self, Problems> {
        let TlsSettings { cert, key, client_ca, .. } = settings;
        let client_ca = async {
            match client_ca {
                Some(ca) => pem(ca, "client_ca", deadline).await.map(Some),
                None => Ok(None),
            }
        };
        match tokio::join!(pem(cert, "cert", deadline), pem(key, "key", deadline), client_ca) {
            (Ok(cert), Ok(key), Ok(client_ca)) => Ok(Self { cert, key: key.into(), client_ca }),
            (cert, key, client_ca) => {
                Err(Problems([cert.err(), key.err(), client_ca.err()].into_iter().flatten().collect()))
            }
        }
    }

    /// What tells this material from other.
    pub(super) fn fingerprint(&self) -> blake3::Hash {
        let Self { cert, key, client_ca } = self;
        let mut hasher = blake3::Hasher::new();
        for part in [cert.as_slice(), key.expose_secret(), client_ca.as_deref().unwrap_or_default()] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        hasher.finalize()
    }
}

/// The configuration of the listeners.
///
/// # Errors
/// Every part of the material that is of no use.
pub(super) fn build(settings: &TlsSettings, material: &Material, http2: bool) -> Result<ServerConfig, Problems> {
    let TlsSettings { tls12, tls13, cipher_suites, prefer_server_cipher_suites, curve_preferences, .. } = settings;
    let chain = certificates(&material.cert, "cert");
    let key = PrivateKeyDer::from_pem_slice(material.key.expose_secret())
        .map_err(|_| problem("key", "holds no unencrypted private key in PEM form"));
    let roots = material.client_ca.as_deref().map(|ca| certificates(ca, "client_ca")).transpose();
    let (chain, key, roots) = match (chain, key, roots) {
        (Ok(chain), Ok(key), Ok(roots)) => (chain, key, roots.unwrap_or_default()),
        (chain, key, roots) => {
            return Err(Problems([chain.err(), key.err(), roots.err()].into_iter().flatten().collect()));
        }
    };

    let mut provider = aws_lc_rs::default_provider();
    if let Some(suites) = cipher_suites {
        // The setting speaks of TLS 1.2 alone: suites of 1.3 stay as they are.
        provider.cipher_suites.retain(|suite| suite.tls13().is_some());
        provider.cipher_suites.extend(suites);
    }
    if let Some(groups) = curve_preferences {
        provider.kx_groups.clone_from(groups);
    }
    let provider = Arc::new(provider);
    let versions: Vec<_> = [(*tls13, &version::TLS13), (*tls12, &version::TLS12)]
        .into_iter()
        .filter_map(|(spoken, version)| spoken.then_some(version))
        .collect();
    let verifier = client::verifier(settings, roots, &provider)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(|error| problem("", &format!("no TLS can be spoken with these settings: {error}")))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                problem("key", "does not belong to the certificate")
            }
            error => problem("cert", &format!("can't be used: {error}")),
        })?;
    config.ignore_client_order = *prefer_server_cipher_suites;
    config.alpn_protocols = if http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    if settings.client_auth != ClientAuth::None {
        // A resumed session would let in a client whose certificate has run out or whose CA is gone by now.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}

/// Whether clients' certificates are to be verified without a CA to verify them by.
pub(super) fn verifies_nobody(settings: &TlsSettings) -> bool {
    let verifies = matches!(settings.client_auth, ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify);
    verifies && settings.client_ca.is_none()
}

async fn pem(pem: &Pem, key: &str, deadline: Instant) -> Result<Vec<u8>, Problem> {
    match pem {
        Pem::Inline(text) => Ok(text.expose_secret().as_bytes().to_vec()),
        Pem::File(path) => read_small(path, deadline)
            .await
            .map_err(|error| problem(&format!("{key}_file"), &format!("{} can't be read: {error}", path.display()))),
    }
}

fn certificates(pem: &[u8], key: &str) -> Result<Vec<CertificateDer<'static>>, Problem> {
    match CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(problem(key, "holds no certificate in PEM form")),
        Err(_) => Err(problem(key, "is not well-formed PEM")),
    }
}

fn problem(key: &str, message: &str) -> Problem {
    let path = ["tls_server_config", key].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
    Problem { path, ..Problem::general(message) }
}
