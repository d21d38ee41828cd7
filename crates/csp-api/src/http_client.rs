//! The HTTP client: connections to the service, by generations; what each request has in common.
//!
//! A library's pool never asks whether a connection that nobody closed still leads anywhere: behind a NAT or a load
//! balancer that has forgotten it, it takes requests for as long as the system keeps it. So no connection is for ever:
//!
//! - all connections of a pool are one *generation*; every attempt takes the newest generation;
//! - an attempt that times out, or whose connection breaks, retires its generation: its retry and everybody who comes
//!   later go on with new connections, while those who are still on an old one may end there;
//! - a generation is retired by its age, too, so that a change in DNS is followed.
//!
//! Who waits here, for whom, and for how long:
//!
//! | who | for whom | at most |
//! |---|---|---|
//! | a new connection | name server, TCP, proxy and TLS handshake, all together | `api.connect_timeout` |
//! | an attempt that a proxy has refused | the same answer once more, for its [status](super::tunnel) | two seconds |
//! | a request, its body included | the service | `api.timeout`, and the poll's deadline |
//! | an HTTP/2 connection, used or idle | the answer to a ping that follows a silence | a third of `api.timeout` each |
//! | any connection | the acknowledgement of what was sent, or of a keep-alive probe (kernel) | [`UNACKNOWLEDGED`] |
//! | an idle connection | the next request | [`IDLE`] |
//! | the name server's thread, which nobody can stop | the name server | what `/etc/resolv.conf` says, usually ten seconds; the request does not wait for it |
//!
//! So a name server that is silent holds `api.max_concurrent_requests` threads times its own patience over
//! `api.connect_timeout`, sixteen at the defaults, of the hundreds that scrapes and lists share.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderValue};
use rustls::ClientConfig;
use tokio::time::Instant;

use super::build_error::BuildError;
use super::proxy::Proxies;
use super::settings::Api;
use super::tls;

/// No generation takes new requests for longer than this.
const AGE: Duration = Duration::from_secs(5 * 60);

/// An idle connection is closed after this: before the minute after which load balancers begin to close theirs, which
/// would cost the request that is under way at that moment.
const IDLE: Duration = Duration::from_secs(50);

/// After this the kernel gives a connection up whose other end acknowledges nothing, and probes an idle one twice.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Header lines of an answer that are read: 256, and what answers have of their own.
pub(super) const HEADER_LINES: usize = 256 + 16;

/// Bytes of an answer's headers that are read: 64 KiB, and what the lines' separators add.
pub(super) const HEADER_BYTES: usize = (64 + 4) * 1024;

/// HTTP/2 counts 32 bytes more for each line (RFC 9113, section 6.5.2). Several times of what is allowed: a list that is
/// larger than what the library takes is no more than a protocol error to it, so that [`super::head`] does the counting.
const HTTP2_HEADER_LIST: u32 = 512 * 1024;

/// What connections are made with.
pub(super) struct HttpSettings {
    pub(super) tls: ClientConfig,
    pub(super) proxies: Arc<Proxies>,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
}

/// The connections of one generation.
#[derive(Clone)]
pub(super) struct Generation {
    number: u64,
    born: Instant,
    pub(super) http: reqwest::Client,
    pub(super) settings: Arc<HttpSettings>,
}

/// The newest generation. Clients outlive changes of the settings: whoever waits for its turn, or for its next attempt, goes on with
/// what the new settings say.
pub(super) struct HttpClient {
    newest: Mutex<Generation>,
}

impl HttpClient {
    pub(super) fn new(settings: HttpSettings) -> reqwest::Result<Self> {
        let newest =
            Generation { number: 0, born: Instant::now(), http: settings.client()?, settings: Arc::new(settings) };
        Ok(Self { newest: Mutex::new(newest) })
    }

    /// Makes connections with other settings from now on. Those that there are end with the requests on them.
    pub(super) fn replace(&self, settings: HttpSettings) -> reqwest::Result<()> {
        let http = settings.client()?;
        let mut newest = self.newest.lock();
        *newest = Generation { number: newest.number + 1, born: Instant::now(), http, settings: Arc::new(settings) };
        Ok(())
    }

    /// The generation for an attempt that begins now.
    pub(super) fn newest(&self) -> Generation {
        let mut newest = self.newest.lock();
        if newest.born.elapsed() >= AGE {
            newest.renew();
        }
        newest.clone()
    }

