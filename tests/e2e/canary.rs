//! Secrets and personal data carry a mark here, and the mark is looked for in everything that leaves the process.

mod files;
mod mark;
mod upstream;

use crate::binary::{Exporter, eventually, run};
use crate::fake::{Fake, Request};
use crate::scrape::Scrape;
use crate::setup::NAMES;
use files::{bad_files, folder, yaml};
use mark::{MARK, assert_clean};
use upstream::{SCENARIOS, upstream};

const ACCEPTS: [&str; 6] = [
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
    "application/openmetrics-text;version=1.0.0",
    "application/openmetrics-text;version=0.0.1",
    "text/plain;version=1.0.0;escaping=allow-utf-8",
    "text/plain;version=0.0.4",
    "*/*",
];

async fn every_page(exporter: &Exporter) {
    for accept in ACCEPTS {
        let answer = exporter.http.get(exporter.url("/metrics")).header("accept", accept).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        assert_clean(accept, format!("{:?}", answer.headers()).as_bytes());
        assert_clean(accept, &answer.bytes().await.unwrap());
    }
    for path in ["/", "/?state=trouble", "/api/v1/status", "/healthz", "/readyz", "/nothing", "/style.css"] {
        assert_clean(path, exporter.get(path).await.1.as_bytes());
    }
}

/// Runs through everything that can go wrong, in one format of the log.
async fn nothing_is_told(format: &str) {
    let fake = Fake::start(upstream).await;
    let folder = folder(&fake.url, "");
    let state = folder.path("state");
    let flags = ["--log.level", "trace", "--log.format", format, "--state.dir", &state];
    let mut exporter = Exporter::start(&folder, &flags).await;
    let settled = |scrape: &Scrape| {
        let polls = |name: &str| scrape.count("csp_polls_total", &[("organization", name)]) >= 2.0;
        (1..=SCENARIOS).all(|number| polls(&format!("o{number}"))) && NAMES[..3].iter().all(|name| polls(name))
    };
    let scrape = exporter.until("everybody was polled twice", settled).await;
    assert_eq!((scrape.up("o1"), scrape.up("one"), scrape.up("o9")), (Some(1.0), Some(1.0), Some(1.0)));
    let failed = scrape.all("csp_up", &[]).iter().filter(|sample| sample.value < 0.5).count();
    assert!(failed >= 10, "the scenarios do what they are for: {failed}");
    every_page(&exporter).await;
    for bad in bad_files() {
        folder.write("config.yaml", &bad);
        let (status, reason) = exporter.reload().await;
        assert_eq!(status, 500, "{bad}");
        assert_clean("the answer to a reload", reason.as_bytes());
        assert!(!reason.is_empty());
    }
    exporter.signal("HUP").await;

    // The same over a proxy whose address holds a password: through it, and with nobody there.
    let proxy = fake.url.strip_prefix("http://").unwrap();
    for proxy in [proxy, "localhost:1"] {
        folder.write(
            "config.yaml",
            &yaml("http://nowhere.invalid", &format!(", proxy_url: 'http://u:{MARK}-proxy@{proxy}'")),
        );
        assert_eq!(exporter.reload().await.0, 200);
        let up = if proxy == "localhost:1" { 0.0 } else { 1.0 };
        exporter.until("polls go the new way", |scrape| scrape.up("o1") == Some(up)).await;
        every_page(&exporter).await;
    }
    let through = |request: &Request| request.headers.contains_key("proxy-authorization");
    assert!(fake.requests("/invitations").iter().any(through), "the password was used");

    exporter.signal("TERM").await;
    assert_eq!(exporter.ended().await.code(), Some(0));
    eventually("the log is complete", async || exporter.logged(&["stopped"]).pop()).await;
    let log = exporter.log.lock().join("\n");
    assert!(log.contains("debug"), "the log is as talkative as it can be");
    assert_clean("the log", log.as_bytes());
    let mut files = 0;
    for entry in std::fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        assert_clean(path.to_str().unwrap(), &std::fs::read(&path).unwrap());
        files += 1;
    }
    assert!(files > 0);
}

#[tokio::test]
async fn nothing_secret_or_personal_is_told_with_a_logfmt_log() {
    nothing_is_told("logfmt").await;
}

#[tokio::test]
async fn nothing_secret_or_personal_is_told_with_a_json_log() {
    nothing_is_told("json").await;
}

#[tokio::test]
async fn nothing_secret_or_personal_is_told_by_commands_that_end() {
    let fake = Fake::start(upstream).await;
    let folder = folder(&fake.url, "");
    let (config, web) = (folder.path("config.yaml"), folder.path("web.yml"));
    let environment = [
        ("CSP_API_TOKEN", "kanari-token"),
        ("CSP_CLIENT_SECRET", "kanari-secret"),
        ("HTTP_PROXY", "http://u:kanari@localhost:1"),
    ];
    let mut runs = vec![
        (2, run(&["once", "--config.file", &config, "--log.level", "trace"], &[]).await),
        (0, run(&["--help"], &environment).await),
        (0, run(&["serve", "--help"], &environment).await),
        (0, run(&["once", "--help"], &environment).await),
        (64, run(&["serve", "--web.listen-address", "127.0.0.1:0"], &environment).await),
        (64, run(&["serve", "--config.file", &config, "--no-such-flag"], &environment).await),
    ];
    for bad in bad_files() {
        folder.write("config.yaml", &bad);
        runs.push((64, run(&["once", "--config.file", &config], &[]).await));
    }
    folder.write("config.yaml", &yaml(&fake.url, ""));
    folder.write("web.yml", "basic_auth_users: {alice: kanari-no-hash}\ntls_server_config: {key: kanari}\n");
    runs.push((64, run(&["serve", "--config.file", &config, "--web.config.file", &web], &[]).await));
    for (code, done) in runs {
        assert_eq!(done.code, Some(code), "{}", done.stderr);
        assert_clean("standard output", done.stdout.as_bytes());
        assert_clean("standard error", done.stderr.as_bytes());
    }
}

#[tokio::test]
async fn passwords_of_clients_are_told_to_nobody() {
    let fake = Fake::start(upstream).await;
    let folder = folder(&fake.url, "");
    let web = folder.path("web.yml");
    let exporter = Exporter::start(&folder, &["--log.level", "trace", "--web.config.file", &web]).await;
    for password in [format!("{MARK}-password"), format!("{MARK}-wrong")] {
        for path in ["/metrics", "/", "/nothing"] {
            let request = exporter.http.get(exporter.url(path)).basic_auth("alice", Some(&password));
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status().as_u16() == 401, password.ends_with("wrong"));
            assert_clean(path, &answer.bytes().await.unwrap());
        }
    }
    folder.write("web.yml", &format!("basic_auth_users: {{alice: {MARK}}}\n"));
    let (status, text) = exporter.get("/metrics").await;
    assert_eq!(status, 500);
    assert_clean("the answer with a broken web configuration", text.as_bytes());
    eventually("it is logged", async || exporter.logged(&["web"]).pop()).await;
    assert_clean("the log", exporter.log.lock().join("\n").as_bytes());
}
