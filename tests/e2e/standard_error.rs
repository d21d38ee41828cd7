//! A standard error that nobody reads, or that is closed.

use std::fmt::Write as _;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use crate::binary::{PATIENCE, command, eventually, run};
use crate::fake::{Fake, json};
use crate::scrape::Scrape;
use crate::setup::{Folder, Settings, id};

/// Enough organizations to fill a pipe and the queue behind it within seconds.
fn chatty(url: &str) -> Folder {
    let folder = Settings::new(url, 1).folder();
    let mut yaml = format!(
        "api: {{url: {url}, requests_per_second: 0}}\npoll: {{interval: 1s}}\ncredentials:\n  app: {{client_id: a, client_secret_file: secret}}\norganizations:\n"
    );
    for number in 1..=300 {
        writeln!(yaml, "  - {{id: {}, credentials: app}}", id(number)).unwrap();
    }
    folder.write("config.yaml", &yaml);
    folder
}

#[tokio::test]
async fn a_standard_error_that_nobody_reads_holds_up_nothing() {
    let fake = Fake::lists(|_, _| json(200, "[]")).await;
    let folder = chatty(&fake.url);
    let config = folder.path("config.yaml");
    let flags = ["--config.file", &config, "--web.listen-address", "127.0.0.1:0", "--log.level", "debug"];
    let mut child = command().args(flags).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let address = loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).await.unwrap() > 0, "it ended");
        if line.contains("msg=listening") {
            break line.split("address=").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        }
    };
    // Nothing is read from here on.
    let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let scrape = async || {
        Scrape::parse(&http.get(format!("http://{address}/metrics")).send().await.unwrap().text().await.unwrap())
    };
    let dropped = async || scrape().await.count("csp_exporter_log_lines_dropped_total", &[]);
    eventually("lines are dropped", async || (dropped().await > 100.0).then_some(())).await;
    let polls = scrape().await.sum("csp_polls_total", &[]);
    eventually("polls go on", async || (scrape().await.sum("csp_polls_total", &[]) > polls + 600.0).then_some(()))
        .await;
    // Whoever reads again is told how much is missing.
    let lost = async {
        let mut lines = log.lines();
        loop {
            let line = lines.next_line().await.unwrap().expect("it goes on");
            if line.contains("log lines were dropped") {
                assert!(line.contains("level=warn") && line.contains("lines="), "{line}");
                return lines;
            }
        }
    };
    let lines = tokio::time::timeout(PATIENCE, lost).await.expect("the loss is said");
    // And nothing is read again: the end does not wait for it either.
    let before = dropped().await;
    eventually("lines are dropped again", async || (dropped().await > before).then_some(())).await;
    let pid = child.id().unwrap().to_string();
    std::process::Command::new("kill").arg(pid).status().unwrap();
    let status = tokio::time::timeout(Duration::from_secs(15), child.wait()).await.expect("it ends").unwrap();
    assert_eq!(status.code(), Some(0));
    drop(lines);
}

#[tokio::test]
async fn a_closed_standard_error_changes_no_exit_code() {
    for (arguments, code) in [
        (&["serve", "--no-such-flag"][..], 64),
        (&["serve", "--config.file", "/nonexistent"], 64),
        (&["once", "--config.file", "/nonexistent"], 64),
        (&["healthcheck", "--web.listen-address", "127.0.0.1:1"], 1),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut child = command().args(arguments).stderr(Stdio::from(writer)).spawn().unwrap();
        let status = tokio::time::timeout(PATIENCE, child.wait()).await.expect("it ends").unwrap();
        assert_eq!(status.code(), Some(code), "{arguments:?}");
        let mut out = String::new();
        child.stdout.take().unwrap().read_to_string(&mut out).await.unwrap();
        assert_eq!(out, "", "{arguments:?}");
    }
}

#[tokio::test]
async fn an_empty_flag_or_variable_means_that_there_is_none() {
    let fake = Fake::lists(|_, _| json(200, "[]")).await;
    let folder = Settings::new(&fake.url, 1).folder();
    let config = folder.path("config.yaml");
    let environment = [("CSP_EXPORTER_STATE_DIR", " "), ("CSP_EXPORTER_LOG_LEVEL", "debug\n")];
    let done = run(&["once", "--config.file", &config, "--shard", "", "--output="], &environment).await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.contains("csp_up{") && done.stderr.contains("level=debug"), "{}", done.stderr);
    let checked = run(&["check", "--config.file", &config, "--web.config.file", ""], &[]).await;
    assert_eq!(checked.code, Some(0), "{}", checked.stdout);
}