    /// Lets nobody begin on a generation any more. Those who suffer together retire it once.
    pub(super) fn retire(&self, generation: &Generation) {
        let mut newest = self.newest.lock();
        if newest.number == generation.number {
            newest.renew();
        }
    }
}

impl Generation {
    fn renew(&mut self) {
        // The same settings have worked before, and it reads no files.
        if let Ok(http) = self.settings.client() {
            (self.number, self.born, self.http) = (self.number + 1, Instant::now(), http);
        }
    }
}

impl HttpSettings {
    /// What these settings say; reads the files of `api.tls`.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(super) async fn of(api: &Api) -> Result<Self, Vec<BuildError>> {
        let proxies = Proxies::of_process(api);
        let proxies = proxies.map_err(|problems| problems.into_iter().map(BuildError::from).collect());
        // A proxy can be encrypted, too.
        let is_encrypted = |proxies: &Proxies| {
            let mut consoles = std::iter::once(&api.url).chain(&api.consoles);
            consoles.any(|url| {
                url.scheme() == "https" || proxies.of(url).is_some_and(|proxy| proxy.url().scheme() == "https")
            })
        };
        let tls = tls::configure(&api.tls, proxies.as_ref().is_ok_and(is_encrypted)).await;
        match (proxies, tls) {
            (Ok(proxies), Ok(tls)) => {
                let Api { timeout, connect_timeout, .. } = *api;
                Ok(Self { tls, proxies: Arc::new(proxies), timeout, connect_timeout })
            }
            (proxies, tls) => {
                let problems: Vec<Vec<BuildError>> = proxies.err().into_iter().chain(tls.err()).collect();
                Err(problems.concat())
            }
        }
    }

    /// [`Self::of`], or the first thing that is wrong with them.
    pub(super) async fn usable(api: &Api) -> Result<Self, BuildError> {
        Self::of(api).await.map_err(|problems| problems.into_iter().next().unwrap_or(BuildError::Library))
    }

    /// An HTTP client with no connections yet. Cheap: the certificates have been read.
    ///
    /// Redirects are not followed, because the credentials would go along. The library's own retries are off,
    /// because every request is to be counted and paced. Bodies come as they are: [`super::body`] unpacks them.
    fn client(&self) -> reqwest::Result<reqwest::Client> {
        let Self { tls, proxies, timeout, connect_timeout } = self;
        // Two of them end before the timeout, so that who waits learns that it is the connection.
        let silence = (*timeout / 3).clamp(Duration::from_secs(1), Duration::from_secs(10));
        let proxies = Arc::clone(proxies);
        reqwest::Client::builder()
            .user_agent(concat!("csp-invitations-exporter/", env!("CARGO_PKG_VERSION")))
            .default_headers(HeaderMap::from_iter([
                (ACCEPT, HeaderValue::from_static("application/json")),
                (ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
            ]))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_gzip()
            .tls_backend_preconfigured(tls.clone())
            .no_proxy()
            .proxy(reqwest::Proxy::custom(move |url| proxies.of(url).map(|proxy| proxy.url().clone())))
            .connect_timeout(*connect_timeout)
            .pool_idle_timeout(IDLE)
            .tcp_keepalive(UNACKNOWLEDGED / 3)
            .tcp_keepalive_interval(UNACKNOWLEDGED / 3)
            .tcp_keepalive_retries(2)
            .tcp_user_timeout(UNACKNOWLEDGED)
            .http1_max_headers(HEADER_LINES)
            .http2_max_header_list_size(HTTP2_HEADER_LIST)
            .http2_keep_alive_interval(silence)
            .http2_keep_alive_timeout(silence)
            .http2_keep_alive_while_idle(true)
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Tls;

    async fn http_client() -> HttpClient {
        let tls = tls::configure(&Tls::default(), false).await.unwrap();
        let seconds = Duration::from_secs(30);
        HttpClient::new(HttpSettings { tls, proxies: Arc::default(), timeout: seconds, connect_timeout: seconds })
            .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_generation_ends_by_its_age() {
        let http_client = http_client().await;
        let first = http_client.newest();
        tokio::time::advance(AGE / 2).await;
        assert_eq!(http_client.newest().number, first.number);
        tokio::time::advance(AGE / 2).await;
        assert_eq!(http_client.newest().number, first.number + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_generation_is_retired_once_however_many_suffer() {
        let http_client = http_client().await;
        let first = http_client.newest();
        http_client.retire(&first);
        http_client.retire(&first);
        assert_eq!(http_client.newest().number, first.number + 1);
    }
}
