//! Which path answers what to which method.

use exporter_toolkit::web::{Settings, TelemetryPath};
use reqwest::Method;
use reqwest::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, VARY};

use crate::fake::{Fake, Server, client};

/// Every path there is.
pub(crate) const PATHS: [&str; 10] = [
    "/metrics",
    "/healthz",
    "/-/healthy",
    "/livez",
    "/readyz",
    "/-/ready",
    "/-/reload",
    "/",
    "/api/v1/status",
    "/assets/status.css",
];

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"];

#[tokio::test]
async fn each_page_answers_its_methods_and_names_them_to_others() {
    let server = Server::start(Fake::default()).await;
    for path in PATHS {
        for method in METHODS {
            let request = client().request(Method::from_bytes(method.as_bytes()).unwrap(), server.url(path));
            let response = request.send().await.unwrap();
            let allowed: &[&str] = if path == "/-/reload" { &["POST"] } else { &["GET", "HEAD"] };
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            if allowed.contains(&method) {
                assert_eq!(status, 200, "{method} {path}");
            } else {
                assert_eq!(status, 405, "{method} {path}");
                let allow: Vec<_> = headers[ALLOW].to_str().unwrap().split(',').map(str::trim).collect();
                assert_eq!(allow, allowed, "{method} {path}");
            }
            assert_eq!(headers["x-content-type-options"], "nosniff", "{method} {path}");
            assert!(headers.contains_key("content-security-policy"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_404_whatever_the_method() {
    let server = Server::start(Fake::default()).await;
    for path in ["/metric", "/metrics/", "/-/", "/api/v1", "/x%2fmetrics", "/METRICS"] {
        for method in METHODS {
            let request = client().request(Method::from_bytes(method.as_bytes()).unwrap(), server.url(path));
            assert_eq!(request.send().await.unwrap().status(), 404, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn head_answers_as_get_without_the_body() {
    let server = Server::start(Fake::default()).await;
    for path in PATHS.into_iter().filter(|path| *path != "/-/reload") {
        let get = client().get(server.url(path)).send().await.unwrap();
        let head = client().head(server.url(path)).send().await.unwrap();
        assert_eq!(get.headers()[CONTENT_TYPE], head.headers()[CONTENT_TYPE], "{path}");
        assert_eq!(get.headers()[CONTENT_LENGTH], head.headers()[CONTENT_LENGTH], "{path}");
        assert!(!get.bytes().await.unwrap().is_empty(), "{path}");
        assert!(head.bytes().await.unwrap().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn a_scrape_says_what_it_is_and_what_it_depends_on() {
    let fake = Fake::default();
    let asked = fake.asked.clone();
    let server = Server::start(fake).await;
    let request = client().get(server.url("/metrics")).header("accept", "a").header("accept", "b;q=0.5");
    let response = request.header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(response.headers()[VARY], "Accept, Accept-Encoding");
    assert_eq!(response.headers()[CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(response.text().await.unwrap(), "up 1\n");
    assert_eq!(*asked.lock(), [(Some("a, b;q=0.5".to_owned()), Some("gzip".to_owned()))]);
}

#[tokio::test]
async fn a_long_scrape_arrives_whole() {
    let body: bytes::Bytes = (0..=250_u8).cycle().take(5_000_001).collect();
    for unmade in [false, true] {
        let server = Server::start(Fake { body: body.clone(), unmade, ..Fake::default() }).await;
        let response = client().get(server.url("/metrics")).send().await.unwrap();
        assert_eq!(response.headers()[CONTENT_LENGTH], "5000001", "unmade: {unmade}");
        assert!(response.bytes().await.unwrap() == body, "unmade: {unmade}");
    }
}

#[tokio::test]
async fn the_telemetry_path_can_be_chosen() {
    let settings = Settings { telemetry_path: "/own/metrics".parse().unwrap(), ..Settings::default() };
    let server = Server::with(Fake::default(), settings, None).await;
    assert_eq!(client().get(server.url("/own/metrics")).send().await.unwrap().status(), 200);
    assert_eq!(client().get(server.url("/metrics")).send().await.unwrap().status(), 404);
}

#[test]
fn a_telemetry_path_that_is_taken_or_a_pattern_is_refused() {
    for path in ["", "metrics", "/healthz", "/-/reload", "/{x}", "/a?b", "/a b", "/*x"] {
        path.parse::<TelemetryPath>().unwrap_err();
    }
}

#[tokio::test]
async fn health_and_readiness_give_their_reason() {
    let fake = Fake {
        health: Err("the scheduler stands still".to_owned()),
        ready: Err("2 of 3 organizations".to_owned()),
        ..Fake::default()
    };
    let server = Server::start(fake).await;
    for (path, reason) in [("/livez", "the scheduler stands still\n"), ("/-/ready", "2 of 3 organizations\n")] {
        let response = client().get(server.url(path)).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.text().await.unwrap().as_str()), (503, reason));
    }
    // A scrape does not depend on either.
    assert_eq!(client().get(server.url("/metrics")).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_failed_reload_is_500_with_its_reason() {
    let fake = Fake { reload: Err("line 3: poll.intervall: unknown key".to_owned()), ..Fake::default() };
    let server = Server::start(fake).await;
    let response = client().post(server.url("/-/reload")).send().await.unwrap();
    assert_eq!(response.status(), 500);
    assert!(response.text().await.unwrap().contains("poll.intervall: unknown key"));
}

#[tokio::test]
async fn another_sites_form_does_not_reload() {
    let server = Server::start(Fake::default()).await;
    let request = |site| client().post(server.url("/-/reload")).header("sec-fetch-site", site).send();
    assert_eq!(request("cross-site").await.unwrap().status(), 403);
    assert_eq!(request("same-origin").await.unwrap().status(), 200);
}

#[tokio::test]
async fn requests_are_counted_under_closed_names() {
    let fake = Fake::default();
    let counted = fake.counted.clone();
    let server = Server::start(fake).await;
    for path in PATHS.into_iter().chain(["/made/up"]) {
        client().get(server.url(path)).send().await.unwrap();
    }
    let expected = [
        ("metrics", 200),
        ("health", 200),
        ("health", 200),
        ("health", 200),
        ("ready", 200),
        ("ready", 200),
        ("reload", 405),
        ("status", 200),
        ("api", 200),
        ("style", 200),
        ("other", 404),
    ];
    assert_eq!(*counted.lock(), expected);
}

#[tokio::test]
async fn the_probe_listener_serves_health_and_nothing_else() {
    let server = Server::probes(Fake::default()).await;
    for path in PATHS {
        let expected = if path.contains("health") || path.contains("ready") || path == "/livez" { 200 } else { 404 };
        assert_eq!(client().get(server.url(path)).send().await.unwrap().status(), expected, "{path}");
    }
    assert_eq!(client().post(server.url("/healthz")).send().await.unwrap().status(), 405);
}
