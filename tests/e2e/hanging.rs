//! Files that hang: a pipe that nobody writes to is as silent as a file on a server that is gone.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::binary::{Exporter, eventually, run};
use crate::fake::{Fake, json};
use crate::process::{begun, long_page};
use crate::scrape::Scrape;
use crate::setup::{Folder, Settings, id};

/// Long for an answer out of memory, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);

async fn fake() -> Fake {
    Fake::lists(|_, _| json(200, r#"[{"status":"REVOKED"}]"#)).await
}

/// Puts a pipe that nobody writes to in the place of a file.
fn hang(path: &str) {
    let _ = std::fs::remove_file(path);
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn threads(exporter: &Exporter) -> usize {
    std::fs::read_dir(format!("/proc/{}/task", exporter.pid())).unwrap().count()
}

/// Scrapes, health and the page are there as if nothing were.
async fn is_well(exporter: &Exporter) {
    for path in ["/metrics", "/healthz", "/readyz", "/"] {
        let start = Instant::now();
        assert_eq!(exporter.get(path).await.0, 200, "{path}");
        assert!(start.elapsed() < AT_ONCE, "{path} took {:?}", start.elapsed());
    }
}

fn successful(scrape: &Scrape) -> Option<f64> {
    scrape.get("csp_exporter_config_last_reload_successful", &[])
}

#[tokio::test]
async fn three_hundred_organizations_on_a_secret_that_hangs_cost_one_reader_and_harm_nobody() {
    let fake = fake().await;
    let folder = Folder::new();
    let mut yaml = format!("api: {{url: {}, requests_per_second: 0}}\npoll: {{interval: 2s}}\n", fake.url);
    yaml += "credentials:\n  lost: {client_id: a, client_secret_file: lost}\n";
    yaml += "  fine: {client_id: b, client_secret_file: fine}\norganizations:\n";
    writeln!(yaml, "  - {{id: {}, name: one, credentials: fine}}", id(1)).unwrap();
    for number in 2..=301 {
        writeln!(yaml, "  - {{id: {}, name: lost-{number}, credentials: lost}}", id(number)).unwrap();
    }
    folder.write("config.yaml", &yaml);
    folder.write("fine", "secret");
    hang(&folder.path("lost"));
    let mut exporter = Exporter::start(&folder, &[]).await;
    let polls = |scrape: &Scrape| scrape.sum("csp_polls_total", &[]);
    let first = exporter.until("all have failed", |scrape| polls(scrape) >= 301.0).await;
    assert_eq!(first.up("lost-2"), Some(0.0));
    assert!(first.failures("lost-2", "credentials") >= 1.0);
    let before = threads(&exporter);
    let later = exporter.until("they have failed again and again", |scrape| polls(scrape) >= 1500.0).await;
    assert!(threads(&exporter) <= before + 4, "{before} threads became {}", threads(&exporter));
    assert!(threads(&exporter) < 32, "{} threads", threads(&exporter));
    assert_eq!(later.up("one"), Some(1.0));
    assert_eq!(
        later.sum("csp_poll_failures_total", &[("reason", "credentials")]),
        later.sum("csp_poll_failures_total", &[])
    );
    let line = exporter.logged(&["poll failed", "reason=credentials"]).pop().unwrap();
    assert!(line.contains(&folder.path("lost")) && line.contains("does not answer"), "{line}");
    is_well(&exporter).await;
    assert_eq!(exporter.reload().await.0, 200);

    // The mount is there again; nobody has to reload or restart.
    std::fs::rename(folder.path("fine"), folder.path("lost")).unwrap();
    exporter.until("the file is read", |scrape| scrape.up("lost-2") == Some(1.0)).await;
    hang(&folder.path("lost"));
    exporter.signal("TERM").await;
    let start = Instant::now();
    assert_eq!(exporter.ended().await.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_secret_is_a_file_of_limited_size_or_a_pipe_that_ends() {
    let fake = Fake::start(|request, _| match request.organization() {
        None => json(200, r#"{"access_token":"access","expires_in":1800}"#),
        Some(_) => json(200, "[]"),
    })
    .await;
    let settings = Settings::new(&fake.url, 4).poll("interval: 60s");
    let folder = settings.folder();
    let mut yaml = settings.yaml();
    for (name, file) in [("one", "/dev/zero"), ("two", "large"), ("three", "largest"), ("four", "pipe")] {
        yaml = yaml
            .replace(
                "credentials:\n",
                &format!("credentials:\n  of-{name}: {{client_id: a, client_secret_file: {file}}}\n"),
            )
            .replace(&format!("name: {name}, credentials: app"), &format!("name: {name}, credentials: of-{name}"));
    }
    folder.write("config.yaml", &yaml);
    folder.write("large", &"x".repeat((64 << 10) + 1));
    folder.write("largest", &"x".repeat(64 << 10));
    hang(&folder.path("pipe"));
    let pipe = folder.path("pipe");
    let writing = std::thread::spawn(move || std::fs::write(pipe, "from-a-pipe\n").unwrap());
    let exporter = Exporter::start(&folder, &[]).await;
    let scrape = exporter.polled(&["one", "two", "three", "four"]).await;
    let up: Vec<_> = ["one", "two", "three", "four"].map(|name| scrape.up(name).unwrap()).into();
    assert_eq!(up, [0.0, 0.0, 1.0, 1.0]);
    for (name, word) in [("one", "neither a regular file nor a pipe"), ("two", "larger than 64 KiB")] {
        assert_eq!(scrape.failures(name, "credentials"), 1.0, "{name}");
        let line = exporter.logged(&["poll failed", &format!("organization={name}")]).pop().unwrap();
        assert!(line.contains(word), "{line}");
    }
    writing.join().unwrap();
    let sent = format!("Basic {}", BASE64_STANDARD.encode("a:from-a-pipe"));
    assert!(fake.requests("/auth/token").iter().any(|request| request.headers["authorization"] == sent));
    assert!(exporter.peak_memory() < 100 << 20, "{} bytes", exporter.peak_memory());
}

#[tokio::test]
async fn nothing_waits_for_a_reload_that_hangs_but_those_who_asked_for_it() {
    let fake = fake().await;
    let settings = Settings::new(&fake.url, 2).poll("interval: 2s");
    let folder = settings.folder();
    let exporter = Exporter::start(&folder, &[]).await;
    exporter.polled(&["one", "two"]).await;
    hang(&folder.path("config.yaml"));
    let (client, url) = (exporter.http.clone(), exporter.url("/-/reload"));
    let ask = async || client.post(&url).send().await.unwrap().status().as_u16();
    let before = threads(&exporter);
    let start = Instant::now();
    let working = async {
        for _ in 0..20 {
            exporter.signal("HUP").await;
        }
        is_well(&exporter).await;
        exporter.polled_anew("one").await;
        assert!(threads(&exporter) <= before + 4, "{before} threads became {}", threads(&exporter));
    };
    let asking = futures_util::future::join_all((0..20).map(|_| ask()));
    let (answers, ()) = tokio::join!(asking, working);
    assert!(answers.iter().all(|status| *status == 500), "{answers:?}");
    // Two that hang answer all that were asked for meanwhile, and two more the signals.
    assert!(start.elapsed() < Duration::from_secs(45), "{:?}", start.elapsed());
    let failed = exporter.until("it shows", |scrape| successful(scrape) == Some(0.0)).await;
    assert_eq!(failed.up("one"), Some(1.0));
    let line = exporter.logged(&["old one stays"]).pop().unwrap();
    assert!(line.contains("config.yaml") && line.contains("does not answer"), "{line}");

    std::fs::remove_file(folder.path("config.yaml")).unwrap();
    folder.write("config.yaml", &settings.yaml());
    assert_eq!(exporter.reload().await.0, 200);
    assert_eq!(successful(&exporter.scrape().await), Some(1.0));
}

#[tokio::test]
async fn a_reload_that_hangs_does_not_hold_up_the_end() {
    let fake = fake().await;
    let settings = Settings::new(&fake.url, 1).api("tls: {ca_file: ca.pem}");
    let folder = Settings::new(&fake.url, 1).folder();
    let mut exporter = Exporter::start(&folder, &[]).await;
    exporter.polled(&["one"]).await;
    // Not the configuration itself this time, but what it names.
    hang(&folder.path("ca.pem"));
    folder.write("config.yaml", &settings.yaml());
    exporter.signal("HUP").await;
    let reload = tokio::spawn(exporter.http.post(exporter.url("/-/reload")).send());
    is_well(&exporter).await;
    let start = Instant::now();
    exporter.signal("TERM").await;
    let answer = reload.await.unwrap().unwrap();
    assert_eq!(answer.status().as_u16(), 500);
    let reason = answer.text().await.unwrap();
    assert!(reason.contains("is stopping"), "{reason}");
    assert_eq!(exporter.ended().await.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_second_signal_aborts_while_a_reload_hangs_and_a_scrape_is_not_read() {
    let (_fake, folder) = long_page().await;
    let mut exporter = Exporter::start(&folder, &[]).await;
    exporter.polled(&["one"]).await;
    hang(&folder.path("config.yaml"));
    exporter.signal("HUP").await;
    let _scrape = begun(&exporter).await;
    exporter.signal("TERM").await;
    eventually("it drains", async || exporter.logged(&["shutting down"]).pop()).await;
    let start = Instant::now();
    exporter.signal("TERM").await;
    assert_eq!(exporter.ended().await.code(), Some(1));
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_start_on_files_that_hang_ends_with_64_and_their_names_and_a_check_with_1() {
    let fake = fake().await;
    let cases = [
        ("config.yaml", "", ""),
        ("ca.pem", "tls: {ca_file: ca.pem}", ""),
        ("server.key", "", "tls_server_config: {cert_file: server.crt, key_file: server.key}\n"),
    ];
    let runs = cases.map(|(file, api, web)| {
        let folder = Settings::new(&fake.url, 1).api(api).folder();
        folder.write("server.crt", "");
        folder.write("web.yml", web);
        hang(&folder.path(file));
        async move {
            let (config, web) = (folder.path("config.yaml"), folder.path("web.yml"));
            let flags = ["--config.file", &config, "--web.config.file", &web];
            let served = run(&[&["serve", "--web.listen-address", "127.0.0.1:0"], &flags[..]].concat(), &[]).await;
            assert_eq!(served.code, Some(64), "{}", served.stderr);
            assert!(served.stderr.contains(file), "{}", served.stderr);
            let checked = run(&[&["check"], &flags[..]].concat(), &[]).await;
            assert_eq!(checked.code, Some(1), "{}", checked.stdout);
            assert!(checked.stdout.contains(file), "{}", checked.stdout);
        }
    });
    futures_util::future::join_all(runs).await;
}

/// Waits until the process has a handler for this signal: it says so in the table of its signals.
async fn handles(exporter: &Exporter, signal: u32) {
    eventually("it handles the signal", async || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", exporter.pid())).ok()?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
        (u64::from_str_radix(caught.trim(), 16).ok()? >> (signal - 1) & 1 != 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_hangup_while_it_starts_is_a_reload_once_it_has_started() {
    let fake = fake().await;
    let settings = Settings::new(&fake.url, 1);
    let folder = settings.folder();
    hang(&folder.path("config.yaml"));
    let config = folder.path("config.yaml");
    let exporter = Exporter::launch(&["--config.file", &config, "--web.listen-address", "127.0.0.1:0"], &[]);
    handles(&exporter, 15).await;
    exporter.signal("HUP").await;
    folder.write("ready", &settings.yaml());
    std::fs::rename(folder.path("ready"), config).unwrap();
    eventually("it reloads", async || exporter.logged(&["configuration reloaded"]).pop()).await;
}

#[tokio::test]
async fn a_start_that_hangs_obeys_a_signal() {
    let folder = Settings::new("http://localhost:1", 1).folder();
    hang(&folder.path("config.yaml"));
    let config = folder.path("config.yaml");
    let mut exporter = Exporter::launch(&["--config.file", &config], &[]);
    handles(&exporter, 15).await;
    let start = Instant::now();
    exporter.signal("TERM").await;
    assert_eq!(exporter.ended().await.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_check_names_every_secret_that_hangs_and_waits_once() {
    let mut yaml = "credentials:\n".to_owned();
    let folder = Folder::new();
    for number in 0..20 {
        writeln!(yaml, "  c{number}: {{api_token_file: secret-{number}}}").unwrap();
        // Pipes are not read by a check: the secret would be missing where it is needed.
        let target = if number % 2 == 0 { "pipe" } else { "missing" };
        std::os::unix::fs::symlink(folder.path(target), folder.path(&format!("secret-{number}"))).unwrap();
    }
    hang(&folder.path("pipe"));
    writeln!(yaml, "organizations: [{{id: {}, credentials: c0}}]", id(1)).unwrap();
    folder.write("config.yaml", &yaml);
    let start = Instant::now();
    let checked = run(&["check", "--config.file", &folder.path("config.yaml")], &[]).await;
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(checked.code, Some(1), "{}", checked.stdout);
    assert_eq!(checked.stdout.matches("No such file").count(), 10, "{}", checked.stdout);
    assert_eq!(checked.stdout.matches("secret from the pipe").count(), 10, "{}", checked.stdout);
}

#[tokio::test]
async fn access_files_that_turn_into_pipes_let_nobody_in_and_hold_up_nothing() {
    let fake = fake().await;
    let folder = Settings::new(&fake.url, 1).folder();
    let users = format!("basic_auth_users:\n  alice: {}\n", bcrypt::hash("right", 4).unwrap());
    folder.write("web.yml", &users);
    let web = folder.path("web.yml");
    let flags = ["--web.config.file", &web, "--web.probe-listen-address", "127.0.0.1:0"];
    let exporter = Exporter::start(&folder, &flags).await;
    let probes = exporter.listening("health only").await;
    let status = async |password| {
        let request = exporter.http.get(exporter.url("/metrics")).basic_auth("alice", Some(password));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(status("right").await, 200);
    hang(&web);
    let start = Instant::now();
    for password in ["right", "wrong"] {
        assert_eq!(status(password).await, 500);
    }
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    let health = exporter.http.get(format!("http://{probes}/healthz")).send().await.unwrap();
    assert_eq!(health.status().as_u16(), 200);
    std::fs::remove_file(Path::new(&web)).unwrap();
    folder.write("web.yml", &users);
    assert_eq!(status("right").await, 200);
}
