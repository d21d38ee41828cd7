//! How long the upstream wants to be left alone, and who obeys it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant, SystemTime};

use crate::binary::{Exporter, eventually};
use crate::fake::{Answer, Fake, json, response};
use crate::refusals::{LIST, started};
use crate::setup::Settings;

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
