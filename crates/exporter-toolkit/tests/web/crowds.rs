//! More peers than there is room for: who is served, and who makes room.

use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use exporter_toolkit::web::{Limits, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fake::{Fake, Server, client, eventually};
use crate::limits::{connect, limits, rest};
use crate::pki::Folder;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_reloads_is_one_under_way_and_one_that_waits() {
    let fake = Fake::default();
    let (gate, reloads) = (fake.gate.clone(), fake.reloads.clone());
    let server = Server::start(fake).await;
    let url = server.url("/-/reload");
    let ask = || tokio::spawn(client().post(&url).send());
    gate.shut();
    let first = ask();
    eventually("the first has begun", || reloads.load(SeqCst) == 1).await;
    let flood: Vec<_> = (0..50).map(|_| ask()).collect();
    // One goes away before its answer; its wish is that of the others.
    flood[7].abort();
    let mut late = connect(&server).await;
    late.write_all(b"POST /-/reload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    for _ in 0..20 {
        assert_eq!(client().get(server.url("/livez")).send().await.unwrap().status(), 200);
    }
    gate.open();
    for (number, answer) in flood.into_iter().chain([first]).enumerate() {
        if number != 7 {
            assert_eq!(answer.await.unwrap().unwrap().status(), 200);
        }
    }
    assert!(rest(&mut late).await.starts_with("HTTP/1.1 200"));
    // A few more only where a request was on its way when the gate opened.
    assert!((2..6).contains(&reloads.load(SeqCst)), "{reloads:?}");
}

#[tokio::test]
async fn a_full_house_makes_room_by_closing_what_has_been_silent_for_longest() {
    let server = Server::with(Fake::default(), limits(Limits { connections: 8, ..Limits::default() }), None).await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(connect(&server).await);
    }
    assert_eq!(client().get(server.url("/metrics")).send().await.unwrap().status(), 200);
    assert_eq!(rest(&mut silent[0]).await, "");
}

#[tokio::test]
async fn who_comes_to_a_house_full_of_idle_connections_does_not_push_out_who_came_before() {
    let server = Server::with(Fake::default(), limits(Limits { connections: 8, ..Limits::default() }), None).await;
    let mut idle = Vec::new();
    for _ in 0..8 {
        let mut peer = connect(&server).await;
        peer.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        assert_ne!(peer.read(&mut [0; 1024]).await.unwrap(), 0);
        idle.push(peer);
    }
    let mut newcomers = Vec::new();
    for _ in 0..6 {
        newcomers.push(connect(&server).await);
    }
    for peer in &mut idle[..6] {
        assert_eq!(rest(peer).await, "");
    }
    for mut peer in newcomers {
        peer.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        assert!(rest(&mut peer).await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn a_full_house_of_working_connections_refuses_and_keeps_working() {
    let fake = Fake::default();
    let (gate, asked) = (fake.gate.clone(), fake.asked.clone());
    let server = Server::with(fake, limits(Limits { connections: 2, ..Limits::default() }), None).await;
    gate.shut();
    let url = server.url("/metrics");
    let working: Vec<_> = (0..2).map(|_| tokio::spawn(client().get(&url).send())).collect();
    eventually("both scrapes have begun", || asked.lock().len() == 2).await;
    assert_eq!(rest(&mut connect(&server).await).await, "");
    gate.open();
    for scrape in working {
        assert_eq!(scrape.await.unwrap().unwrap().status(), 200);
    }
}

/// The median time of a scrape.
async fn median(client: &reqwest::Client, url: &str) -> Duration {
    let mut times = Vec::new();
    for _ in 0..25 {
        let start = Instant::now();
        assert_eq!(client.get(url).send().await.unwrap().status(), 200);
        times.push(start.elapsed());
    }
    times.sort();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_idle_and_two_hundred_silent_peers_do_not_slow_a_scrape() {
    // Fewer where the process may not open as many files, for both ends of each connection.
    let idle = 1000.min(open_files() / 4);
    let folder = Folder::tls(&[]);
    let server = Server::with(Fake::default(), Settings::default(), Some(&folder.web_config())).await;
    let client = folder.client(None);
    let url = format!("https://{}/metrics", server.address);
    let before = median(&client, &url).await;
    let mut peers = Vec::new();
    for _ in 0..200.min(idle) {
        // As silent as can be, and stopped in the middle of a hello.
        let mut peer = connect(&server).await;
        if peers.len() % 2 == 0 {
            peer.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
        }
        peers.push(peer);
    }
    for _ in 0..idle {
        peers.push(connect(&server).await);
    }
    let after = median(&client, &url).await;
    assert!(after < before * 3 + Duration::from_millis(20), "{before:?} before, {after:?} after");
}

fn open_files() -> usize {
    use procfs::process::{LimitValue, Process};
    match Process::myself().unwrap().limits().unwrap().max_open_files.soft_limit {
        LimitValue::Value(files) => usize::try_from(files).unwrap(),
        LimitValue::Unlimited => usize::MAX,
    }
}

#[tokio::test]
async fn passwords_that_flood_do_not_keep_out_those_who_are_known() {
    let hash = bcrypt::hash("secret", 10).unwrap();
    let folder = Folder::new(&format!("basic_auth_users:\n  alice: {hash}\n"));
    let server = Server::with(Fake::default(), Settings::default(), Some(&folder.web_config())).await;
    let url = server.url("/healthz");
    let ask = |password: String| {
        let request = client().get(&url).basic_auth("alice", Some(password));
        tokio::spawn(async move { request.send().await.unwrap().status().as_u16() })
    };
    assert_eq!(ask("secret".to_owned()).await.unwrap(), 200);
    let flood: Vec<_> = (0..100).map(|n| ask(format!("wrong {n}"))).collect();
    for _ in 0..10 {
        assert_eq!(ask("secret".to_owned()).await.unwrap(), 200);
    }
    let mut statuses = Vec::new();
    for guess in flood {
        statuses.push(guess.await.unwrap());
    }
    assert!(statuses.iter().all(|status| [401, 503].contains(status)), "{statuses:?}");
    assert!(statuses.contains(&401) && statuses.contains(&503), "{statuses:?}");
}
