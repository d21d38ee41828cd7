//! What the upstream refuses, and how the exporter takes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant, SystemTime};

use crate::binary::{Exporter, eventually};
use crate::fake::{Answer, Fake, json, response};
use crate::setup::{Settings, id};

const LIST: &str = r#"[{"username":"a@example.com","status":"REDEEMED"}]"#;

async fn started(fake: &Fake, organizations: usize) -> Exporter {
    Exporter::start(&Settings::new(&fake.url, organizations).folder(), &[]).await
}

/// The time between the first two requests for organization 1's list, when the first one was answered with
/// `retry_after`.
async fn wait_after_429(retry_after: impl Fn() -> String + Send + Sync + 'static) -> Duration {
    let fake = Fake::lists(move |_, n| match n {
        0 => Answer::Keep(response(429, &retry_after(), "{}")),
        _ => json(200, LIST),
    })
    .await;
    let exporter = started(&fake, 1).await;
    let scrape = exporter.polled(&["one"]).await;
    assert_eq!(scrape.up("one"), Some(1.0), "the second attempt of the same poll succeeded");
    assert_eq!(scrape.count("csp_api_retries_total", &[("operation", "invitations")]), 1.0);
    let requests = fake.list_requests(1);
    assert_eq!(requests.len(), 2);
    requests[1].at - requests[0].at
}

#[tokio::test]
async fn retry_after_in_seconds_is_waited_for() {
    assert!(wait_after_429(|| "retry-after: 2\r\n".to_owned()).await >= Duration::from_secs(2));
}

#[tokio::test]
async fn retry_after_as_a_date_is_waited_for() {
    let date = || {
        // The form has whole seconds, so what is left until then is between three and four.
        let at = jiff::Timestamp::try_from(SystemTime::now() + Duration::from_secs(4)).unwrap();
        format!("retry-after: {}\r\n", at.strftime("%a, %d %b %Y %H:%M:%S GMT"))
    };
    assert!(wait_after_429(date).await >= Duration::from_millis(2900));
}

#[tokio::test]
async fn without_retry_after_it_backs_off_for_a_second_at_most() {
    assert!(wait_after_429(String::new).await < Duration::from_secs(5));
}

#[tokio::test]
async fn a_retry_after_of_nothing_is_no_leave_to_hurry() {
    for value in ["0", "Sun, 06 Nov 1994 08:49:37 GMT"] {
        let fake =
            Fake::lists(move |_, _| Answer::Keep(response(429, &format!("retry-after: {value}\r\n"), "{}"))).await;
        let exporter = started(&fake, 1).await;
        exporter.polled(&["one"]).await;
        let requests = fake.list_requests(1);
        assert_eq!(requests.len(), 3, "max_attempts");
        // Back-offs are drawn from up to one second and up to two: hardly one run in ten thousand is this short.
        let took = requests[2].at - requests[0].at;
        assert!(took > Duration::from_millis(20), "{value}: {took:?}");
    }
}

#[tokio::test]
async fn a_503_with_retry_after_is_waited_for() {
    let fake = Fake::lists(|_, n| match n {
        0 => Answer::Keep(response(503, "retry-after: 3\r\n", "{}")),
        _ => json(200, LIST),
    })
    .await;
    let exporter = started(&fake, 1).await;
    assert_eq!(exporter.polled(&["one"]).await.up("one"), Some(1.0));
    let requests = fake.list_requests(1);
    assert!(requests[1].at - requests[0].at >= Duration::from_secs(3), "{:?}", requests[1].at - requests[0].at);
}

