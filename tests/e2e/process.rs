//! Signals.

use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::binary::{Exporter, eventually};
use crate::fake::{Fake, json};
use crate::faults::Faults;
use crate::setup::{Folder, Settings};

/// An upstream and a configuration that make a scrape larger than what the system takes for a client that does not read.
pub(crate) async fn long_page() -> (Fake, Folder) {
    let list: Vec<String> = (0..12_000)
        .map(|n| format!(r#"{{"status":"AVAILABLE","orgRoleNames":["a-role-with-a-rather-long-name-{n}"]}}"#))
        .collect();
    let list = format!("[{}]", list.join(","));
    let fake = Fake::lists(move |_, _| json(200, &list)).await;
    let settings = Settings::new(&fake.url, 1).metrics("max_roles: 20000, max_pairs: 20000");
    (fake, settings.folder())
}

/// An exporter with a long page.
pub(crate) async fn with_a_long_page(flags: &[&str]) -> (Fake, Exporter) {
    let (fake, folder) = long_page().await;
    let exporter = Exporter::start(&folder, flags).await;
    exporter.polled(&["one"]).await;
    (fake, exporter)
}

/// A scrape whose answer has begun, and is not read.
pub(crate) async fn begun(exporter: &Exporter) -> TcpStream {
    let mut stream = TcpStream::connect(exporter.address).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    stream
}

#[tokio::test]
async fn the_first_signal_lets_a_scrape_finish_and_exits_with_0() {
    for signal in ["TERM", "INT"] {
        let (_fake, mut exporter) = with_a_long_page(&[]).await;
        let mut scrape = begun(&exporter).await;
        exporter.signal(signal).await;
        eventually("nobody is let in any more", async || TcpStream::connect(exporter.address).await.err()).await;
        let mut rest = Vec::new();
        scrape.read_to_end(&mut rest).await.unwrap();
        let text = String::from_utf8(rest).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        assert_eq!(body.len(), length.parse::<usize>().unwrap(), "the whole answer");
        assert!(body.len() > 8 << 20, "{} bytes would fit into the sockets", body.len());
        assert_eq!(exporter.ended().await.code(), Some(0));
        // The last line may still be in the pipe when the process is gone.
        eventually("the end is logged", async || exporter.logged(&["msg=stopped"]).pop()).await;
        assert_eq!(exporter.logged(&["msg=stopped"]).len(), 1);
    }
}

#[tokio::test]
async fn the_second_signal_aborts() {
    let (_fake, mut exporter) = with_a_long_page(&[]).await;
    let _scrape = begun(&exporter).await;
    exporter.signal("TERM").await;
    eventually("it drains", async || exporter.logged(&["shutting down"]).pop()).await;
    let start = Instant::now();
    exporter.signal("TERM").await;
    let status = exporter.ended().await;
    assert!(!status.success(), "{status}");
    assert!(start.elapsed() < Duration::from_secs(5), "it did not wait for the scrape");
}

#[tokio::test]
async fn neither_a_poll_that_hangs_nor_an_idle_connection_holds_up_the_end() {
    let fake = Fake::lists(|_, _| crate::fake::Answer::Hang).await;
    let mut exporter = Exporter::start(&Settings::new(&fake.url, 1).folder(), &[]).await;
    eventually("the list is asked for", async || fake.list_requests(1).pop()).await;
    // Prometheus keeps its connection, too.
    exporter.scrape().await;
    let start = Instant::now();
    exporter.signal("TERM").await;
    assert_eq!(exporter.ended().await.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_secret_on_a_storage_that_hangs_does_not_hold_up_the_end() {
    let fake = Fake::lists(|_, _| json(200, "[]")).await;
    let folder = Settings::new(&fake.url, 1).folder();
    // Opening a pipe that nobody writes to takes for ever, like a file on a server that is gone.
    std::fs::remove_file(folder.path("secret")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(folder.path("secret")).status().unwrap().success());
    let mut exporter = Exporter::start(&folder, &[]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    exporter.signal("TERM").await;
    assert_eq!(exporter.ended().await.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test]
async fn systemd_hears_when_it_listens_that_it_lives_and_how_it_fares() {
    let fake = Fake::lists(|_, seen| if seen == 0 { json(403, "{}") } else { json(200, "[]") }).await;
    let folder = Settings::new(&fake.url, 1).poll("interval: 1s").folder();
    let socket = folder.path("notify");
    let systemd = tokio::net::UnixDatagram::bind(&socket).unwrap();
    let config = folder.path("config.yaml");
    let flags = ["--config.file", &config, "--web.listen-address", "127.0.0.1:0"];
    let mut exporter = Exporter::launch(&flags, &[("NOTIFY_SOCKET", &socket)]);
    let heard = async |wanted: &str| {
        let mut message = [0; 4096];
        loop {
            let received = tokio::time::timeout(crate::binary::PATIENCE, systemd.recv(&mut message));
            let length = received.await.unwrap_or_else(|_| panic!("never heard {wanted}")).unwrap();
            let text = String::from_utf8_lossy(&message[..length]).into_owned();
            if text.contains(wanted) {
                return text;
            }
        }
    };
    let ready = heard("READY=1").await;
    assert!(ready.contains("STATUS=1 organization"), "{ready}");
    exporter.address = exporter.listening("everything").await;
    heard("WATCHDOG=1").await;
    heard("STATUS=1 organization, all polled").await;
    exporter.signal("HUP").await;
    heard("RELOADING=1").await;
    assert!(heard("READY=1").await.contains("STATUS=reloaded"));
    folder.write("config.yaml", "nonsense");
    exporter.signal("HUP").await;
    heard("RELOADING=1").await;
    assert!(heard("READY=1").await.contains("STATUS=the configuration was not reloaded"));
    exporter.signal("TERM").await;
    heard("STOPPING=1").await;
    assert_eq!(exporter.ended().await.code(), Some(0));
}

/// A process that gets a signal as soon as it makes its first thread, long before it listens.
async fn interrupted_early(signal: Signal) -> (Fake, Folder, Exporter) {
    let fake = Fake::lists(|_, _| json(200, "[]")).await;
    let folder = Settings::new(&fake.url, 1).folder();
    let faults = Faults::new(&folder);
    let (config, number) = (folder.path("config.yaml"), (signal as i32).to_string());
    let environment = faults.environment();
    let mut environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    environment.push(("FAULTS_SIGNAL", &number));
    let arguments = ["--config.file", &config, "--web.listen-address", "127.0.0.1:0"];
    (fake, folder, Exporter::launch(&arguments, &environment))
}

#[tokio::test]
async fn a_signal_that_comes_while_the_process_starts_is_obeyed_once_it_can_be() {
    let (_fake, _folder, mut exporter) = interrupted_early(Signal::SIGHUP).await;
    exporter.address = exporter.listening("everything").await;
    eventually("it reloads", async || exporter.logged(&["configuration reloaded"]).pop()).await;
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let (_fake, _folder, mut exporter) = interrupted_early(signal).await;
        assert_eq!(exporter.ended().await.code(), Some(0), "{:?}", exporter.log);
    }
}

#[tokio::test]
async fn signals_that_a_parent_has_left_blocked_are_obeyed() {
    let fake = Fake::lists(|_, _| json(200, "[]")).await;
    let folder = Settings::new(&fake.url, 1).folder();
    // A child inherits what its parent's thread has blocked.
    let blocked = SigSet::from_iter([Signal::SIGHUP, Signal::SIGTERM, Signal::SIGINT]);
    let before = blocked.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK).unwrap();
    let config = folder.path("config.yaml");
    let mut exporter = Exporter::launch(&["--config.file", &config, "--web.listen-address", "127.0.0.1:0"], &[]);
    before.thread_set_mask().unwrap();
    exporter.address = exporter.listening("everything").await;
    exporter.signal("HUP").await;
    eventually("it reloads", async || exporter.logged(&["configuration reloaded"]).pop()).await;
    exporter.signal("TERM").await;
    assert_eq!(exporter.ended().await.code(), Some(0));
}
