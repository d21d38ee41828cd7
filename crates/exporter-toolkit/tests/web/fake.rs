//! An exporter whose answers the tests choose, and a server around it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use axum::routing::get;
use bytes::Bytes;
use exporter_toolkit::exposition::{Body, Make, Part, Scrape};
use exporter_toolkit::web::{Access, Application, Drained, Limits, Page, Settings, Web, serve_probes};
use futures_util::future::BoxFuture;
use parking_lot::{Condvar, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A moment that no test waits for in vain.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// `Accept` and `Accept-Encoding` of a scrape.
type Asked = (Option<String>, Option<String>);

/// Holds up scrapes.
#[derive(Default)]
pub(crate) struct Gate {
    shut: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub(crate) fn shut(&self) {
        *self.shut.lock() = true;
    }

    pub(crate) fn open(&self) {
        *self.shut.lock() = false;
        self.opened.notify_all();
    }

    /// Not for ever, so that a test that fails ends.
    fn pass(&self) {
        self.opened.wait_while_for(&mut self.shut.lock(), |shut| *shut, PATIENCE);
    }
}

/// Answers as it was told to.
pub(crate) struct Fake {
    pub(crate) body: Bytes,
    /// Whether each scrape gets a body of its own, as when polls end between them.
    pub(crate) changing: bool,
    /// Whether the body is made while it is sent.
    pub(crate) unmade: bool,
    /// The body of the application's pages.
    pub(crate) page: Bytes,
    pub(crate) health: Result<(), String>,
    pub(crate) ready: Result<(), String>,
    pub(crate) reload: Result<(), String>,
    /// How many reloads there have been.
    pub(crate) reloads: Arc<AtomicUsize>,
    /// While shut, scrapes and reloads wait.
    pub(crate) gate: Arc<Gate>,
    /// What was counted.
    pub(crate) counted: Arc<Mutex<Vec<(&'static str, u16)>>>,
    /// What scrapes asked for.
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            body: Bytes::from_static(b"up 1\n"),
            changing: false,
            unmade: false,
            page: Bytes::from_static(b"a page"),
            health: Ok(()),
            ready: Ok(()),
            reload: Ok(()),
            reloads: Arc::default(),
            gate: Arc::default(),
            counted: Arc::default(),
            asked: Arc::default(),
        }
    }
}

/// Bytes in parts that are made late.
#[derive(Debug)]
struct Late(Bytes);

impl Late {
    const LENGTH: usize = 100_000;
}

impl Make for Late {
    fn make(&self, index: usize) -> Bytes {
        let start = index * Self::LENGTH;
        self.0.slice(start..self.0.len().min(start + Self::LENGTH))
    }
}

fn unmade(body: &Bytes) -> Body {
    let maker: Arc<dyn Make> = Arc::new(Late(body.clone()));
    let parts = body.chunks(Late::LENGTH).map(<[u8]>::len).enumerate();
    parts.map(|(index, length)| Part::Unmade { maker: Arc::clone(&maker), index, length }).collect()
}

impl Application for Fake {
    fn scrape(&self, accept: Option<&str>, accept_encoding: Option<&str>) -> Scrape {
        self.asked.lock().push((accept.map(str::to_owned), accept_encoding.map(str::to_owned)));
        self.gate.pass();
        Scrape {
            content_type: "text/plain; version=0.0.4; charset=utf-8".to_owned(),
            content_encoding: None,
            body: match &self.body {
                body if self.unmade => unmade(body),
                body if self.changing => std::iter::once(Bytes::from(body.to_vec())).collect(),
                body => std::iter::once(body.clone()).collect(),
            },
        }
    }

    fn health(&self) -> Result<(), String> {
        self.health.clone()
    }

    fn ready(&self) -> Result<(), String> {
        self.ready.clone()
    }

    fn reload(&self) -> BoxFuture<'_, Result<(), String>> {
        self.reloads.fetch_add(1, SeqCst);
        let gate = Arc::clone(&self.gate);
        Box::pin(async move {
            let _passed = tokio::task::spawn_blocking(move || gate.pass()).await;
            self.reload.clone()
        })
    }

    fn count_request(&self, handler: &'static str, status: u16) {
        self.counted.lock().push((handler, status));
    }
}

/// The application's own, with a policy of their own.
fn pages(body: &Bytes) -> Vec<Page> {
    let policy = [("content-security-policy", "default-src 'none'; style-src 'self'")];
    let page = |path, handler| {
        let body = body.clone();
        Page { path, handler, route: get(move || async move { (policy, body) }) }
    };
    vec![page("/", "status"), page("/api/v1/status", "api"), page("/assets/status.css", "style")]
}

/// A server on loopback.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<Drained>,
}

impl Server {
    pub(crate) async fn start(fake: Fake) -> Self {
        Self::with(fake, Settings::default(), None).await
    }

    pub(crate) async fn with(fake: Fake, settings: Settings, config: Option<&Path>) -> Self {
        let access = Access::load(config).await.unwrap();
        let pages = pages(&fake.page);
        let web = Web::new(Arc::new(fake), access, settings, pages);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
        let stop = shutdown.clone();
        let task = tokio::spawn(async move { web.serve(vec![listener], stop).await });
        Self { address, shutdown, task }
    }

    pub(crate) async fn probes(fake: Fake) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
        let task = tokio::spawn(serve_probes(Arc::new(fake), vec![listener], Limits::default(), shutdown.clone()));
        Self { address, shutdown, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Asks the server to stop, without waiting for it.
    pub(crate) fn begin_stop(&self) {
        self.shutdown.cancel();
    }

    /// Waits for the end of a server that was asked to stop.
    pub(crate) async fn ended(self) -> Drained {
        tokio::time::timeout(PATIENCE, self.task).await.expect("the server ends").unwrap()
    }

    pub(crate) async fn stop(self) -> Drained {
        self.begin_stop();
        self.ended().await
    }
}

/// A client without connection reuse or proxies.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(PATIENCE).build().unwrap()
}

/// Polls until `holds`, or fails.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
