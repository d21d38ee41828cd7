//! The one HTTP client under all calls: TLS, proxies, and what it never does.

use std::path::{Path, PathBuf};

use file_reader::ReadError;
use reqwest::{Certificate, Identity, NoProxy, Proxy};
use secrecy::ExposeSecret as _;
use tokio::time::Instant;

use super::settings::{Api, Tls};

/// The largest file; bundles with the authorities of the whole world have a few hundred KiB.
const LARGEST_FILE: u64 = 4 << 20;

/// Why no client can be built from the settings. Names the setting and the path, never a value that can be a secret.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file cannot be read.
    #[error("api.tls.{setting}: cannot read {path}: {error}", path = path.display())]
    Unreadable {
        /// `ca_file`, `cert_file` or `key_file`.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        error: ReadError,
    },
    /// A file can be read but does not hold what it should.
    #[error("api.tls.{setting}: {path} {problem}", path = path.display())]
    Unusable {
        /// `ca_file`, `cert_file` or `key_file`.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Settings that need each other.
    #[error("api.tls: {0}")]
    Incomplete(&'static str),
    /// The proxy's URL cannot be used.
    #[error("api.proxy_url: not a usable proxy URL")]
    Proxy,
    /// The system's certificate authorities take too long to read.
    #[error("the certificate authorities of the system (usually in /etc/ssl/certs) cannot be read: {0}")]
    System(ReadError),
    /// The system has no certificate authorities, and no other ones are configured.
    #[error(
        "TLS cannot be set up: the system has no usable certificate authorities (install ca-certificates or set api.tls.ca_file), or api.tls.cert_file and api.tls.key_file do not belong together"
    )]
    Tls,
}

/// Builds the HTTP client.
///
/// Redirects are not followed, because the credentials would go along. The library's own retries are off,
/// because every request is to be counted and paced.
///
/// No file is read on the caller's thread, that of the system's authorities included, nor waited for longer than
/// [`file_reader::PATIENCE`].
pub(super) async fn http_client(api: &Api) -> Result<reqwest::Client, BuildError> {
    let Material { ca, cert, key } = Material::read(&api.tls, Instant::now() + file_reader::PATIENCE).await;
    let (ca, cert, key, api) = (ca?, cert?, key?, api.clone());
    // The library looks for them in several places; this one stands for all.
    let authorities = Path::new("/etc/ssl/certs");
    let deadline = Instant::now() + file_reader::PATIENCE;
    let built = file_reader::ask(authorities, deadline, move |_| Ok(build(&api, ca, cert, key))).await;
    built.unwrap_or_else(|error| Err(BuildError::System(error)))
}

/// Everything that stands in the way of a client with these settings; nothing is sent.
pub(super) async fn problems(api: &Api) -> Vec<BuildError> {
    let Tls { ca_file, ca_only, .. } = &api.tls;
    let Material { ca, cert, key } = Material::read(&api.tls, Instant::now() + file_reader::PATIENCE).await;
    let parts = [
        proxy(api).err(),
        ca.and_then(|ca| ca.map(|ca| ca.authorities()).transpose()).err(),
        (*ca_only && ca_file.is_none()).then_some(BuildError::Incomplete("ca_only needs ca_file")),
        cert.and_then(|cert| cert.map(Pem::certificate).transpose()).err(),
        key.err(),
    ];
    let found: Vec<BuildError> = parts.into_iter().flatten().collect();
    if found.is_empty() { http_client(api).await.err().into_iter().collect() } else { found }
}

fn build(api: &Api, ca: Option<Pem>, cert: Option<Pem>, key: Option<Pem>) -> Result<reqwest::Client, BuildError> {
    let builder = || {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("csp-invitations-exporter/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(api.connect_timeout);
        Ok(match proxy(api)? {
            Some(proxy) => builder.proxy(proxy),
            None => builder,
        })
    };
    let mut secured = builder()?;
    if let Some(ca) = ca {
        let authorities = ca.authorities()?;
        secured =
            if api.tls.ca_only { secured.tls_certs_only(authorities) } else { secured.tls_certs_merge(authorities) };
    } else if api.tls.ca_only {
        return Err(BuildError::Incomplete("ca_only needs ca_file"));
    }
    let has_identity = match (cert, key) {
        (Some(cert), Some(key)) => {
            secured = secured.identity(identity(cert, &key)?);
            true
        }
        (None, None) => false,
        _ => return Err(BuildError::Incomplete("cert_file and key_file need each other")),
    };
    secured.build().or_else(|_| {
        // Without TLS the system's authorities are of no concern: a container without any can run a simulation.
        if api.url.scheme() == "http" && !has_identity {
            return builder()?.tls_certs_only([]).build().map_err(|_| BuildError::Tls);
        }
        Err(BuildError::Tls)
    })
}

fn proxy(api: &Api) -> Result<Option<Proxy>, BuildError> {
    let Some(url) = &api.proxy_url else { return Ok(None) };
    let proxy = Proxy::all(url.expose_secret()).map_err(|_| BuildError::Proxy)?;
    Ok(Some(proxy.no_proxy(NoProxy::from_env())))
}

/// What the files of the settings hold, at one moment.
struct Material {
    ca: Result<Option<Pem>, BuildError>,
    cert: Result<Option<Pem>, BuildError>,
    key: Result<Option<Pem>, BuildError>,
}

impl Material {
    async fn read(tls: &Tls, deadline: Instant) -> Self {
        let Tls { ca_file, ca_only: _, cert_file, key_file } = tls;
        let read = async |setting, path: &Option<PathBuf>| {
            let Some(path) = path else { return Ok(None) };
            let unreadable = |error| BuildError::Unreadable { setting, path: path.clone(), error };
            let text = file_reader::read(path, LARGEST_FILE, deadline).await.map_err(unreadable)?;
            Ok(Some(Pem { setting, path: path.clone(), text }))
        };
        let (ca, cert, key) =
            tokio::join!(read("ca_file", ca_file), read("cert_file", cert_file), read("key_file", key_file));
        Self { ca, cert, key }
    }
}

/// A file's content.
struct Pem {
    setting: &'static str,
    path: PathBuf,
    text: Vec<u8>,
}

impl Pem {
    fn unusable(&self, problem: &'static str) -> BuildError {
        BuildError::Unusable { setting: self.setting, path: self.path.clone(), problem }
    }

    fn authorities(&self) -> Result<Vec<Certificate>, BuildError> {
        let authorities = Certificate::from_pem_bundle(&self.text).unwrap_or_default();
        if authorities.is_empty() { Err(self.unusable("holds no PEM certificate")) } else { Ok(authorities) }
    }

    /// The file, at least one certificate of which can be read: it alone tells which of two files a failure is about.
    fn certificate(self) -> Result<Self, BuildError> {
        self.authorities().map(|_| self)
    }
}

fn identity(cert: Pem, key: &Pem) -> Result<Identity, BuildError> {
    let mut pem = cert.certificate()?.text;
    pem.push(b'\n');
    pem.extend(&key.text);
    Identity::from_pem(&pem).map_err(|_| key.unusable("holds no unencrypted PEM private key"))
}
