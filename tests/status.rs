//! The status page and its twin for programs.
#![expect(clippy::unwrap_used, reason = "a panic is the report of a failure, in helpers as in tests")]

use axum::Router;
use axum::body::{Body, to_bytes};
use csp_api::{Error, Operation, Reason};
use csp_invitations_exporter::snapshot::{DataState, OrganizationStatus, StatusReport};
use csp_invitations_exporter::status::pages;
use http::{Request, Response};
use invitations::Millis;
use tower::ServiceExt as _;

const NOW: Millis = Millis(1_795_000_000_000);

fn organization(name: &str, state: DataState) -> OrganizationStatus {
    let fresh = state == DataState::Fresh;
    OrganizationStatus {
        name: name.to_owned(),
        custom_group_id: None,
        id: format!("id-of-{name}"),
        display_name: None,
        state,
        up: Some(fresh),
        consecutive_failures: u32::from(!fresh),
        last_attempt: Some(Millis(NOW.0 - 60_000)),
        last_success: (state != DataState::Waiting).then_some(Millis(NOW.0 - 120_000)),
        next_poll: Some(Millis(NOW.0 + 240_000)),
        counts: matches!(state, DataState::Fresh | DataState::Held).then_some([5, 4, 3, 2, 1]),
        pending_by_age: fresh.then_some([1, 2, 0, 0, 2, 0]),
        last_error: None,
    }
}

fn server(organizations: Vec<OrganizationStatus>) -> Router {
    let started = Millis(NOW.0 - 3 * Millis::HOUR);
    let report = StatusReport { now: NOW, started, config_reload_successful: true, shard: Some((2, 5)), organizations };
    let pages = pages(move || report.clone(), "/own/metrics");
    pages.into_iter().fold(Router::new(), |router, page| router.route(page.path, page.route))
}

async fn response(server: &Router, path: &str) -> Response<Body> {
    let response = server.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    response
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
}

async fn get(server: &Router, path: &str) -> String {
    text(response(server, path).await).await
}

