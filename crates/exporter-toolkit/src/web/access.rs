//! Who may come in: the web configuration file, read again for each request and each handshake.

use std::fmt;
use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http::HeaderMap;
use parking_lot::Mutex;
use rustls::ServerConfig;
use tokio::time::Instant;

use super::auth::{Checked, Credentials, Verifier};
use super::config::{self, RateLimit, WebConfig};
use super::tls;
use crate::document::{Problem, Problems};

/// How long a request or a handshake waits for the files that decide about it. Shorter than scrapers wait, so that they
/// are told; longer than a disk takes that answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// The access rules of the listeners.
///
/// Certificates are read again for each handshake, users and headers for each request, so that a
/// rotation needs no reload; a parsed file is used again while its bytes are the same. The rate limit,
/// HTTP/2 and whether there is TLS are those of the start.
///
/// A file that goes bad lets nobody in. Neither does one that no longer has users, when there were some:
/// half-written files look like that, and turning authentication off takes a restart.
pub struct Access {
    /// `None` lets everybody in.
    path: Option<PathBuf>,
    limit: Option<Limit>,
    tls: bool,
    http2: bool,
    /// Whether there have been users.
    authenticates: AtomicBool,
    read: Mutex<Option<Read>>,
    secured: Mutex<Option<(Fingerprint, Arc<ServerConfig>)>>,
    reported: Mutex<Option<Problems>>,
    verifier: Verifier,
}

/// The newest bytes of the file, and what they say.
struct Read {
    /// `None` when there was nothing to read.
    bytes: Option<blake3::Hash>,
    /// `None` when it can't be used.
    config: Option<Arc<WebConfig>>,
}

/// The hashes of the file and of what it refers to.
type Fingerprint = (blake3::Hash, blake3::Hash);

enum Limit {
    /// A burst of 0.
    Nothing,
    Bucket(Box<DefaultDirectRateLimiter>),
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, tls, http2, .. } = self;
        f.debug_struct("Access").field("path", path).field("tls", tls).field("http2", http2).finish_non_exhaustive()
    }
}

/// Why a request does not get to a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The file has gone bad.
    Misconfigured,
    /// The rate limit.
    TooManyRequests,
    /// No or wrong credentials.
    Unauthorized,
    /// Too many passwords wait to be checked.
    Busy,
}

impl Access {
    /// The rules of the file at `path`; without one everybody may come in, without TLS.
    ///
    /// Reads and checks the file with everything that it refers to.
    ///
    /// # Errors
    /// The file can't be used: every problem, each with its key and line; never a value.
    pub async fn load(path: Option<&Path>) -> Result<Arc<Self>, Problems> {
        let Some(path) = path else { return Ok(Self::open()) };
        let WebConfig { tls, http2, users, rate_limit, .. } = validate(path).await?;
        if tls.as_ref().is_some_and(tls::verifies_nobody) {
            tracing::warn!("client certificates are to be verified, but there is no client CA: none will be accepted");
        }
        let mut access = Self::nobodys();
        access.path = Some(path.to_owned());
        access.limit = rate_limit.map(Limit::new);
        access.tls = tls.is_some();
        access.http2 = http2;
        access.authenticates = AtomicBool::new(!users.is_empty());
        Ok(Arc::new(access))
    }

    /// Everybody may come in, without TLS.
    #[must_use]
    pub fn open() -> Arc<Self> {
        Arc::new(Self::nobodys())
    }

    fn nobodys() -> Self {
        Self {
            path: None,
            limit: None,
            tls: false,
            http2: false,
            authenticates: AtomicBool::new(false),
            read: Mutex::new(None),
            secured: Mutex::new(None),
            reported: Mutex::new(None),
            verifier: Verifier::new(),
        }
    }

    /// Whether the listeners speak TLS, and nothing else.
    #[must_use]
    pub fn tls_enabled(&self) -> bool {
        self.tls
    }

    /// Whether a request with `headers` gets to a page, and the settings that this was decided by.
    pub(super) async fn admit(
        self: &Arc<Self>,
        headers: &HeaderMap,
        peer: Option<std::net::IpAddr>,
    ) -> (Option<Arc<WebConfig>>, Result<(), Refusal>) {
        if self.path.is_none() {
            return (None, Ok(()));
        }
        let Some((_, config)) = self.current(Instant::now() + PATIENCE).await else {
            return (None, Err(Refusal::Misconfigured));
        };
        let limited = match &self.limit {
            None => false,
            Some(Limit::Nothing) => true,
            Some(Limit::Bucket(bucket)) => bucket.check().is_err(),
        };
        if limited {
            return (Some(config), Err(Refusal::TooManyRequests));
        }
        if config.users.is_empty() {
            return (Some(config), Ok(()));
        }
        let checked = match Credentials::of(headers) {
            None => Checked::Wrong,
            Some(credentials) => self.verifier.verify(&config.users, credentials, peer).await,
        };
        let admitted = match checked {
            Checked::Right => Ok(()),
            Checked::Wrong => Err(Refusal::Unauthorized),
            Checked::Busy => Err(Refusal::Busy),
        };
        (Some(config), admitted)
    }

