//! Connections that lead nowhere any more, and that nobody closes.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use csp_api::{Api, Deadline, Reason};
use http_body_util::Full;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::fake::{API_TOKEN_PATH, BOTH, Text, api, inline, list, lists, observed, organization, response};
use crate::fake::{Answer, answer};
use crate::pki::Pki;
use crate::wire::Wire;

/// A service that speaks HTTP/2 over TLS.
struct Http2 {
    pki: Pki,
    port: u16,
    /// Connections that have spoken.
    connections: Arc<AtomicUsize>,
    /// Raised to have it say goodbye (GOAWAY) on all its connections.
    goodbyes: watch::Sender<usize>,
}

impl Http2 {
    async fn start() -> Self {
        let pki = Pki::new();
        let acceptor = pki.http_2_acceptor();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { pki, port, connections: Arc::default(), goodbyes: watch::Sender::new(0) };
        let (connections, goodbyes) = (Arc::clone(&server.connections), server.goodbyes.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, connections, mut goodbyes) =
                    (acceptor.clone(), Arc::clone(&connections), goodbyes.subscribe());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    connections.fetch_add(1, SeqCst);
                    let service = service_fn(|request: http::Request<hyper::body::Incoming>| async move {
                        let exchange = request.uri().path() == API_TOKEN_PATH;
                        let body = if exchange { r#"{"access_token":"a","expires_in":1800}"# } else { "[2]" };
                        Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from_static(body.as_bytes()))))
                    });
                    let connection =
                        http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
                    let mut connection = std::pin::pin!(connection);
                    tokio::select! {
                        _ = connection.as_mut() => return,
                        _ = goodbyes.changed() => connection.as_mut().graceful_shutdown(),
                    }
                    let _ = connection.await;
                });
            }
        });
        server
    }

    /// Settings for this service at `port`.
    fn settings(&self, port: u16, timeout: Duration) -> Api {
        let mut settings = api(&format!("https://localhost:{port}"));
        settings.tls.ca_file = Some(self.pki.path("ca.pem"));
        settings.timeout = timeout;
        settings
    }
}

/// 200 organizations at once, the attempts that failed, and how long it took.
async fn two_hundred(settings: &Api, wire: &Wire) -> (usize, Duration) {
    let (client, recorder) = observed(settings);
    list(&client, &organization(0, inline("s"))).await.unwrap();
    wire.go_silent();
    let start = Instant::now();
    let calls: Vec<_> = (1..=200)
        .map(|id| {
            let client = client.clone();
            let deadline = Deadline::of_poll(Duration::from_secs(30));
            tokio::spawn(async move {
                client.invitations(&organization(id, inline("s")), BOTH, &deadline, Text::default).await
            })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), "[2]");
    }
    let failures = recorder.all().iter().filter(|event| event.starts_with("failure ")).count();
    assert_eq!(recorder.count("failure invitations timeout"), failures, "{:?}", recorder.all());
    (failures, start.elapsed())
}

#[tokio::test]
async fn a_silent_connection_costs_those_who_are_on_it_one_attempt_and_nobody_else_any() {
    let server = Http2::start().await;
    // Found out by a ping, and by the first timeout where that is sooner.
    for (timeout, least) in
        [(Duration::from_secs(6), Duration::from_secs(2)), (Duration::from_secs(1), Duration::from_secs(1))]
    {
        let wire = Wire::to(server.port).await;
        let (failures, took) = two_hundred(&server.settings(wire.port, timeout), &wire).await;
        assert!((1..=8).contains(&failures), "{failures} attempts failed, and 8 run at once");
        assert!(took >= least && took < Duration::from_secs(15), "{took:?}");
    }
}

#[tokio::test]
async fn through_a_proxy_it_is_the_same() {
    let server = Http2::start().await;
    let wire = Wire::proxy(server.port).await;
    let mut settings = server.settings(server.port, Duration::from_secs(2));
    settings.proxy_url = Some(format!("http://127.0.0.1:{}", wire.port).into());
    let (failures, _) = two_hundred(&settings, &wire).await;
    assert!((1..=8).contains(&failures), "{failures} attempts failed");
}