/// Names of organizations in the order of the page.
fn names(page: &str) -> Vec<&str> {
    page.split(r#"<span class="name">"#).skip(1).map(|rest| rest.split('<').next().unwrap()).collect()
}

#[tokio::test]
async fn trouble_comes_first_and_is_said_in_words() {
    let mut held = organization("d-held", DataState::Held);
    let error = Error::new(Operation::Invitations, Reason::Forbidden, "");
    held.last_error =
        Some((Millis(NOW.0 - 60_000), Error { status: Some(403), request_id: Some("r-1".into()), ..error }));
    let server = server(vec![
        organization("a-fresh", DataState::Fresh),
        organization("b-waiting", DataState::Waiting),
        organization("c-withdrawn", DataState::Withdrawn),
        held,
    ]);
    let page = get(&server, "/").await;
    assert_eq!(names(&page), ["c-withdrawn", "b-waiting", "d-held", "a-fresh"]);
    for part in [
        "3 in trouble",
        "shard 2 of 5",
        "lacks the role Organization Owner",
        "grant the role in the console",
        "invitations: forbidden",
        "HTTP 403",
        "request id <code>r-1</code>",
        "the last poll failed; the numbers are those of the last good one",
        r#"title="2026-11-18T11:04:40Z">2 min ago</time>"#,
        "in 4 min",
        "5 available",
        r#"href="./own/metrics""#,
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[tokio::test]
async fn markup_in_names_stays_text() {
    let evil = "<script>alert(1)</script>\"'&";
    let mut organization = organization(evil, DataState::Held);
    organization.display_name = Some(evil.to_owned());
    let error = Error::new(Operation::Token, Reason::Tls, evil);
    organization.last_error = Some((NOW, error));
    let server = server(vec![organization]);
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", evil).finish();
    for path in ["/".to_owned(), format!("/?{query}")] {
        let page = get(&server, &path).await;
        assert_eq!(names(&page).len(), 1, "{path}");
        assert!(!page.contains("<script") && !page.contains("\"'&<"), "{path}");
    }
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere_and_needs_no_script() {
    let server = server(vec![organization("a", DataState::Fresh)]);
    let response = response(&server, "/").await;
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let page = text(response).await;
    for part in ["<script", "http://", "https://", "style=", "onclick", "javascript:"] {
        assert!(!page.contains(part), "{part}");
    }
}

/// What the page refers to: links, resources, forms.
fn references(page: &str) -> Vec<&str> {
    let of = |attribute| page.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap());
    [" href=\"", " src=\"", " action=\""].into_iter().flat_map(of).collect()
}

#[tokio::test]
async fn behind_a_path_prefix_every_reference_stays_below_it_and_leads_to_a_page() {
    let organizations = (0..3000).map(|n| organization(&format!("org-{n}"), DataState::Fresh)).collect();
    let mut server = server(organizations);
    for path in ["/own/metrics", "/healthz", "/readyz"] {
        server = server.route(path, axum::routing::get(|| async {}));
    }
    let outside = url::Url::parse("https://proxy.example/a/prefix/").unwrap();
    let page = get(&server, "/?page=2&q=org").await;
    let references: Vec<_> = references(&page).into_iter().filter(|to| !to.starts_with(['#'])).collect();
    assert!(references.len() >= 9, "{references:?}");
    for reference in references.into_iter().filter(|reference| *reference != "data:,") {
        let target = outside.join(&reference.replace("&amp;", "&")).unwrap();
        let inside = target.as_str().strip_prefix("https://proxy.example/a/prefix");
        get(&server, inside.unwrap_or_else(|| panic!("{reference} leads to {target}"))).await;
    }
}

#[tokio::test]
async fn a_thousand_organizations_come_on_one_page_more_in_several_and_can_be_filtered() {
    let organizations: Vec<_> = (0..2500)
        .map(|n| organization(&format!("org-{n:04}"), if n == 777 { DataState::Held } else { DataState::Fresh }))
        .collect();
    let server = server(organizations);
    let page = get(&server, "/").await;
    assert_eq!((names(&page).len(), names(&page)[0]), (1000, "org-0777"));
    assert!(page.contains(r#"href="./?page=2""#) && !page.contains("rel=\"prev\""));
    assert_eq!(names(&get(&server, "/?state=trouble").await), ["org-0777"]);
    assert_eq!(names(&get(&server, "/?q=ID-OF-ORG-0003&state=fresh").await), ["org-0003"]);
    assert!(get(&server, "/?q=nothing").await.contains("No organization matches."));
    let last = get(&server, "/?q=org&page=3").await;
    assert_eq!((names(&last).len(), *names(&last).last().unwrap()), (500, "org-2499"));
    // What makes no sense is the nearest that does.
    for odd in ["/?page=0", "/?page=x", "/?page=99999999999999999999", "/?page=&q=&state=", "/?other=1"] {
        assert_eq!(names(&get(&server, odd).await).len(), 1000, "{odd}");
    }
}

#[tokio::test]
async fn programs_get_the_same_as_json() {
    let mut held = organization("held", DataState::Held);
    held.last_error = Some((NOW, Error::new(Operation::Invitations, Reason::Timeout, "after 30 s")));
    let server = server(vec![organization("fresh", DataState::Fresh), held]);
    let report: serde_json::Value = serde_json::from_str(&get(&server, "/api/v1/status").await).unwrap();
    assert_eq!(report["now"], "2026-11-18T11:06:40Z");
    assert_eq!(report["shard"], serde_json::json!({"index": 2, "count": 5}));
    assert_eq!(report["total"], 2);
    let [held, fresh] = report["organizations"].as_array().unwrap().as_slice() else { panic!("two") };
    assert_eq!((&held["name"], &held["last_error"]["reason"]), (&"held".into(), &"timeout".into()));
    assert_eq!(held["last_error"]["detail"], "after 30 s");
    assert_eq!(fresh["invitations"]["available"], 5);
    assert_eq!(fresh["pending_by_age"]["30d+"], 2);
    assert_eq!(fresh["last_error"], serde_json::Value::Null);
    let filtered: serde_json::Value = serde_json::from_str(&get(&server, "/api/v1/status?q=fresh").await).unwrap();
    assert_eq!(filtered["organizations"].as_array().unwrap().len(), 1);
}
