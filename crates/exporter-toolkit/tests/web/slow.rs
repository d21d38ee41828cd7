//! Peers that take their answers slowly, or not at all, and those who come after them.

use std::time::{Duration, Instant};

use exporter_toolkit::web::{Limits, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fake::{Fake, PATIENCE, Server, client};
use crate::pki::Folder;

/// Of the peers' patience here; that of a request as a whole stays at two minutes.
const STALL: Duration = Duration::from_millis(400);
/// More than the buffers of two sockets hold.
const BODY: usize = 32 << 20;

fn settings(max_requests: usize) -> Settings {
    Settings { max_requests, limits: Limits { stall: STALL, ..Limits::default() }, ..Settings::default() }
}

fn large() -> Fake {
    Fake { body: vec![b'x'; BODY].into(), ..Fake::default() }
}

/// Asks for `path` over a connection of its own, and waits until the answer has begun.
async fn ask(server: &Server, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
    stream.readable().await.unwrap();
    stream
}

/// How much arrives until the server closes the connection or the answer is complete.
async fn taken(stream: &mut TcpStream) -> usize {
    let mut taken = 0;
    let mut buffer = vec![0; 1 << 20];
    while taken < BODY {
        match tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await.expect("the server closes") {
            Ok(0) | Err(_) => break,
            Ok(length) => taken += length,
        }
    }
    taken
}

/// How long a scrape with `client` is refused.
async fn refused(client: &reqwest::Client, url: &str) -> Duration {
    let start = Instant::now();
    while client.head(url).send().await.unwrap().status() != 200 {
        assert!(start.elapsed() < PATIENCE, "the places come back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scrapers_that_do_not_read_lose_their_connections_and_places() {
    let server = Server::with(large(), settings(2), None).await;
    let mut silent = [ask(&server, "/metrics").await, ask(&server, "/metrics").await];
    assert_eq!(client().head(server.url("/metrics")).send().await.unwrap().status(), 503);
    assert!(refused(&client(), &server.url("/metrics")).await < STALL * 5);
    // One of them has lost its connection; the other one may begin to read just in time.
    let mut lost = false;
    for silent in &mut silent {
        lost = lost || taken(silent).await < BODY;
    }
    assert!(lost);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scrapers_with_closed_windows_lose_their_connections_and_places() {
    let folder = Folder::tls(&[]);
    let server = Server::with(large(), settings(2), Some(&folder.web_config())).await;
    let url = format!("https://{}/metrics", server.address);
    for http2 in [true, false] {
        let mut silent = Vec::new();
        for _ in 0..2 {
            // Filled by the first bytes, and never opened again; pings are answered all the same.
            let client = windowed(&folder, http2.then_some(1000));
            let answer = client.get(&url).send().await.unwrap();
            assert_eq!(answer.version() == reqwest::Version::HTTP_2, http2);
            silent.push((client, answer));
        }
        let others = folder.client(None);
        assert_eq!(others.head(&url).send().await.unwrap().status(), 503);
        assert!(refused(&others, &url).await < STALL * 5, "HTTP/2: {http2}");
        let mut lost = false;
        for (_client, answer) in silent {
            lost = lost || answer.bytes().await.is_err();
        }
        assert!(lost, "a connection was closed");
    }
}

/// A client with this window of HTTP/2, or without HTTP/2.
fn windowed(folder: &Folder, window: Option<u32>) -> reqwest::Client {
    let root = reqwest::Certificate::from_pem(folder.authority.cert.as_bytes()).unwrap();
    let builder = reqwest::Client::builder().tls_certs_only([root]).no_proxy();
    let builder = match window {
        Some(window) => builder.http2_initial_stream_window_size(window),
        None => builder.http1_only(),
    };
    builder.build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_opens_its_window_by_a_few_bytes_at_a_time_reads() {
    let folder = Folder::tls(&[]);
    let server = Server::with(large(), settings(1), Some(&folder.web_config())).await;
    let client = windowed(&folder, Some(8));
    let mut answer = client.get(format!("https://{}/metrics", server.address)).send().await.unwrap();
    let (start, mut read) = (Instant::now(), 0);
    while start.elapsed() < STALL * 4 {
        read += answer.chunk().await.unwrap().expect("more").len();
        tokio::time::sleep(STALL / 8).await;
    }
    assert!(read < 16 * 1024, "{read} bytes are more than one portion");
}

#[tokio::test]
async fn who_has_said_all_it_wanted_to_say_gets_the_whole_answer() {
    let server = Server::with(large(), settings(2), None).await;
    let mut stream = ask(&server, "/metrics").await;
    stream.shutdown().await.unwrap();
    // Time for the server to learn of it.
    tokio::time::sleep(STALL / 4).await;
    assert!(taken(&mut stream).await >= BODY);
}

/// Reads a little now and then, until the connection ends; returns how long that took.
async fn sip(mut stream: TcpStream) -> Duration {
    let (start, mut mouthful) = (Instant::now(), vec![0; 256 << 10]);
    while start.elapsed() < PATIENCE && matches!(stream.read(&mut mouthful).await, Ok(1..)) {
        tokio::time::sleep(STALL / 8).await;
    }
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_slowly_may_go_on_until_somebody_else_needs_the_place() {
    let server = Server::with(large(), settings(1), None).await;
    let slow = tokio::spawn(sip(ask(&server, "/metrics").await));
    tokio::time::sleep(STALL * 3).await;
    assert!(!slow.is_finished(), "it reads");
    assert!(refused(&client(), &server.url("/metrics")).await < STALL, "it has had its time");
    assert!(slow.await.unwrap() < PATIENCE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_slowly_has_a_limit_for_the_whole_answer() {
    let limits = Limits { stall: STALL, request: STALL * 3, ..Limits::default() };
    let server = Server::with(large(), Settings { limits, ..Settings::default() }, None).await;
    let took = sip(ask(&server, "/metrics").await).await;
    assert!((STALL * 2..PATIENCE).contains(&took), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scrapers_that_do_not_read_hold_at_most_four_bodies_but_one_body_may_be_held_by_all() {
    // What a body is made from is held, too.
    for (changing, unmade, held) in [(true, false, 4), (false, false, 12), (false, true, 4)] {
        let server = Server::with(Fake { changing, unmade, ..large() }, Settings::default(), None).await;
        let mut silent = Vec::new();
        for _ in 0..12 {
            silent.push(ask(&server, "/metrics").await);
        }
        let mut whole = 0;
        for stream in &mut silent {
            whole += usize::from(taken(stream).await >= BODY);
        }
        assert_eq!(whole, held, "changing: {changing}, unmade: {unmade}");
        assert_eq!(client().get(server.url("/metrics")).send().await.unwrap().status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_the_application_that_nobody_reads_are_bounded_as_scrapes_are() {
    let fake = Fake { page: vec![b'x'; 2 << 20].into(), ..Fake::default() };
    let limits = Limits { stall: STALL, pages: 3, ..Limits::default() };
    let server = Server::with(fake, Settings { limits, ..Settings::default() }, None).await;
    let asked = ["/", "/api/v1/status", "/"].map(|path| ask(&server, path));
    let mut silent = futures_util::future::join_all(asked).await;
    for path in ["/", "/api/v1/status"] {
        assert_eq!(client().head(server.url(path)).send().await.unwrap().status(), 503, "{path}");
        assert_eq!(client().get(server.url("/metrics")).send().await.unwrap().status(), 200, "no scrape waits for it");
    }
    assert!(refused(&client(), &server.url("/")).await < STALL * 5);
    assert!(taken(&mut silent[0]).await < 2 << 20);
}
