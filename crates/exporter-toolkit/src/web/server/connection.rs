//! One connection from its first byte to its last.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tower::ServiceExt;

use super::places::Place;
use super::pulse::{Pulse, Running};
use super::{Limits, Shared, handshake};
use crate::web::guard::Peer;

/// How long a peer without a request may take to agree to a shutdown.
const GRACE: Duration = Duration::from_secs(3);

/// Serves one connection; returns when it is closed, for whatever reason.
pub(super) async fn run(stream: TcpStream, peer: SocketAddr, place: Place, shared: Arc<Shared>) {
    // An answer goes out in few large writes; waiting for more to send only delays it.
    let _ = stream.set_nodelay(true);
    let Some(access) = &shared.tls else {
        return speak(stream, peer, Protocol::Http1, &place, &shared).await;
    };
    let secured = tokio::select! {
        () = place.pulse.evicted() => return,
        () = shared.shutdown.cancelled() => return,
        secured = tokio::time::timeout(shared.limits.handshake, handshake::secure(stream, access)) => secured,
    };
    match secured {
        Ok(Ok((stream, protocol))) => speak(stream, peer, protocol, &place, &shared).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
    }
}

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

async fn speak<S>(stream: S, peer: SocketAddr, protocol: Protocol, place: &Place, shared: &Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Place { pulse, .. } = place;
    pulse.established();
    let app = shared.app.clone();
    let running = Arc::clone(pulse);
    let service = service_fn(move |request| answer(app.clone(), request, peer, running.begin()));
    // With HTTP/2 an idle peer is heard, too: it acknowledges and updates windows.
    let heard = (protocol == Protocol::Http1).then(|| Arc::clone(pulse));
    let stream = TokioIo::new(Heard { stream, heard });
    let builder = builder(protocol);
    let mut connection = pin!(builder.serve_connection(stream, service));
    let mut draining = false;
    let mut grace = pin!(tokio::time::sleep(Duration::MAX));
    loop {
        tokio::select! {
            ended = limited(connection.as_mut(), pulse, &shared.limits) => {
                if let Some(Err(error)) = ended {
                    tracing::debug!(%peer, %error, "a connection ended early");
                }
                return;
            }
            () = pulse.evicted() => return,
            () = shared.abort.cancelled() => return,
            () = shared.shutdown.cancelled(), if !draining => {
                // An idle connection ends here and now, one that works after its answer.
                draining = true;
                connection.as_mut().graceful_shutdown();
                grace.as_mut().reset(Instant::now() + GRACE);
            }
            () = grace.as_mut(), if draining => {
                if pulse.is_idle() {
                    return;
                }
                grace.as_mut().reset(Instant::now() + GRACE);
            }
        }
    }
}

/// Polls `connection` to its end; `None` when it did not move on in time.
async fn limited<C: Future>(mut connection: Pin<&mut C>, pulse: &Pulse, limits: &Limits) -> Option<C::Output> {
    let mut alarm = pin!(tokio::time::sleep_until(pulse.deadline(limits)));
    poll_fn(|cx| {
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            return Poll::Ready(Some(ended));
        }
        // What the connection does, and with it the limit, changes only while it is polled
        // (with HTTP/2 also elsewhere, but then towards later).
        loop {
            let deadline = pulse.deadline(limits);
            if alarm.deadline() != deadline {
                alarm.as_mut().reset(deadline);
            }
            match alarm.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) if pulse.deadline(limits) == deadline => return Poll::Ready(None),
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
        // The pulse tells a head that does not end from a connection that waits for its next scrape.
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
    peer: SocketAddr,
    running: Running,
) -> Result<Response<Answered>, std::convert::Infallible> {
    request.extensions_mut().insert(Peer(peer));
    let response = app.oneshot(request.map(Body::new)).await?;
    Ok(response.map(|body| Answered { body, _running: running }))
}

/// A body whose request is under way until it was handed over.
struct Answered {
    body: Body,
    _running: Running,
}

impl HttpBody for Answered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that tells the pulse when something was heard.
struct Heard<S> {
    stream: S,
    heard: Option<Arc<Pulse>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before
            && let Some(pulse) = &self.heard
        {
            pulse.heard();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
