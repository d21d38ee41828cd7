//! Events between polls, and what becomes of them over restarts.

use csp_simulator::{Options, Scenario, Simulator};
use invitations::Millis;
use serde_json::{Value, json};

use crate::binary::{Exporter, run};
use crate::scrape::Scrape;
use crate::setup::{Folder, serve, simulated};

const HOUR: i64 = 3_600_000;

/// `generated`, `redeemed`, `revoked`, `expired`, `vanished`.
fn events(scrape: &Scrape) -> [f64; 5] {
    ["generated", "redeemed", "revoked", "expired", "vanished"].map(|event| {
        let labels = [("organization", "one"), ("event", event)];
        scrape.get("csp_invitation_events_total", &labels).expect("counted from the start")
    })
}

fn invitation(link: &str, status: &str) -> Value {
    let now = Millis::from(std::time::SystemTime::now()).0;
    json!({
        "username": format!("{link}@example.com"),
        "refLink": format!("/csp/gateway/am/api/orgs/o/invitations/{link}"),
        "status": status,
        "generatedAt": now - 2 * HOUR,
        "expirationTime": now + HOUR,
        "redeemedAt": if status == "REDEEMED" { json!(now - HOUR) } else { Value::Null },
    })
}

fn expired(link: &str) -> Value {
    let mut invitation = invitation(link, "AVAILABLE");
    invitation["expirationTime"] = json!(Millis::from(std::time::SystemTime::now()).0 - HOUR);
    invitation
}

/// Serves a list and scrapes once it was polled.
async fn after(simulator: &Simulator, exporter: &Exporter, list: &[Value]) -> [f64; 5] {
    serve(simulator, 0, list);
    events(&exporter.polled_anew("one").await)
}

#[tokio::test]
async fn events_are_those_of_the_documented_table() {
    let (simulator, _settings, folder) = simulated(1, "interval: 1s", Options::default()).await;
    let [available, redeemed, revoked] = ["AVAILABLE", "REDEEMED", "REVOKED"];
    serve(&simulator, 0, &[invitation("a", available), invitation("b", redeemed), expired("c")]);
    let exporter = Exporter::start(&folder, &[]).await;
    exporter.until("the baseline is there", |scrape| scrape.up("one") == Some(1.0)).await;
    assert_eq!(events(&exporter.scrape().await), [0.0; 5], "the first poll is the baseline");

    let mut list = vec![invitation("a", redeemed), invitation("b", redeemed), expired("c")];
    list.extend([invitation("d", available), invitation("e", revoked), expired("f")]);
    let counted = after(&simulator, &exporter, &list).await;
    assert_eq!(counted, [3.0, 1.0, 1.0, 1.0, 0.0], "appearing counts with the status that it has by then");

    list.truncate(3);
    list.extend([invitation("d", revoked)]);
    list[2] = invitation("c", available);
    let counted = after(&simulator, &exporter, &list).await;
    assert_eq!(counted, [3.0, 1.0, 2.0, 1.0, 1.0], "d revoked, e purged, f vanished, c sent again");

    list[2] = expired("c");
    list.reverse();
    list.push(list[1].clone());
    assert_eq!(
        after(&simulator, &exporter, &list).await,
        [3.0, 1.0, 2.0, 2.0, 1.0],
        "c expired again; a duplicate is one"
    );

    let scenarios = simulator.organizations()[0].id.clone();
    simulator.set_organization_scenario(&scenarios, Some(Scenario::Outage)).unwrap();
    exporter.until("polls fail", |scrape| scrape.up("one") == Some(0.0)).await;
    assert_eq!(events(&exporter.scrape().await), [3.0, 1.0, 2.0, 2.0, 1.0], "a failed poll tells nothing");
    simulator.set_organization_scenario(&scenarios, None).unwrap();

    let counted = after(&simulator, &exporter, &[invitation("a", redeemed), invitation("g", redeemed)]).await;
    assert_eq!(counted, [4.0, 2.0, 2.0, 2.0, 2.0], "b and d purged, c vanished, g came and was redeemed meanwhile");
    let counted = after(&simulator, &exporter, &[]).await;
    assert_eq!(counted, [4.0, 2.0, 2.0, 2.0, 2.0], "redeemed ones are purged, not vanished");
    let counted = after(&simulator, &exporter, &[invitation("a", available)]).await;
    assert_eq!(counted, [5.0, 2.0, 2.0, 2.0, 2.0], "what comes again counts as what appears");

    let scrape = exporter.scrape().await;
    let name = "csp_invitation_redemption_duration_seconds";
    assert_eq!(scrape.get(&format!("{name}_count"), &[]), Some(2.0));
    assert_eq!(scrape.get(&format!("{name}_sum"), &[]), Some(7200.0));
    assert_eq!(scrape.get(&format!("{name}_bucket"), &[("le", "900")]), Some(0.0));
    assert_eq!(scrape.get(&format!("{name}_bucket"), &[("le", "3600")]), Some(2.0));
    assert_eq!(scrape.all("csp_exporter_state_durable", &[]).len(), 0, "there is no state folder");
}

