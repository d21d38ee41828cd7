//! An upstream that answers raw bytes: it can be worse than the simulator. For the client's tests and for those of the
//! whole exporter.
#![allow(clippy::unwrap_used, dead_code, reason = "a failure to serve fails the test; each test uses a part")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

/// What arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
    pub(crate) at: Instant,
}

/// What goes back.
pub(crate) enum Answer {
    /// These bytes; the connection stays open.
    Keep(Vec<u8>),
    /// These bytes, and the connection is closed.
    Close(Vec<u8>),
    /// These bytes after a while.
    Late(Duration, Vec<u8>),
    /// The first bytes, the second ones so many times, the third ones.
    Repeat(Vec<u8>, Vec<u8>, usize, Vec<u8>),
    /// Never anything.
    Hang,
}

/// A whole response. `headers` are lines that end in CRLF.
pub(crate) fn response(status: u16, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}

/// A whole response with JSON.
pub(crate) fn json(status: u16, body: &str) -> Answer {
    Answer::Keep(response(status, "content-type: application/json\r\ncsp-request-id: req-77\r\n", body))
}

type Handler = dyn Fn(&Request, usize) -> Answer + Send + Sync;

pub(crate) struct Fake {
    pub(crate) url: String,
    log: Arc<Mutex<Vec<Request>>>,
    most: Arc<AtomicUsize>,
}

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
        let url = format!("{scheme}://localhost:{}", listener.local_addr().unwrap().port());
        let fake = Self { url, log: Arc::default(), most: Arc::default() };
        let running =
            Arc::new(Running { log: Arc::clone(&fake.log), most: Arc::clone(&fake.most), now: AtomicUsize::new(0) });
        let handler: Arc<Handler> = Arc::new(handler);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (running, handler, tls) = (Arc::clone(&running), Arc::clone(&handler), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => connection(stream, &running, &*handler).await,
                        Some(tls) => {
                            let Ok(stream) = tls.accept(stream).await else { return };
                            connection(stream, &running, &*handler).await;
                        }
                    }
                });
            }
        });
        fake
    }

    /// Exchanges go well, other questions than for lists are not answered usefully, lists are `answer`'s: it gets the
    /// number of the organization and how many of its lists were asked for before.
    pub(crate) async fn lists(answer: impl Fn(usize, usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::start(move |request, n| match request.organization() {
            _ if request.path.ends_with("/auth/token") => {
                json(200, &format!(r#"{{"access_token":"access-{n}","expires_in":1800}}"#))
            }
            Some(organization) if request.path.ends_with("/invitations") => answer(organization, n),
            _ => json(200, r#"{"displayName":"A Name"}"#),
        })
        .await
    }

    /// The requests to paths that end in `path`, in the order of their arrival.
    pub(crate) fn requests(&self, path: &str) -> Vec<Request> {
        self.log.lock().iter().filter(|request| request.path.ends_with(path)).cloned().collect()
    }

    /// The requests for lists of organization `number`.
    pub(crate) fn list_requests(&self, number: usize) -> Vec<Request> {
        self.log.lock().iter().filter(|request| request.is_list_of(number)).cloned().collect()
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// How many requests were under way at once, at most.
    pub(crate) fn most(&self) -> usize {
        self.most.load(SeqCst)
    }
}

impl Request {
    /// The number of the organization that is asked for.
    pub(crate) fn organization(&self) -> Option<usize> {
        let rest = self.path.split("/orgs/").nth(1)?;
        rest.split('/').next()?.rsplit('-').next()?.parse().ok()
    }

    fn is_list_of(&self, number: usize) -> bool {
        self.organization() == Some(number) && self.path.ends_with("/invitations")
    }
}

/// What all connections count.
struct Running {
    log: Arc<Mutex<Vec<Request>>>,
    most: Arc<AtomicUsize>,
    now: AtomicUsize,
}

async fn connection(mut stream: impl AsyncRead + AsyncWrite + Unpin, running: &Running, handler: &Handler) {
    let mut buffer = Vec::new();
    while let Some(request) = receive(&mut stream, &mut buffer).await {
        running.most.fetch_max(running.now.fetch_add(1, SeqCst) + 1, SeqCst);
        let earlier = {
            let mut log = running.log.lock();
            let earlier = log.iter().filter(|r| r.path == request.path).count();
            log.push(request.clone());
            earlier
        };
        let answer = handler(&request, earlier);
        match answer {
            Answer::Hang => std::future::pending().await,
            Answer::Late(delay, _) => tokio::time::sleep(delay).await,
            Answer::Keep(_) | Answer::Close(_) | Answer::Repeat(..) => {}
        }
        // Before the bytes are sent: they may be what lets the next request begin.
        running.now.fetch_sub(1, SeqCst);
        let closes = matches!(answer, Answer::Close(_));
        let sent = match answer {
            Answer::Keep(bytes) | Answer::Close(bytes) | Answer::Late(_, bytes) => stream.write_all(&bytes).await,
            Answer::Repeat(head, unit, times, tail) => {
                let mut sent = stream.write_all(&head).await;
                for _ in 0..times {
                    if sent.is_ok() {
                        sent = stream.write_all(&unit).await;
                    }
                }
                if sent.is_ok() { stream.write_all(&tail).await } else { sent }
            }
            Answer::Hang => return,
        };
        if sent.is_err() || stream.flush().await.is_err() || closes {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

/// Reads the next request; `None` when the connection ends.
pub(crate) async fn receive(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<Request> {
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
                return Some(Request { path, query, headers, body, at: Instant::now() });
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}
