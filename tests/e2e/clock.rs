//! The wall clock is set while the exporter runs.

use csp_simulator::{Options, Scenario};
use serde_json::Value;

use crate::faults::Faults;
use crate::setup::simulated;

const DAY: i64 = 24 * 3600;

#[tokio::test]
async fn a_clock_that_is_set_back_keeps_no_old_data_alive() {
    let (simulator, _settings, folder) = simulated(1, "interval: 1s, stale_after: 4s", Options::default()).await;
    let faults = Faults::new(&folder);
    let exporter = faults.start(&[]).await;
    exporter.until("there is data", |scrape| scrape.is_in_state("one", "fresh")).await;
    faults.clock(-DAY);
    let id = simulator.organizations()[0].id.clone();
    simulator.set_organization_scenario(&id, Some(Scenario::Outage)).unwrap();
    let scrape = exporter.until("the data is withdrawn", |scrape| scrape.is_in_state("one", "withdrawn")).await;
    assert_eq!(scrape.invitations("one"), None);
    let status: Value = serde_json::from_str(&exporter.get("/api/v1/status").await.1).unwrap();
    let [now, success] = [&status["now"], &status["organizations"][0]["last_success"]].map(|at| at.as_str().unwrap());
    assert_eq!(status["organizations"][0]["state"], "withdrawn");
    assert!(success <= now && now[..10] == success[..10], "{success} is not a moment before {now}");
}

#[tokio::test]
async fn a_clock_that_is_set_forward_withdraws_nothing() {
    let (_simulator, _settings, folder) = simulated(1, "interval: 5m", Options::default()).await;
    let faults = Faults::new(&folder);
    let exporter = faults.start(&[]).await;
    exporter.until("there is data", |scrape| scrape.is_in_state("one", "fresh")).await;
    faults.clock(2 * DAY);
    let scrape = exporter.scrape().await;
    assert!(scrape.is_in_state("one", "fresh") && scrape.invitations("one").is_some(), "{}", scrape.text);
}
