//! The one HTTP client under all calls: TLS, proxies, and what it never does.

use std::fs;
use std::path::{Path, PathBuf};

use reqwest::{Certificate, Identity, NoProxy, Proxy};
use secrecy::ExposeSecret as _;

use super::settings::{Api, Tls};

/// Why no client can be built from the settings. Names the setting and the path, never a value that can be a secret.
#[derive(Debug, thiserror::Error)]
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
        problem: &'static str,
    },
    /// Settings that need each other.
    #[error("api.tls: {0}")]
    Incomplete(&'static str),
    /// The proxy's URL cannot be used.
    #[error("api.proxy_url: not a usable proxy URL")]
    Proxy,
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
pub(super) fn http_client(api: &Api) -> Result<reqwest::Client, BuildError> {
    builder(api)?.build().or_else(|_| {
        // Without TLS the system's authorities are of no concern: a container without any can run a simulation.
        if api.url.scheme() == "http" && api.tls.cert_file.is_none() {
            return builder(api)?.tls_certs_only([]).build().map_err(|_| BuildError::Tls);
        }
        Err(BuildError::Tls)
    })
}

/// Everything that stands in the way of a client with these settings; nothing is sent.
pub(super) fn problems(api: &Api) -> Vec<BuildError> {
    let Tls { ca_file, ca_only, cert_file, key_file } = &api.tls;
    let parts = [
        proxy(api).err(),
        ca_file.as_deref().and_then(|path| authorities(path).err()),
        (*ca_only && ca_file.is_none()).then_some(BuildError::Incomplete("ca_only needs ca_file")),
        cert_file.as_deref().and_then(|path| certificate(path).err()),
        key_file.as_deref().and_then(|path| read("key_file", path).err()),
    ];
    let found: Vec<BuildError> = parts.into_iter().flatten().collect();
    if found.is_empty() { http_client(api).err().into_iter().collect() } else { found }
}

fn builder(api: &Api) -> Result<reqwest::ClientBuilder, BuildError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("csp-invitations-exporter/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(api.connect_timeout);
    if let Some(proxy) = proxy(api)? {
        builder = builder.proxy(proxy);
    }
    let Tls { ca_file, ca_only, cert_file, key_file } = &api.tls;
    if let Some(path) = ca_file {
        let authorities = authorities(path)?;
        builder = if *ca_only { builder.tls_certs_only(authorities) } else { builder.tls_certs_merge(authorities) };
    } else if *ca_only {
        return Err(BuildError::Incomplete("ca_only needs ca_file"));
    }
    match (cert_file, key_file) {
        (Some(cert), Some(key)) => Ok(builder.identity(identity(cert, key)?)),
        (None, None) => Ok(builder),
        _ => Err(BuildError::Incomplete("cert_file and key_file need each other")),
    }
}

fn proxy(api: &Api) -> Result<Option<Proxy>, BuildError> {
    let Some(url) = &api.proxy_url else { return Ok(None) };
    let proxy = Proxy::all(url.expose_secret()).map_err(|_| BuildError::Proxy)?;
    Ok(Some(proxy.no_proxy(NoProxy::from_env())))
}

fn authorities(path: &Path) -> Result<Vec<Certificate>, BuildError> {
    let unusable =
        || BuildError::Unusable { setting: "ca_file", path: path.to_owned(), problem: "holds no PEM certificate" };
    let authorities = Certificate::from_pem_bundle(&read("ca_file", path)?).map_err(|_| unusable())?;
    if authorities.is_empty() { Err(unusable()) } else { Ok(authorities) }
}

/// The PEM text of a file, at least one certificate of which can be read.
fn certificate(path: &Path) -> Result<Vec<u8>, BuildError> {
    let pem = read("cert_file", path)?;
    // The certificate alone tells which of the two files a failure is about.
    if Certificate::from_pem_bundle(&pem).map_or(true, |certificates| certificates.is_empty()) {
        let path = path.to_owned();
        return Err(BuildError::Unusable { setting: "cert_file", path, problem: "holds no PEM certificate" });
    }
    Ok(pem)
}

fn identity(cert: &Path, key: &Path) -> Result<Identity, BuildError> {
    let mut pem = certificate(cert)?;
    pem.push(b'\n');
    pem.extend(read("key_file", key)?);
    Identity::from_pem(&pem).map_err(|_| BuildError::Unusable {
        setting: "key_file",
        path: key.to_owned(),
        problem: "holds no unencrypted PEM private key",
    })
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, BuildError> {
    fs::read(path).map_err(|error| BuildError::Unreadable { setting, path: path.to_owned(), kind: error.kind() })
}
