//! What peers can do to each other, and what the server does about it.

use std::time::{Duration, Instant};

use exporter_toolkit::web::{Drained, Limits, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fake::{Fake, PATIENCE, Server, client, eventually};
use crate::pki::Folder;

const SHORT: Duration = Duration::from_millis(200);

pub(crate) fn limits(limits: Limits) -> Settings {
    Settings { limits, ..Settings::default() }
}

/// What arrives until the server closes the connection.
pub(crate) async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the server closes");
    // A reset is a close, too.
    let _ = read;
    String::from_utf8_lossy(&answer).into_owned()
}

pub(crate) async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address).await.unwrap()
}

#[tokio::test]
async fn scrapes_past_the_limit_are_503_and_places_come_back() {
    let fake = Fake::default();
    let (gate, asked) = (fake.gate.clone(), fake.asked.clone());
    let settings = Settings { max_requests: 2, ..Settings::default() };
    let server = Server::with(fake, settings, None).await;
    let url = server.url("/metrics");
    gate.shut();
    let waiting: Vec<_> = (0..2).map(|_| tokio::spawn(client().get(&url).send())).collect();
    eventually("both scrapes have begun", || asked.lock().len() == 2).await;
    let refused = client().get(&url).send().await.unwrap();
    assert_eq!(refused.status(), 503);
    // Health is no scrape.
    assert_eq!(client().get(server.url("/healthz")).send().await.unwrap().status(), 200);
    gate.open();
    for scrape in waiting {
        assert_eq!(scrape.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(client().get(&url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_limit_of_0_is_none() {
    let fake = Fake::default();
    let (gate, asked) = (fake.gate.clone(), fake.asked.clone());
    let server = Server::with(fake, Settings { max_requests: 0, ..Settings::default() }, None).await;
    gate.shut();
    let url = server.url("/metrics");
    let waiting: Vec<_> = (0..60).map(|_| tokio::spawn(client().get(&url).send())).collect();
    eventually("all scrapes have begun", || asked.lock().len() == 60).await;
    gate.open();
    for scrape in waiting {
        assert_eq!(scrape.await.unwrap().unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_drain_finishes_the_scrape_under_way_and_closes_idle_connections_at_once() {
    let fake = Fake::default();
    let (gate, asked) = (fake.gate.clone(), fake.asked.clone());
    let server = Server::start(fake).await;
    let address = server.address;
    let (mut silent, mut idle) = (connect(&server).await, connect(&server).await);
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    idle.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    gate.shut();
    let scrape = tokio::spawn(client().get(server.url("/metrics")).send());
    eventually("the scrape has begun", || asked.lock().len() == 1).await;

    server.begin_stop();
    assert_eq!(rest(&mut silent).await, "");
    assert!(rest(&mut idle).await.ends_with("ok\n"));
    assert!(TcpStream::connect(address).await.is_err(), "nothing new is accepted");
    gate.open();
    let response = scrape.await.unwrap().unwrap();
    assert_eq!(response.text().await.unwrap(), "up 1\n");
    assert_eq!(server.ended().await, Drained { cut: 0 });
}

#[tokio::test]
async fn a_drain_has_a_limit() {
    let fake = Fake::default();
    let (gate, asked) = (fake.gate.clone(), fake.asked.clone());
    let server = Server::with(fake, limits(Limits { drain: SHORT, ..Limits::default() }), None).await;
    gate.shut();
    let scrape = tokio::spawn(client().get(server.url("/metrics")).send());
    eventually("the scrape has begun", || asked.lock().len() == 1).await;
    assert_eq!(server.stop().await, Drained { cut: 1 });
    scrape.await.unwrap().unwrap_err();
    gate.open();
}

#[tokio::test]
async fn a_head_that_does_not_end_is_cut_however_slowly_it_trickles() {
    let server = Server::with(Fake::default(), limits(Limits { head: SHORT, ..Limits::default() }), None).await;
    let mut stream = connect(&server).await;
    stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let start = Instant::now();
    while stream.write_all(b"X: y\r\n").await.is_ok() {
        assert!(start.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(start.elapsed() >= SHORT / 2);
    // Nor does one that says nothing at all stay.
    assert_eq!(rest(&mut connect(&server).await).await, "");
}

#[tokio::test]
async fn an_idle_connection_outlives_the_limit_of_heads_and_ends_at_its_own() {
    let limits = limits(Limits { head: SHORT, idle: SHORT * 4, ..Limits::default() });
    let server = Server::with(Fake::default(), limits, None).await;
    let mut stream = connect(&server).await;
    let request = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    let start = Instant::now();
    rest(&mut stream).await;
    assert!(start.elapsed() >= SHORT * 3, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_is_cut() {
    let fake = Fake { body: vec![b'x'; 64 << 20].into(), ..Fake::default() };
    let settings = Settings {
        max_requests: 1,
        limits: Limits { request: SHORT, idle: SHORT, ..Limits::default() },
        ..Settings::default()
    };
    let server = Server::with(fake, settings, None).await;
    let mut stream = connect(&server).await;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    stream.readable().await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    while client().head(server.url("/metrics")).send().await.unwrap().status() != 200 {
        assert!(Instant::now() < deadline, "its place comes back");
    }
    assert!(rest(&mut stream).await.len() < 64 << 20);
}

#[tokio::test]
async fn oversized_heads_and_bodies_are_refused() {
    let server = Server::start(Fake::default()).await;
    let long = "x".repeat(64 * 1024);
    let mut stream = connect(&server).await;
    let _ = stream.write_all(format!("GET / HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n").as_bytes()).await;
    let answer = rest(&mut stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let many = "X: y\r\n".repeat(200);
    let mut stream = connect(&server).await;
    stream.write_all(format!("GET / HTTP/1.1\r\n{many}\r\n").as_bytes()).await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 431"));

    let (large, chunked) = ("Content-Length: 1000000000", "Transfer-Encoding: chunked");
    for (method, path, head, status) in [
        ("GET", "/metrics", large, 413),
        ("POST", "/-/reload", large, 413),
        ("POST", "/metrics", large, 405),
        ("PUT", "/made/up", large, 404),
        ("GET", "/metrics", chunked, 200),
        ("POST", "/-/reload", chunked, 200),
        ("PUT", "/metrics", chunked, 405),
    ] {
        let mut stream = connect(&server).await;
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{method} {path} {head}: {answer}");
        assert!(answer.contains("connection: close"), "the body that is not read ends with the connection");
    }
    // What curl sends with `-X POST -d ''` is none.
    assert_eq!(client().post(server.url("/-/reload")).body("").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_tls_handshake_that_does_not_end_is_cut() {
    let folder = Folder::tls(&[]);
    let limits = limits(Limits { handshake: SHORT, ..Limits::default() });
    let server = Server::with(Fake::default(), limits, Some(&folder.web_config())).await;
    for start in [&b""[..], &[22, 3, 1, 2, 0, 1]] {
        let mut stream = connect(&server).await;
        stream.write_all(start).await.unwrap();
        rest(&mut stream).await;
    }
}

#[tokio::test]
async fn odd_request_lines_reach_no_page_and_break_nothing() {
    let hash = bcrypt::hash("secret", 4).unwrap();
    let folder = Folder::new(&format!("basic_auth_users:\n  alice: {hash}\n"));
    let guarded = Server::with(Fake::default(), Settings::default(), Some(&folder.web_config())).await;
    let open = Server::start(Fake::default()).await;
    for line in
        ["OPTIONS * HTTP/1.1", "CONNECT x:1 HTTP/1.1", "GET //metrics HTTP/1.1", "POST http://x/metrics HTTP/1.1"]
    {
        let request = format!("{line}\r\nHost: x\r\nConnection: close\r\n\r\n");
        for (server, expected) in [(&guarded, "HTTP/1.1 401"), (&open, "HTTP/1.1 40")] {
            let mut stream = connect(server).await;
            stream.write_all(request.as_bytes()).await.unwrap();
            let answer = rest(&mut stream).await;
            assert!(answer.starts_with(expected), "{line}: {answer}");
        }
    }
    // A proxy's form of a good request is a good request.
    let mut stream = connect(&open).await;
    stream.write_all(b"GET http://x/metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200"));
    for garbage in [&b"\0\0\0\0\r\n\r\n"[..], b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"] {
        let mut stream = connect(&open).await;
        stream.write_all(garbage).await.unwrap();
        assert!(rest(&mut stream).await.starts_with("HTTP/1.1 400"), "{garbage:?}");
    }
    assert_eq!(client().get(open.url("/livez")).send().await.unwrap().status(), 200);
}
