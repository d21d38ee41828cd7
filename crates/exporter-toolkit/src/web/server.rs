//! Connections: accepting them, bounding them, draining them.
//!
//! A connection costs a descriptor and a task from the moment it is accepted, before anything is known
//! of its peer. So nothing that waits for a peer happens in the accept loop, everything that waits has
//! a limit, and when it is reached the connection that has been useless for longest makes room:
//! peers that connect and stay silent push out each other, not those that work.

mod answer;
mod connection;
mod connection_limit;
mod connection_state;
mod handshake;
mod watch;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Access;
pub(super) use connection::Connection;
use connection_limit::ConnectionLimit;

/// Times and numbers that keep peers from harming each other.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once, over all listeners of a server. Fewer where the process may open fewer files.
    pub connections: usize,
    /// From accepting a TLS connection to the end of its handshake.
    pub handshake: Duration,
    /// From the first byte of a request's head to its last; also from accepting a connection to its first request.
    pub head: Duration,
    /// Between two requests of a connection.
    pub idle: Duration,
    /// An answer, or a part of it, of which the peer takes nothing.
    pub stall: Duration,
    /// Pages of the application that are made or on their way at once.
    pub pages: usize,
    /// One request, its answer taken by the client included.
    pub request: Duration,
    /// Requests under way when the server stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            // Longer than the usual scrape intervals, so that a Prometheus keeps its connection.
            idle: Duration::from_secs(180),
            stall: Duration::from_secs(10),
            pages: 16,
            request: Duration::from_secs(120),
            drain: Duration::from_secs(20),
        }
    }
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut because their requests outlasted [`Limits::drain`].
    pub cut: usize,
}

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// What all connections of a server share.
struct Shared {
    app: Router,
    /// Where TLS settings come from; `None` serves plain HTTP.
    tls: Option<Arc<Access>>,
    limits: Limits,
    connections: Arc<ConnectionLimit>,
    shutdown: CancellationToken,
    /// Past the drain limit.
    abort: CancellationToken,
    tasks: TaskTracker,
}

/// Serves `app` on `listeners` until `shutdown`, then drains.
pub(super) async fn serve(
    listeners: Vec<TcpListener>,
    app: Router,
    tls: Option<Arc<Access>>,
    limits: Limits,
    shutdown: CancellationToken,
) -> Drained {
    let shared = Arc::new(Shared {
        app,
        tls,
        limits,
        connections: ConnectionLimit::new(limits.connections.min(connection_limit::open_files_share())),
        shutdown,
        abort: CancellationToken::new(),
        tasks: TaskTracker::new(),
    });
    for listener in listeners {
        shared.tasks.spawn(accept(listener, Arc::clone(&shared)));
    }
    shared.shutdown.cancelled().await;
    shared.tasks.close();
    let mut cut = 0;
    if tokio::time::timeout(limits.drain, shared.tasks.wait()).await.is_err() {
        cut = shared.connections.count();
        tracing::warn!(connections = cut, "requests outlasted the drain and were cut");
        shared.abort.cancel();
        shared.tasks.wait().await;
    }
    Drained { cut }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let accepted = tokio::select! {
            () = shared.shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Without a lease the connection is closed here.
                if let Some(lease) = shared.connections.acquire() {
                    shared.tasks.spawn(connection::run(stream, peer, lease, Arc::clone(&shared)));
                }
            }
            Err(error) if concerns_one_peer(&error) => {}
            Err(error) => {
                // Most likely no descriptor is left: the error would come back at once, in a hot loop.
                shared.connections.evict();
                tracing::warn!(%error, "could not accept a connection; trying again shortly");
                tokio::select! {
                    () = shared.shutdown.cancelled() => return,
                    () = tokio::time::sleep(Duration::from_millis(250)) => {}
                }
            }
        }
    }
}

/// Errors of accept(2) that belong to the connection that was about to be accepted.
fn concerns_one_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
