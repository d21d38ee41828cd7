//! One connection from its first byte to its last.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tower::ServiceExt;

use super::answer::Answered;
use super::connection_limit::Lease;
use super::connection_state::ConnectionState;
use super::watch::Watched;
use super::{Limits, Protocol, Shared, handshake};

/// How long a peer without a request may take to agree to a shutdown.
const GRACE: Duration = Duration::from_secs(3);

/// Bytes that the system holds of an answer and cannot send yet: enough to have the next ones ready in time.
const UNSENT: u32 = 256 * 1024;

/// The connection of a request, as one of its extensions.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    /// The other end.
    pub(crate) peer: SocketAddr,
    state: Arc<ConnectionState>,
}

impl Connection {
    /// Closes the connection at once, whatever it is doing.
    pub(crate) fn close(&self) {
        self.state.evict();
    }
}

/// Serves one connection; returns when it is closed, for whatever reason.
pub(super) async fn run(stream: TcpStream, peer: SocketAddr, lease: Lease, shared: Arc<Shared>) {
    tune(&stream, &shared.limits);
    let state = &lease.state;
    let Some(access) = &shared.tls else {
        let stream = Watched { stream, reads: Some(Arc::clone(state)), writes: Some(Arc::clone(state)) };
        return speak(stream, peer, Protocol::Http1, &lease, &shared).await;
    };
    let secure = handshake::secure(stream, access, state);
    let secured = tokio::select! {
        () = state.evicted() => return,
        () = shared.shutdown.cancelled() => return,
        secured = tokio::time::timeout(shared.limits.handshake, secure) => secured,
    };
    match secured {
        Ok(Ok((stream, protocol))) => {
            // With HTTP/2 an idle peer is heard, too: it acknowledges and updates windows.
            let reads = (protocol == Protocol::Http1).then(|| Arc::clone(state));
            speak(Watched { stream, reads, writes: None }, peer, protocol, &lease, &shared).await;
        }
        Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
    }
}

/// Has the system hold little that is not sent yet, and give up on a peer that takes nothing of it.
fn tune(stream: &TcpStream, limits: &Limits) {
    let socket = SockRef::from(stream);
    // An answer goes out in few large writes; waiting for more to send only delays it.
    let _ = socket.set_tcp_nodelay(true);
    // Otherwise the system takes megabytes for a peer that does not read, and nobody notices.
    let _ = socket.set_tcp_notsent_lowat(UNSENT);
    // What the system has taken, it holds no longer than this process would.
    let _ = socket.set_tcp_user_timeout(Some(limits.stall));
}

async fn speak<S>(stream: S, peer: SocketAddr, protocol: Protocol, lease: &Lease, shared: &Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Lease { state, .. } = lease;
    state.established();
    let app = shared.app.clone();
    let connection = Connection { peer, state: Arc::clone(state) };
    let service = service_fn(move |request| answer(app.clone(), request, protocol, connection.clone()));
    let stream = TokioIo::new(stream);
    let builder = builder(protocol);
    let mut connection = pin!(builder.serve_connection(stream, service));
    let mut draining = false;
    let mut grace = pin!(tokio::time::sleep(Duration::MAX));
    loop {
        tokio::select! {
            ended = limited(connection.as_mut(), state, &shared.limits) => {
                if let Some(Err(error)) = ended {
                    tracing::debug!(%peer, %error, "a connection ended early");
                }
                return;
            }
            () = state.evicted() => return,
            () = shared.abort.cancelled() => return,
            () = shared.shutdown.cancelled(), if !draining => {
                // An idle connection ends here and now, one that works after its answer.
                draining = true;
                connection.as_mut().graceful_shutdown();
                grace.as_mut().reset(Instant::now() + GRACE);
            }
            () = grace.as_mut(), if draining => {
                if state.is_idle() {
                    return;
                }
                grace.as_mut().reset(Instant::now() + GRACE);
            }
        }
    }
}

/// Polls `connection` to its end; `None` when it did not move on in time.
async fn limited<C: Future>(
    mut connection: Pin<&mut C>,
    state: &ConnectionState,
    limits: &Limits,
) -> Option<C::Output> {
    let mut alarm = pin!(tokio::time::sleep_until(state.deadline(limits)));
    poll_fn(|cx| {
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            return Poll::Ready(Some(ended));
        }
        // What the connection does, and with it the limit, changes only while it is polled
        // (with HTTP/2 also elsewhere, but then towards later).
        loop {
            let deadline = state.deadline(limits);
            if alarm.deadline() != deadline {
                alarm.as_mut().reset(deadline);
            }
            match alarm.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) if state.deadline(limits) == deadline => return Poll::Ready(None),
                Poll::Ready(()) => {}
            }
        }
    })
    .await
}

fn builder(protocol: Protocol) -> Builder<TokioExecutor> {
    let builder = Builder::new(TokioExecutor::new());
    let mut builder = match protocol {
        Protocol::Http1 => builder.http1_only(),
        Protocol::Http2 => builder.http2_only(),
    };
    builder
        .http1()
        .timer(TokioTimer::new())
        // Who has said all it wants to say (`nc -N`, some balancers) still wants the whole answer.
        .half_close(true)
        // The state tells a head that does not end from a connection that waits for its next scrape.
        .header_read_timeout(None)
        .max_buf_size(16 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(32)
        .max_header_list_size(16 * 1024)
        .max_send_buf_size(64 * 1024)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}

async fn answer(
    app: Router,
    mut request: Request<Incoming>,
    protocol: Protocol,
    connection: Connection,
) -> Result<Response<Answered>, std::convert::Infallible> {
    let running = connection.state.begin();
    request.extensions_mut().insert(connection);
    let mut response = app.oneshot(request.map(Body::new)).await?;
    let held = std::mem::take(response.extensions_mut());
    Ok(response.map(|body| Answered::new(body, protocol, running, held)))
}