#[tokio::test]
async fn a_loop_of_reloads_hurries_nothing_that_the_service_wants_slow() {
    for (retry_after, most) in
        [("retry-after: 60\r\n", 1), ("retry-after: 7200\r\n", 1), ("retry-after: 0\r\n", 30), ("", 30)]
    {
        let fake = Fake::lists(move |_, _| Answer::Keep(response(429, retry_after, "{}"))).await;
        let exporter = started(&fake, 1).await;
        eventually("it was refused", async || fake.list_requests(1).pop()).await;
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(6) {
            assert_eq!(exporter.reload().await.0, 200);
        }
        let requests = fake.list_requests(1).len();
        assert!(requests <= most, "{retry_after}: {requests} requests in six seconds");
    }
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
async fn a_retry_after_beyond_the_deadline_is_obeyed_until_then_by_all_reloads_and_blinds_nobody() {
    let fake = Fake::lists(|organization, n| match (organization, n) {
        (1, 0) => Answer::Keep(response(429, "retry-after: 7200\r\n", "{}")),
        _ => json(200, LIST),
    })
    .await;
    // Polls of eight seconds at the most.
    let exporter = Exporter::start(&Settings::new(&fake.url, 2).poll("interval: 10s").folder(), &[]).await;
    exporter.until("one is refused", |scrape| scrape.failures("one", "rate_limited") > 0.0).await;
    let status: serde_json::Value = serde_json::from_str(&exporter.get("/api/v1/status").await.1).unwrap();
    let one = status["organizations"].as_array().unwrap().iter().find(|row| row["name"] == "one").unwrap();
    assert!(one["last_error"]["detail"].as_str().unwrap().contains("2h without a request"), "{one}");

    let mut scrape = exporter.scrape().await;
    while scrape.up("one") != Some(1.0) {
        exporter.reload().await;
        scrape = exporter.scrape().await;
    }
    let asked = fake.list_requests(1);
    let waited = asked[1].at - asked[0].at;
    assert!((7500..25_000).contains(&waited.as_millis()), "{waited:?}");
    assert_eq!(scrape.failures("one", "rate_limited"), 1.0, "what is not asked does not fail again");
    exporter
        .until("the other is polled as ever", |scrape| {
            scrape.count("csp_polls_total", &[("organization", "two")]) >= 2.0
        })
        .await;
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
async fn retry_after_beyond_the_deadline_ends_the_poll_at_once() {
    let fake = Fake::lists(|_, _| Answer::Keep(response(429, "retry-after: 7200\r\n", "{}"))).await;
    let start = Instant::now();
    let exporter = started(&fake, 1).await;
    assert_eq!(exporter.polled(&["one"]).await.failures("one", "rate_limited"), 1.0);
    assert!(start.elapsed() < Duration::from_secs(30), "the poll's deadline is 48 s");
    assert_eq!(fake.list_requests(1).len(), 1);
}

#[tokio::test]
async fn the_other_organizations_slow_down_when_one_is_told_to() {
    // Whichever list is asked for first is refused: which one that is depends on when the two polls begin.
    let lists = Arc::new(AtomicUsize::new(0));
    let fake = Fake::lists(move |_, _| match lists.fetch_add(1, SeqCst) {
        0 => Answer::Keep(response(429, "retry-after: 4\r\n", "{}")),
        _ => json(200, LIST),
    })
    .await;
    // One request a second: nothing is under way beside the first list, and the other organization has its own still to ask for.
    let folder = Settings::new(&fake.url, 2).folder();
    folder
        .write("config.yaml", &folder.read("config.yaml").replace("requests_per_second: 0", "requests_per_second: 1"));
    let exporter = Exporter::start(&folder, &[]).await;
    let (told, first) = eventually("one was refused", async || {
        (1..=2).find_map(|organization| Some((fake.list_requests(organization).first()?.at, organization)))
    })
    .await;
    let scrape = exporter.polled(&["one", "two"]).await;
    assert_eq!((scrape.up("one"), scrape.up("two")), (Some(1.0), Some(1.0)));
    let other = fake.list_requests(3 - first)[0].at;
    assert!(other - told >= Duration::from_millis(3900), "{:?}", other - told);
    assert!(scrape.count("csp_api_throttle_wait_seconds_total", &[]) > 1.0);
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
