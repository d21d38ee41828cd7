//! What the upstream refuses, and how the exporter takes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crate::binary::{Exporter, eventually};
use crate::fake::{Answer, Fake, json, response};
use crate::setup::{Settings, id};

pub(crate) const LIST: &str = r#"[{"username":"a@example.com","status":"REDEEMED"}]"#;

pub(crate) async fn started(fake: &Fake, organizations: usize) -> Exporter {
    Exporter::start(&Settings::new(&fake.url, organizations).folder(), &[]).await
}

#[tokio::test]
async fn a_loop_of_reloads_is_no_hammer_whatever_polls_fail_of() {
    type Kind = (&'static str, u16, fn() -> Answer);
    let kinds: [Kind; 8] = [
        ("server_error", 200, || Answer::Keep(response(500, "", "{}"))),
        ("connect", 200, || Answer::Close(Vec::new())),
        ("body", 200, || Answer::Close(response(200, "", LIST)[..60].to_vec())),
        ("decode", 200, || json(200, "<html>")),
        ("unauthorized", 200, || json(401, "{}")),
        ("forbidden", 200, || json(403, "{}")),
        ("not_found", 200, || json(404, "{}")),
        ("credentials", 400, || json(400, "{}")),
    ];
    let token = |status| json(status, r#"{"access_token":"access","expires_in":1800}"#);
    let tried = kinds.map(|(reason, exchange, list)| async move {
        let is_repaired = Arc::new(AtomicBool::new(false));
        let repaired = Arc::clone(&is_repaired);
        let fake =
            Fake::start(move |request, _| match (repaired.load(SeqCst), request.path.ends_with("/auth/token")) {
                (false, true) => token(exchange),
                (true, true) => token(200),
                (false, false) => list(),
                (true, false) => json(200, LIST),
            })
            .await;
        let exporter = started(&fake, 1).await;
        exporter.until("it fails", |scrape| scrape.failures("one", reason) > 0.0).await;
        let start = Instant::now();
        let mut reloads = 0;
        while start.elapsed() < Duration::from_secs(6) {
            assert_eq!(exporter.reload().await.0, 200);
            reloads += 1;
        }
        // Polls at the start, at once, and one, three and seven seconds later, of four requests at the most.
        let requests = fake.requests("").len();
        assert!(requests <= 20 && reloads >= 5, "{reason}: {requests} requests, {reloads} reloads");
        // What is repaired now is tried with the pause that the loop has led to, and not with the interval.
        is_repaired.store(true, SeqCst);
        exporter.reload().await;
        exporter.until("it works", |scrape| scrape.up("one") == Some(1.0)).await;
        assert!(start.elapsed() < Duration::from_secs(30), "{reason}: {:?}", start.elapsed());
    });
    futures_util::future::join_all(tried).await;
}

#[tokio::test]
async fn what_is_repaired_is_tried_at_once_when_the_configuration_is_reloaded() {
    let is_repaired = Arc::new(AtomicBool::new(false));
    let repaired = Arc::clone(&is_repaired);
    let fake = Fake::lists(move |_, _| if repaired.load(SeqCst) { json(200, LIST) } else { json(403, "{}") }).await;
    let exporter = started(&fake, 1).await;
    exporter.until("it fails", |scrape| scrape.failures("one", "forbidden") > 0.0).await;
    is_repaired.store(true, SeqCst);
    let start = Instant::now();
    exporter.reload().await;
    exporter.until("it works", |scrape| scrape.up("one") == Some(1.0)).await;
    // The next poll of itself is up to a minute away.
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    assert_eq!(fake.list_requests(1).len(), 2);
}

#[tokio::test]
async fn a_service_that_keeps_refusing_gets_no_more_attempts_than_allowed() {
    for status in [429, 503] {
        let fake = Fake::lists(move |_, _| Answer::Keep(response(status, "", "{}"))).await;
        let exporter = started(&fake, 1).await;
        let scrape = exporter.polled(&["one"]).await;
        let reason = if status == 429 { "rate_limited" } else { "server_error" };
        assert_eq!((scrape.up("one"), scrape.failures("one", reason)), (Some(0.0), 1.0));
        assert_eq!(fake.list_requests(1).len(), 3, "max_attempts");
        assert_eq!(scrape.count("csp_api_requests_total", &[("operation", "invitations")]), 3.0);
        let code = status.to_string();
        assert_eq!(scrape.count("csp_api_responses_total", &[("operation", "invitations"), ("code", &code)]), 3.0);
    }
}

#[tokio::test]
async fn server_errors_timeouts_and_cut_connections_are_retried_within_the_poll() {
    let fake = Fake::lists(|organization, n| match (organization, n) {
        (_, 2..) => json(200, LIST),
        (1, _) => Answer::Keep(response(502, "content-type: text/html\r\n", "<html>bad gateway</html>")),
        (2, _) => Answer::Hang,
        (3, 0) => Answer::Close(Vec::new()),
        _ => Answer::Close(response(200, "", LIST)[..60].to_vec()),
    })
    .await;
    let settings = Settings::new(&fake.url, 3).api("timeout: 2s").poll("interval: 60s");
    let exporter = Exporter::start(&settings.folder(), &[]).await;
    let names = ["one", "two", "three"];
    let scrape = exporter.polled(&names).await;
    for (number, name) in (1..).zip(names) {
        assert_eq!((scrape.up(name), scrape.invitations(name)), (Some(1.0), Some(1.0)), "{name}");
        assert_eq!(fake.list_requests(number).len(), 3, "{name}");
    }
    let failures =
        |reason| scrape.count("csp_api_request_failures_total", &[("operation", "invitations"), ("reason", reason)]);
    assert_eq!(
        [failures("server_error"), failures("timeout"), failures("connect"), failures("body")],
        [2.0, 2.0, 1.0, 1.0]
    );
    assert_eq!(exporter.logged(&["poll failed"]), Vec::<String>::new());
}

#[tokio::test]
async fn a_refused_access_token_is_exchanged_once_more_and_tried_once_more() {
    let fake = Fake::lists(|organization, n| match (organization, n) {
        (1, 0) | (2, _) => Answer::Keep(response(401, "", "{}")),
        _ => json(200, LIST),
    })
    .await;
    let exporter = started(&fake, 2).await;
    let scrape = exporter.polled(&["one", "two"]).await;
    assert_eq!((scrape.up("one"), scrape.up("two")), (Some(1.0), Some(0.0)));
    assert_eq!(scrape.failures("two", "unauthorized"), 1.0);
    for number in [1, 2] {
        let tokens: Vec<_> = fake.list_requests(number).iter().map(|r| r.headers["authorization"].clone()).collect();
        assert_eq!(tokens.len(), 2, "{number}");
        assert_ne!(tokens[0], tokens[1], "{number}: the second attempt carries a new token");
    }
    let exchanges = |number| fake.requests("/auth/token").iter().filter(|r| r.body.contains(&id(number))).count();
    // Nor does the question for the organization's name bring another one.
    assert_eq!((exchanges(1), exchanges(2)), (2, 2));
}

#[tokio::test]
async fn what_would_fail_again_is_not_retried_and_explained_in_one_line() {
    let cases = [
        (400, "bad_request", "did not understand"),
        (403, "forbidden", "lacks the role"),
        (404, "not_found", "does not know this organization"),
        (200, "decode", "not the promised JSON"),
    ];
    for (status, reason, meaning) in cases {
        let fake = Fake::lists(move |_, _| json(status, r#"{"cspErrorCode":"csp.code","message":"m"}"#)).await;
        let exporter = started(&fake, 1).await;
        let scrape = exporter.polled(&["one"]).await;
        assert_eq!((scrape.up("one"), scrape.failures("one", reason)), (Some(0.0), 1.0), "{status}");
        assert_eq!(fake.list_requests(1).len(), 1, "{status}");
        let expected = ["organization=one", "operation=invitations", &format!("reason={reason}"), "request_id=req-77"];
        let lines = eventually("it is logged", async || {
            Some(exporter.logged(&["poll failed"])).filter(|lines| !lines.is_empty())
        })
        .await;
        assert_eq!(lines.len(), 1, "{lines:?}");
        for part in expected.into_iter().chain(["level=warn", "meaning=", "action=", meaning]) {
            assert!(lines[0].contains(part), "{part} is missing: {}", lines[0]);
        }
        assert_eq!(exporter.logged(&["level=warn"]).len() + exporter.logged(&["level=error"]).len(), 1, "nothing else");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let reached = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&reached);
    let other = Fake::start(move |_, _| {
        noted.store(true, SeqCst);
        json(200, LIST)
    })
    .await;
    let fake = Fake::lists(move |organization, _| {
        let status = [301, 302, 307, 308][organization % 4];
        Answer::Keep(response(status, &format!("location: {}/csp\r\n", other.url), ""))
    })
    .await;
    let exporter = started(&fake, 4).await;
    let names = ["one", "two", "three", "four"];
    let settled = |scrape: &crate::scrape::Scrape| names.iter().all(|name| scrape.up(name).is_some());
    let scrape = exporter.until("polls ended", settled).await;
    for (number, name) in (1..).zip(names) {
        assert_eq!(scrape.failures(name, "unexpected_status"), 1.0, "{name}");
        assert_eq!(fake.list_requests(number).len(), 1, "{name}");
    }
    assert!(!reached.load(SeqCst), "credentials would have gone elsewhere");
}

#[tokio::test]
async fn a_process_without_a_descriptor_left_says_so_and_what_to_do() {
    // By its address, and by a name that has to be looked up, for which there is no descriptor either.
    for host in ["127.0.0.1", "localhost"] {
        let fake = Fake::lists(|_, _| Answer::Close(response(200, "", LIST))).await;
        let url = fake.url.replace("localhost", host);
        let exporter = Exporter::start(&Settings::new(&url, 1).poll("interval: 1s").folder(), &[]).await;
        exporter.polled(&["one"]).await;
        let limit = async |files: &str| {
            let pid = exporter.pid().to_string();
            let set =
                tokio::process::Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={files}:")]).status();
            assert!(set.await.unwrap().success());
        };
        limit("3").await;
        let line = eventually("a poll fails", async || exporter.logged(&["poll failed"]).pop()).await;
        for words in ["reason=connect", "too many files and connections open (EMFILE)", "LimitNOFILE=", "ulimit -n"] {
            assert!(line.contains(words), "{host}: {line}");
        }
        limit("1000").await;
        exporter.until("it recovers", |scrape| scrape.up("one") == Some(1.0)).await;
    }
}