#[tokio::test]
async fn an_idle_connection_that_goes_silent_costs_nothing() {
    let server = Http2::start().await;
    let wire = Wire::to(server.port).await;
    let (client, recorder) = observed(&server.settings(wire.port, Duration::from_secs(3)));
    list(&client, &organization(1, inline("s"))).await.unwrap();
    wire.go_silent();
    let start = Instant::now();
    wire.closed(wire.made()).await;
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "found out by a ping, not by its idleness: {:?}",
        start.elapsed()
    );
    list(&client, &organization(1, inline("s"))).await.unwrap();
    let failures: Vec<_> = recorder.all().into_iter().filter(|event| event.starts_with("failure ")).collect();
    assert_eq!(failures, Vec::<String>::new());
}

#[tokio::test]
async fn a_goodbye_costs_nothing_and_silence_after_it_one_attempt() {
    let server = Http2::start().await;
    let wire = Wire::to(server.port).await;
    let (client, recorder) = observed(&server.settings(wire.port, Duration::from_secs(1)));
    list(&client, &organization(1, inline("s"))).await.unwrap();
    let before = server.connections.load(SeqCst);
    server.goodbyes.send_modify(|count| *count += 1);
    wire.closed(before).await;
    list(&client, &organization(1, inline("s"))).await.unwrap();
    assert_eq!(recorder.count("retry invitations"), 0, "{:?}", recorder.all());
    // The goodbye itself does not arrive.
    wire.go_silent();
    server.goodbyes.send_modify(|count| *count += 1);
    list(&client, &organization(1, inline("s"))).await.unwrap();
    assert_eq!(recorder.count("retry invitations"), 1, "{:?}", recorder.all());
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_given_up_and_the_next_one_works() {
    let server = Http2::start().await;
    let wire = Wire::to(server.port).await;
    let mut settings = server.settings(wire.port, Duration::from_secs(10));
    settings.connect_timeout = Duration::from_millis(500);
    let (client, recorder) = observed(&settings);
    wire.be_silent_next(1);
    list(&client, &organization(1, inline("s"))).await.unwrap();
    assert_eq!(recorder.count("failure token timeout"), 1, "{:?}", recorder.all());
    assert_eq!(recorder.count("request token"), 2);
}

#[tokio::test]
async fn many_idle_connections_of_http_1_that_go_silent_cost_one_attempt() {
    let fake = lists(|n| match n {
        0..8 => Answer::Late(Duration::from_millis(100), response(200, "", "[]")),
        _ => answer(200, "[]"),
    })
    .await;
    let wire = Wire::to(fake.port()).await;
    let mut settings = api(&format!("http://localhost:{}", wire.port));
    settings.timeout = Duration::from_secs(1);
    let (client, recorder) = observed(&settings);
    let calls = (0..8).map(|id| {
        let client = client.clone();
        tokio::spawn(async move { list(&client, &organization(id, inline("s"))).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert!(wire.made() >= 8, "{} connections", wire.made());
    wire.go_silent();
    list(&client, &organization(1, inline("s"))).await.unwrap();
    assert_eq!(recorder.count("failure invitations timeout"), 1, "{:?}", recorder.all());
    assert_eq!(recorder.count("retry invitations"), 1);
}

#[tokio::test]
async fn a_body_that_stops_in_its_middle_is_a_timeout_and_its_retry_has_another_connection() {
    let fake = lists(|n| match n {
        0 => Answer::Keep(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[1,".to_vec()),
        _ => answer(200, "[2]"),
    })
    .await;
    let wire = Wire::to(fake.port()).await;
    let mut settings = api(&format!("http://localhost:{}", wire.port));
    settings.timeout = Duration::from_secs(1);
    settings.max_attempts = 1;
    let (client, _) = observed(&settings);
    let error = list(&client, &organization(1, inline("s"))).await.unwrap_err();
    assert_eq!((error.reason, error.status), (Reason::Timeout, Some(200)));
    assert!(error.detail.contains("the whole body"), "{error}");
    let before = wire.made();
    list(&client, &organization(1, inline("s"))).await.unwrap();
    assert_eq!(wire.made(), before + 1);
}
