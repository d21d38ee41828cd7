//! Accepting connections, and refusing them while there is an outage.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::refusals::Refusal;
use super::scenario::{Active, Scenario};

/// Between two attempts to accept or to listen, when the system is short of something.
const PAUSE: Duration = Duration::from_millis(20);

/// Serves `router` until `stop`. In an outage that is older than `grace`, the listener and every connection are closed.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    mut scenario: watch::Receiver<Active>,
    grace: Duration,
    stop: CancellationToken,
) {
    let Ok(address) = listener.local_addr() else { return };
    let mut listener = Some(listener);
    let life = async {
        loop {
            let open = match listener.take() {
                Some(open) => open,
                None => listen_again(address).await,
            };
            tokio::select! {
                // First, so that an outage at the start is never answered.
                biased;
                () = outage(&mut scenario, grace) => {}
                () = accept(&open, &router) => {}
            }
            drop(open);
            // Only a sender that is gone is an error: then there is nobody left to end the outage.
            if scenario.wait_for(|active| active.scenario != Scenario::Outage).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = life => {}
    }
}

/// Returns when an outage has lasted for `grace`.
async fn outage(scenario: &mut watch::Receiver<Active>, grace: Duration) {
    loop {
        let active = *scenario.borrow_and_update();
        let over = async {
            match active.scenario {
                Scenario::Outage => tokio::time::sleep_until(active.since + grace).await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            () = over => return,
            changed = scenario.changed() => if changed.is_err() { return },
        }
    }
}

/// Another process can hold the port for a moment, as the near end of a connection of its own.
async fn listen_again(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Serves connections; dropping the future closes them.
async fn accept(listener: &TcpListener, router: &Router) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, router.clone()));
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, router: Router) {
    // Without it, small answers wait for the peer's acknowledgement. A socket that cannot have it works all the same.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let router = router.clone();
        async move {
            let response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
            if Refusal::hangs_up(&response) {
                Err(io::Error::from(io::ErrorKind::ConnectionAborted))
            } else {
                Ok(response)
            }
        }
    });
    // A connection that ends in an error is the peer's affair, or the scenario's.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}