async fn durable(folder: &Folder) -> Exporter {
    let state = folder.path("state");
    Exporter::start(folder, &["--state.dir", &state]).await
}

#[tokio::test]
async fn with_a_state_folder_counters_go_on_after_the_process_was_killed() {
    let (simulator, _settings, folder) = simulated(1, "interval: 1s", Options::default()).await;
    serve(&simulator, 0, &[invitation("a", "AVAILABLE")]);
    let mut exporter = durable(&folder).await;
    exporter.until("the baseline is there", |scrape| scrape.up("one") == Some(1.0)).await;
    let list = [invitation("a", "REDEEMED"), invitation("b", "AVAILABLE")];
    assert_eq!(after(&simulator, &exporter, &list).await, [1.0, 1.0, 0.0, 0.0, 0.0]);
    assert_eq!(exporter.scrape().await.get("csp_exporter_state_durable", &[]), Some(1.0));
    exporter.kill().await;

    // What happens in between is seen by the first poll afterwards.
    serve(&simulator, 0, &[invitation("b", "REVOKED"), invitation("c", "AVAILABLE")]);
    let mut exporter = durable(&folder).await;
    let scrape = exporter.until("polls go on", |scrape| scrape.up("one") == Some(1.0)).await;
    assert_eq!(events(&scrape), [2.0, 1.0, 1.0, 0.0, 0.0]);
    assert_eq!(scrape.get("csp_invitation_redemption_duration_seconds_count", &[]), Some(1.0));
    exporter.signal("TERM").await;
    assert_eq!(exporter.ended().await.code(), Some(0));

    let exporter = durable(&folder).await;
    assert_eq!(events(&exporter.scrape().await), [2.0, 1.0, 1.0, 0.0, 0.0], "also before its first poll");
}

#[tokio::test]
async fn a_second_process_on_the_same_state_folder_ends_with_a_clear_message() {
    let (_simulator, _settings, folder) = simulated(1, "interval: 1s", Options::default()).await;
    let exporter = durable(&folder).await;
    let (config, state) = (folder.path("config.yaml"), folder.path("state"));
    let flags = ["--config.file", &config, "--state.dir", &state];
    for arguments in [&["serve", "--web.listen-address", "127.0.0.1:0"][..], &["once"]] {
        let done = run(&[arguments, &flags].concat(), &[]).await;
        assert_eq!(done.code, Some(1), "{}", done.stderr);
        assert!(done.stderr.contains("in use by another process") && done.stderr.contains(&state), "{}", done.stderr);
        assert_eq!(done.stdout, "");
    }
    assert_eq!(exporter.polled_anew("one").await.get("csp_exporter_state_durable", &[]), Some(1.0));
}

#[tokio::test]
async fn a_reload_keeps_the_events_of_organizations_that_stay() {
    let (simulator, settings, folder) = simulated(1, "interval: 1s", Options::default()).await;
    serve(&simulator, 0, &[]);
    let exporter = Exporter::start(&folder, &[]).await;
    exporter.until("the baseline is there", |scrape| scrape.up("one") == Some(1.0)).await;
    assert_eq!(after(&simulator, &exporter, &[invitation("a", "AVAILABLE")]).await, [1.0, 0.0, 0.0, 0.0, 0.0]);
    folder.write("config.yaml", &settings.poll("interval: 2s").yaml());
    assert_eq!(exporter.reload().await.0, 200);
    assert_eq!(after(&simulator, &exporter, &[]).await, [1.0, 0.0, 0.0, 0.0, 1.0]);
}
