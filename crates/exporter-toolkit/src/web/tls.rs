//! From the settings and the files that they name to what rustls works with.

mod client;
mod san;

use std::path::PathBuf;
use std::sync::Arc;

use file_reader::Content;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{InconsistentKeys, ServerConfig, version};
use secrecy::ExposeSecret as _;
use tokio::time::Instant;

use super::config::{ClientAuth, Pem, TlsSettings, read_small};
use crate::document::{Problem, Problems};

/// The text that the settings refer to, at one moment; `None` for what they don't refer to.
pub(super) struct Material {
    cert: Option<Text>,
    key: Option<Text>,
    client_ca: Option<Text>,
}

/// PEM text, and where it is from.
struct Text {
    /// The key of the settings that holds it or names its file.
    setting: String,
    path: Option<PathBuf>,
    content: Content,
}

/// What the text says.
struct Parts {
    chain: Option<Vec<CertificateDer<'static>>>,
    key: Option<PrivateKeyDer<'static>>,
    roots: Vec<CertificateDer<'static>>,
}

impl Text {
    /// What `pem` is or names, until `deadline` at the latest.
    async fn read(pem: Option<&Pem>, key: &str, deadline: Instant) -> Result<Option<Self>, Problem> {
        match pem {
            None => Ok(None),
            Some(Pem::Inline(text)) => {
                let content = text.expose_secret().as_bytes().to_vec().into();
                Ok(Some(Self { setting: key.to_owned(), path: None, content }))
            }
            Some(Pem::File(path)) => {
                let setting = format!("{key}_file");
                match read_small(path, deadline).await {
                    Ok(content) => Ok(Some(Self { setting, path: Some(path.clone()), content })),
                    Err(error) => Err(problem(&setting, &format!("{} can't be read: {error}", path.display()))),
                }
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.content
    }

    fn pem(&self) -> Result<pem_text::Pem<'_>, String> {
        pem_text::Pem::new(self.bytes())
    }

    /// Every certificate, at least one.
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Problem> {
        let found = self.pem().and_then(pem_text::Pem::certificates).and_then(|found| {
            found.iter().try_for_each(pem_text::Placed::check)?;
            Ok(found)
        });
        Ok(found.map_err(|what| self.unusable(&what))?.into_iter().map(|placed| placed.certificate).collect())
    }

    /// The key, of a kind that can be used.
    fn private_key(&self) -> Result<PrivateKeyDer<'static>, Problem> {
        let key = self.pem().and_then(pem_text::Pem::private_key).map_err(|what| self.unusable(&what))?;
        match aws_lc_rs::default_provider().key_provider.load_private_key(key.clone_key()) {
            Ok(_) => Ok(key),
            Err(_) => Err(self.unusable(&pem_text::unfit(&key))),
        }
    }

    /// That it does not hold what it should.
    fn unusable(&self, what: &str) -> Problem {
        match &self.path {
            Some(path) => problem(&self.setting, &format!("{} {what}", path.display())),
            None => problem(&self.setting, what),
        }
    }
}

impl Material {
    /// Reads what `settings` names, until `deadline` at the latest.
    ///
    /// # Errors
    /// Every file that can't be read.
    pub(super) async fn read(settings: &TlsSettings, deadline: Instant) -> Result<Self, Problems> {
        match Self::read_all(settings, deadline).await {
            (material, Problems(problems)) if problems.is_empty() => Ok(material),
            (_, problems) => Err(problems),
        }
    }

    /// What can be read, and a problem for each file that can't.
    async fn read_all(settings: &TlsSettings, deadline: Instant) -> (Self, Problems) {
        let TlsSettings { cert, key, client_ca, .. } = settings;
        let (cert, key, client_ca) = tokio::join!(
            Text::read(cert.as_ref(), "cert", deadline),
            Text::read(key.as_ref(), "key", deadline),
            Text::read(client_ca.as_ref(), "client_ca", deadline)
        );
        let mut problems = Vec::new();
        let mut good = |read: Result<Option<Text>, Problem>| {
            read.unwrap_or_else(|problem| {
                problems.push(problem);
                None
            })
        };
        let (cert, key, client_ca) = (good(cert), good(key), good(client_ca));
        (Self { cert, key, client_ca }, Problems(problems))
    }

    /// Everything that is wrong with what `settings` names, as far as each file can be judged by itself.
    pub(super) async fn problems(settings: &TlsSettings, deadline: Instant) -> Problems {
        let (material, Problems(mut problems)) = Self::read_all(settings, deadline).await;
        problems.extend(material.parts().err().into_iter().flat_map(|Problems(more)| more));
        Problems(problems)
    }

    /// That one of its texts does not do.
    fn blame(text: Option<&Text>, what: &str) -> Problem {
        text.map_or_else(|| problem("", what), |text| text.unusable(what))
    }

    fn parts(&self) -> Result<Parts, Problems> {
        let Self { cert, key, client_ca } = self;
        let chain = cert.as_ref().map(Text::certificates).transpose();
        let key = key.as_ref().map(Text::private_key).transpose();
        let roots = client_ca.as_ref().map(Text::certificates).transpose();
        match (chain, key, roots) {
            (Ok(chain), Ok(key), Ok(roots)) => Ok(Parts { chain, key, roots: roots.unwrap_or_default() }),
            (chain, key, roots) => Err(Problems([chain.err(), key.err(), roots.err()].into_iter().flatten().collect())),
        }
    }

    /// What tells this material from other.
    pub(super) fn fingerprint(&self) -> blake3::Hash {
        let Self { cert, key, client_ca } = self;
        let mut hasher = blake3::Hasher::new();
        for part in [cert, key, client_ca] {
            let part = part.as_ref().map(Text::bytes).unwrap_or_default();
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
    let Parts { chain: Some(chain), key: Some(key), roots } = material.parts()? else {
        return Err(problem("", "needs a certificate and a key").into());
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
    let verifier = client::verifier(settings, roots, &provider)
        .map_err(|what| Material::blame(material.client_ca.as_ref(), what))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(|error| problem("", &format!("no TLS can be spoken with these settings: {error}")))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => Material::blame(
                material.key.as_ref(),
                "does not belong to the certificate, which is to be the first of its chain",
            ),
            _ => Material::blame(
                material.cert.as_ref(),
                "has a first certificate that TLS cannot use as the server's own",
            ),
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

fn problem(key: &str, message: &str) -> Problem {
    let path = ["tls_server_config", key].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
    Problem { path, ..Problem::general(message) }
}
