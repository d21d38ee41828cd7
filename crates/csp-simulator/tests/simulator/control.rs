//! The control endpoint and the handle, the counters, the banner, start and end.

use std::time::{Duration, Instant};

use csp_simulator::{self as simulator, Options, Scenario, Simulator};
use reqwest::{Client, Method};
use serde_json::Value;

use crate::bench::{API, bench};

#[tokio::test]
async fn the_counters_tell_what_was_asked_without_its_secrets() {
    let bench = bench(Options::default()).await;
    let (token, id) = (bench.app_token().await, bench.organization(0).id);
    bench.list(0, "?expand=1", &token).await;
    bench.list(0, "?expand=1", &token).await;
    bench.list(1, "?expandCustomGroups=true", &token).await;
    let url = bench.api(&format!("/orgs/{id}"));
    bench.client.get(url).header("csp-auth-token", &token).header("user-agent", "probe/1").send().await.unwrap();
    let text = bench.control(Method::GET, "/requests", "").await.text().await.unwrap();
    assert!(!text.contains(&token) && !text.to_lowercase().contains("authorization"), "{text}");
    let counts: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(counts["total"], 5);
    assert_eq!(counts["operations"]["invitations"]["total"], 3);
    assert_eq!(counts["operations"]["invitations"]["organizations"][&id], 2);
    let target = counts["operations"]["invitations"]["last_target"].as_str().unwrap();
    assert_eq!(target, format!("{API}/orgs/{}/invitations?expandCustomGroups=true", bench.organization(1).id));
    assert_eq!(counts["operations"]["organization"]["last_headers"]["user-agent"], "probe/1");
    assert_eq!(bench.control(Method::DELETE, "/requests", "").await.status(), 204);
    assert_eq!(bench.simulator.requests().total, 0);
}

#[tokio::test]
async fn requests_that_overlap_are_seen_as_concurrent() {
    let bench = bench(Options::default()).await;
    assert_eq!(bench.control(Method::PUT, "/latency", "300").await.status(), 204);
    let started = Instant::now();
    let four = || bench.get("/orgs/none", "none");
    tokio::join!(four(), four(), four(), four());
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_eq!(bench.simulator.requests().max_concurrent, 4);
}

#[tokio::test]
async fn the_control_endpoint_tells_what_it_does_not_understand() {
    let bench = bench(Options::default()).await;
    let none = "/organizations/none/scenario";
    assert_eq!(bench.control(Method::PUT, "/scenario", "storm").await.status(), 400);
    assert_eq!(bench.control(Method::PUT, "/latency", "soon").await.status(), 400);
    assert_eq!(bench.control(Method::PUT, none, "slow").await.status(), 404);
    assert!(bench.simulator.set_organization_scenario("none", None).is_err());
    let away = Options { control_listen: Some(([0, 0, 0, 0], 0).into()), ..Options::default() };
    assert_eq!(simulator::start(away).await.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    let backwards = Options { speed: -1.0, ..Options::default() };
    assert_eq!(simulator::start(backwards).await.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
}

#[tokio::test]
async fn the_banner_is_all_that_a_client_needs() {
    let bench = bench(Options { organizations: 12, ..Options::default() }).await;
    let mut banner = Vec::new();
    bench.simulator.write_banner(&mut banner).unwrap();
    let banner = String::from_utf8(banner).unwrap();
    let [first, hidden] = [0, 11].map(|index| bench.organization(index));
    let simulator = &bench.simulator;
    for part in [&simulator.base_url(), &simulator.control_url().unwrap(), &first.id, &first.api_token] {
        assert!(banner.contains(part.as_str()), "{part} is missing in\n{banner}");
    }
    assert!(banner.contains(&format!("CSP_CLIENT_ID={}\n", simulator.client_id())));
    assert!(banner.contains(&format!("CSP_CLIENT_SECRET={}\n", simulator.client_secret())));
    assert!(banner.contains("and 2 more") && !banner.contains(&hidden.api_token));
}

#[tokio::test]
async fn run_ends_with_its_shutdown_and_closes_the_address() {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let mut url = String::new();
    let started = |simulator: &Simulator| {
        url = simulator.base_url();
        sender.send(()).map_err(|()| std::io::Error::other("nobody listens"))
    };
    simulator::run(Options::default(), started, async { receiver.await.unwrap() }).await.unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    assert!(client.get(url).send().await.unwrap_err().is_connect());
    let failed = simulator::run(Options::default(), |_| Err(std::io::Error::other("x")), std::future::pending()).await;
    assert!(failed.is_err());
}

#[tokio::test]
async fn thousands_of_organizations_start_at_once() {
    let bench = bench(Options { organizations: 3000, invitations: 1000, ..Options::default() }).await;
    let token = bench.app_token().await;
    assert!(bench.list(2999, "", &token).await.len() > 800);
    assert_eq!(bench.simulator.scenario(), Scenario::Steady);
}
