//! A server that answers raw bytes, and the client's surroundings.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use csp_api::{Api, Credential, CredentialKind, Expand, Organization, Secret, Tls};
use csp_api::{BuildError, Client, Error, Observer, Reason, Sink, SinkError};
use flate2::Compression;
use flate2::write::GzEncoder;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use url::Url;

use crate::recorder::Recorder;

pub(crate) const API_TOKEN_PATH: &str = "/csp/gateway/am/api/auth/api-tokens/authorize";
pub(crate) const OAUTH_PATH: &str = "/csp/gateway/am/api/auth/token";
pub(crate) const BOTH: Expand = Expand { roles: true, groups: true };

/// What arrived.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
    pub(crate) at: Option<Instant>,
}

/// What goes back.
pub(crate) enum Answer {
    /// These bytes; the connection stays open.
    Keep(Vec<u8>),
    /// These bytes, and the connection is closed.
    Close(Vec<u8>),
    /// These bytes after a while.
    Late(Duration, Vec<u8>),
    /// Never anything.
    Hang,
}

/// A whole response. `headers` are lines that end in CRLF.
pub(crate) fn response(status: u16, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}

pub(crate) fn answer(status: u16, body: &str) -> Answer {
    Answer::Keep(response(status, "content-type: application/json\r\n", body))
}

/// The `n`th access token, with a life in seconds.
pub(crate) fn grant(n: usize, life: u64) -> Answer {
    answer(200, &format!(r#"{{"access_token":"access-{n}","expires_in":{life},"id_token":null}}"#))
}

pub(crate) struct Fake {
    pub(crate) url: Url,
    log: Arc<Mutex<Vec<Request>>>,
    most: Arc<AtomicUsize>,
}

type Handler = dyn Fn(&Request, usize) -> Answer + Send + Sync;

impl Fake {
    /// Serves `handler`, which gets each request and how many came to its path before.
    pub(crate) async fn start(handler: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::serve(None, handler).await
    }

    pub(crate) async fn serve(
        tls: Option<TlsAcceptor>,
        handler: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://localhost:{}", listener.local_addr().unwrap().port()).parse().unwrap();
        let fake = Self { url, log: Arc::default(), most: Arc::default() };
        let (log, most, running) = (Arc::clone(&fake.log), Arc::clone(&fake.most), Arc::new(AtomicUsize::new(0)));
        let handler: Arc<Handler> = Arc::new(handler);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, most) = (Arc::clone(&log), Arc::clone(&most));
                let (running, handler, tls) = (Arc::clone(&running), Arc::clone(&handler), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => connection(stream, &log, &most, &running, &*handler).await,
                        Some(tls) => {
                            let Ok(stream) = tls.accept(stream).await else { return };
                            connection(stream, &log, &most, &running, &*handler).await;
                        }
                    }
                });
            }
        });
        fake
    }

    /// The requests to paths that end in `path`, in the order of their arrival.
    pub(crate) fn requests(&self, path: &str) -> Vec<Request> {
        self.log.lock().iter().filter(|request| request.path.ends_with(path)).cloned().collect()
    }

    /// How many requests ran at once, at most.
    pub(crate) fn most(&self) -> usize {
        self.most.load(SeqCst)
    }
}

async fn connection(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    log: &Mutex<Vec<Request>>,
    most: &AtomicUsize,
    running: &AtomicUsize,
    handler: &Handler,
) {
    let mut buffer = Vec::new();
    while let Some(request) = receive(&mut stream, &mut buffer).await {
        most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
        let earlier = {
            let mut log = log.lock();
            let earlier = log.iter().filter(|r| r.path == request.path).count();
            log.push(request.clone());
            earlier
        };
        let (bytes, close) = match handler(&request, earlier) {
            Answer::Keep(bytes) => (bytes, false),
            Answer::Close(bytes) => (bytes, true),
            Answer::Late(delay, bytes) => {
                tokio::time::sleep(delay).await;
                (bytes, false)
            }
            Answer::Hang => std::future::pending().await,
        };
        running.fetch_sub(1, SeqCst);
        if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() || close {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

async fn receive(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<Request> {
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
            let mut lines = head.lines();
            let target = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
            let headers: HashMap<_, _> = lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect();
            let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
            if buffer.len() >= end + 4 + length {
                let body = String::from_utf8(buffer[end + 4..end + 4 + length].to_vec()).unwrap();
                buffer.drain(..end + 4 + length);
                let (path, query) = target.split_once('?').unwrap_or((&target, ""));
                let (path, query) = (path.to_owned(), query.to_owned());
                return Some(Request { path, query, headers, body, at: Some(Instant::now()) });
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// Answers exchanges of an API token well, and everything else with `answer`.
pub(crate) async fn lists(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Fake {
    Fake::start(move |request, n| if request.path.ends_with(API_TOKEN_PATH) { grant(n, 1800) } else { answer(n) }).await
}

/// Settings for `fake` that retry quickly enough for a test.
pub(crate) fn api(url: &Url) -> Api {
    Api {
        url: url.clone(),
        timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(2),
        max_response_size: 1024 * 1024,
        max_concurrent_requests: 8,
        requests_per_second: None,
        max_attempts: 3,
        token_path: OAUTH_PATH.to_owned(),
        proxy_url: None,
        tls: Tls::default(),
    }
}

pub(crate) fn organization(id: u32, secret: Secret) -> Organization {
    with(id, CredentialKind::ApiToken { token: secret })
}

pub(crate) fn with(id: u32, kind: CredentialKind) -> Organization {
    Organization {
        id: format!("00000000-0000-4000-8000-{id:012}"),
        custom_group_id: None,
        name: format!("org-{id}"),
        credential: Arc::new(Credential { name: "credential".to_owned(), kind }),
    }
}

pub(crate) fn inline(secret: &str) -> Secret {
    Secret::Inline(secret.to_owned().into())
}

/// A deadline short enough for quick back-offs and long enough for a busy machine.
pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// Keeps a JSON array as text.
#[derive(Default)]
pub(crate) struct Text(Vec<u8>);

impl Sink for Text {
    type Output = String;

    fn write(&mut self, chunk: &[u8]) -> Result<(), SinkError> {
        assert!(chunk.len() <= 64 * 1024);
        self.0.extend_from_slice(chunk);
        Ok(())
    }

    fn finish(self) -> Result<String, SinkError> {
        let array = serde_json::from_slice::<Vec<serde_json::Value>>(&self.0);
        array.map_err(|_| SinkError::Decode("not an array".to_owned()))?;
        String::from_utf8(self.0).map_err(|_| SinkError::Internal)
    }
}

/// Fetches a list with both expansions.
pub(crate) async fn list(client: &Client, organization: &Organization) -> Result<String, Error> {
    client.invitations(organization, BOTH, soon(), Text::default).await
}

pub(crate) fn client(fake: &Fake) -> Client {
    built(&api(&fake.url), Arc::new(Recorder::default())).unwrap()
}

/// A client, from a runtime of its own, so that tests have one in the middle of a line.
pub(crate) fn built(api: &Api, observer: Arc<dyn Observer>) -> Result<Client, BuildError> {
    let build = || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(Client::new(api, observer))
    };
    std::thread::scope(|scope| scope.spawn(build).join().unwrap())
}

pub(crate) fn observed(api: &Api) -> (Client, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    (built(api, Arc::<Recorder>::clone(&recorder) as _).unwrap(), recorder)
}

/// Why a list fails.
pub(crate) async fn failure(fake: &Fake) -> Reason {
    list(&client(fake), &organization(1, inline("s"))).await.unwrap_err().reason
}

pub(crate) fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}