    /// TLS as the files say at this moment.
    ///
    /// # Errors
    /// A file can't be used: no handshake then.
    pub(super) async fn tls_config(self: &Arc<Self>) -> io::Result<Arc<ServerConfig>> {
        let deadline = Instant::now() + PATIENCE;
        let unusable = || io::Error::other("the web configuration can't be used");
        let (bytes, config) = self.current(deadline).await.ok_or_else(unusable)?;
        let settings = config.tls.as_ref().ok_or_else(unusable)?;
        let secured = match tls::Material::read(settings, deadline).await {
            Ok(material) => self.secure(bytes, &config, material).await,
            Err(problems) => Err(problems),
        };
        let mut reported = self.reported.lock();
        secured.inspect(|_| *reported = None).map_err(|problems| {
            // Once, not for each handshake that somebody tries.
            if reported.as_ref() != Some(&problems) {
                tracing::error!(%problems, "no TLS handshake is possible");
                *reported = Some(problems);
            }
            unusable()
        })
    }

    /// What is made of this material and the settings that were read from these bytes; again while both are the same.
    async fn secure(
        self: &Arc<Self>,
        bytes: blake3::Hash,
        config: &Arc<WebConfig>,
        material: tls::Material,
    ) -> Result<Arc<ServerConfig>, Problems> {
        let fingerprint = (bytes, material.fingerprint());
        if let Some((known, secured)) = &*self.secured.lock()
            && *known == fingerprint
        {
            return Ok(Arc::clone(secured));
        }
        let (this, config) = (Arc::clone(self), Arc::clone(config));
        elsewhere(move || {
            let Some(settings) = &config.tls else { return Err(Problem::general("tls_server_config is gone").into()) };
            let secured = Arc::new(tls::build(settings, &material, this.http2)?);
            *this.secured.lock() = Some((fingerprint, Arc::clone(&secured)));
            Ok(secured)
        })
        .await
    }

    /// The settings as the file says at this moment, and its bytes' hash; `None` when it can't be used.
    async fn current(self: &Arc<Self>, deadline: Instant) -> Option<(blake3::Hash, Arc<WebConfig>)> {
        let path = self.path.clone()?;
        let source = match config::read_small(&path, deadline).await {
            Ok(source) => source,
            Err(error) => {
                let problem = Problem::general(format!("{} can't be read: {error}", path.display()));
                return self.note(None, Err(problem.into()));
            }
        };
        let bytes = blake3::hash(&source);
        if let Some(read) = &*self.read.lock()
            && read.bytes == Some(bytes)
        {
            return Some(bytes).zip(read.config.clone());
        }
        let this = Arc::clone(self);
        let read = elsewhere(move || config::parse(&source, &path).and_then(|config| this.admissible(config))).await;
        self.note(Some(bytes), read)
    }

    /// What the start has fixed must still hold.
    fn admissible(&self, config: WebConfig) -> Result<WebConfig, Problems> {
        if config.users.is_empty() && self.authenticates.load(Ordering::Acquire) {
            return Err(Problem::general("basic_auth_users is gone: turning authentication off takes a restart").into());
        }
        match (self.tls, config.tls.is_some()) {
            (true, false) => {
                return Err(Problem::general("tls_server_config is gone: turning TLS off takes a restart").into());
            }
            (false, true) => tracing::warn!("tls_server_config has no effect yet: turning TLS on takes a restart"),
            _ => {}
        }
        if !config.users.is_empty() {
            self.authenticates.store(true, Ordering::Release);
        }
        Ok(config)
    }

    /// Keeps what was read, and tells the log when it is new.
    fn note(
        &self,
        bytes: Option<blake3::Hash>,
        config: Result<WebConfig, Problems>,
    ) -> Option<(blake3::Hash, Arc<WebConfig>)> {
        let mut read = self.read.lock();
        let new = read.as_ref().is_none_or(|read| read.bytes != bytes);
        if let Err(problems) = &config
            && new
        {
            tracing::error!(%problems, "the web configuration can't be used: nobody is let in until it can");
        }
        let config = config.ok().map(Arc::new);
        *read = Some(Read { bytes, config: config.clone() });
        bytes.zip(config)
    }
}

/// Reads and checks a file with everything that it refers to.
///
/// # Errors
/// Every problem, each with its key and line; never a value.
async fn validate(path: &Path) -> Result<WebConfig, Problems> {
    let deadline = Instant::now() + file_reader::PATIENCE;
    let unreadable = |error| Problem::general(format!("{} can't be read: {error}", path.display()));
    let source = config::read_small(path, deadline).await.map_err(unreadable)?;
    let (config, Problems(mut problems)) = config::examine(&source, path);
    if let Some(WebConfig { tls: Some(settings), http2, .. }) = &config {
        // What the file refers to is looked at also where the text has problems: they are mended in one round.
        if problems.is_empty() {
            let material = tls::Material::read(settings, deadline).await?;
            tls::build(settings, &material, *http2)?;
        } else {
            problems.extend(tls::Material::problems(settings, deadline).await.0);
        }
    }
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(Problems(problems)),
    }
}

/// Does what takes long on the CPU, off the runtime's workers.
async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problems> + Send + 'static,
) -> Result<T, Problems> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Problem::general("reading it panicked").into()))
}

impl Limit {
    fn new(RateLimit { interval, burst }: RateLimit) -> Self {
        match (Quota::with_period(interval), NonZeroU32::new(burst)) {
            (Some(quota), Some(burst)) => Self::Bucket(Box::new(RateLimiter::direct(quota.allow_burst(burst)))),
            _ => Self::Nothing,
        }
    }
}
