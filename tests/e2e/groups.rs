//! Entries for one group of an organization.

use std::fmt::Write as _;

use csp_simulator::{Options, Simulator};
use invitations::Millis;
use serde_json::{Value, json};

use crate::binary::{Exporter, run};
use crate::reference::{carrying, count};
use crate::scrape::Scrape;
use crate::setup::{Folder, serve, simulated};

/// The entries, each with the group that it is for.
const ENTRIES: [(&str, Option<&str>); 4] =
    [("one", None), ("aa", Some("77aa")), ("upper", Some("77AA")), ("none", Some("0"))];

fn invitation(number: usize, status: &str, groups: &[&str]) -> Value {
    let now = Millis::from(std::time::SystemTime::now()).0;
    json!({
        "username": format!("{number}@example.com"),
        "refLink": format!("/orgs/o/invitations/{number}"),
        "status": status,
        "generatedAt": now - 7_200_000,
        "expirationTime": now + 3_600_000,
        "customGroupsIds": groups,
        "customGroups": groups.iter().map(|id| json!({"id": id, "displayName": format!("Group {id}")})).collect::<Vec<_>>(),
    })
}

fn list() -> Vec<Value> {
    let both = ["77aa", "77AA"];
    (0..12).map(|number| invitation(number, "AVAILABLE", &both[..number % 3])).collect()
}

/// A simulator with one organization, and a configuration with each of [`ENTRIES`].
async fn configured() -> (Simulator, Folder) {
    let (simulator, settings, folder) = simulated(1, "interval: 1s", Options::default()).await;
    let mut yaml = settings.yaml();
    for (name, group) in ENTRIES {
        if let Some(group) = group {
            let id = &settings.ids[0];
            writeln!(yaml, "  - {{id: {id}, name: {name}, credentials: app, custom_group_id: {group}}}").unwrap();
        }
    }
    folder.write("config.yaml", &yaml);
    serve(&simulator, 0, &list());
    (simulator, folder)
}

fn generated(scrape: &Scrape) -> [f64; 4] {
    ENTRIES.map(|(name, _)| {
        let labels = [("organization", name), ("event", "generated")];
        scrape.get("csp_invitation_events_total", &labels).expect("counted from the start")
    })
}

#[tokio::test]
async fn counts_and_events_of_a_group_are_its_own_also_after_a_restart() {
    let (simulator, folder) = configured().await;
    let state = folder.path("state");
    let mut exporter = Exporter::start(&folder, &["--state.dir", &state]).await;
    let scrape = exporter.polled(&ENTRIES.map(|(name, _)| name)).await;
    let metrics = csp_invitations_exporter::config::Config::with_defaults().metrics;
    for (name, group) in ENTRIES {
        let expected = count(&carrying(&list(), group), &metrics, Millis::from(std::time::SystemTime::now()).0);
        for status in ["available", "expired", "redeemed", "revoked", "unknown"] {
            let counted = scrape.get("csp_invitations", &[("organization", name), ("status", status)]);
            assert_eq!(counted, Some(expected.by_status.get(status).copied().unwrap_or(0) as f64), "{name} {status}");
        }
    }
    assert_eq!(["one", "aa", "upper", "none"].map(|name| scrape.invitations(name)), [12.0, 8.0, 4.0, 0.0].map(Some));
    assert_eq!(generated(&scrape), [0.0; 4], "what the first poll of each finds is its baseline");
    let info = scrape.all("csp_organization_info", &[("organization_id", &simulator.organizations()[0].id)]);
    assert_eq!(info.len(), 4);

    let mut more = list();
    more.extend([invitation(20, "AVAILABLE", &["77aa"]), invitation(21, "AVAILABLE", &[])]);
    serve(&simulator, 0, &more);
    let wanted = [2.0, 1.0, 0.0, 0.0];
    exporter.until("events are counted", |scrape| generated(scrape) == wanted).await;
    exporter.signal("TERM").await;
    assert_eq!(exporter.ended().await.code(), Some(0));

    let exporter = Exporter::start(&folder, &["--state.dir", &state]).await;
    let scrape = exporter.polled(&ENTRIES.map(|(name, _)| name)).await;
    assert_eq!(generated(&scrape), wanted, "each goes on with its own state");
    let status = exporter.get("/api/v1/status?q=77aA").await.1;
    let status: Value = serde_json::from_str(&status).unwrap();
    let shown = status["organizations"].as_array().unwrap();
    let groups: Vec<_> = shown.iter().map(|one| one["custom_group_id"].as_str().unwrap()).collect();
    assert_eq!(groups, ["77aa", "77AA"]);
    assert!(exporter.get("/").await.1.contains("group 77AA"));
}

#[tokio::test]
async fn once_goes_on_with_the_state_of_each_entry() {
    let (simulator, folder) = configured().await;
    let (config, state) = (folder.path("config.yaml"), folder.path("state"));
    let once = async || {
        let done = run(&["once", "--config.file", &config, "--state.dir", &state], &[]).await;
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        Scrape::parse(&done.stdout)
    };
    assert_eq!(generated(&once().await), [0.0; 4], "the baseline of each");
    let mut more = list();
    more.extend([invitation(20, "AVAILABLE", &["77aa"]), invitation(21, "AVAILABLE", &[])]);
    serve(&simulator, 0, &more);
    assert_eq!(generated(&once().await), [2.0, 1.0, 0.0, 0.0]);
}

#[tokio::test]
async fn check_says_which_group_an_entry_is_for() {
    let (_simulator, folder) = configured().await;
    let done = run(&["check", "--config.file", &folder.path("config.yaml")], &[]).await;
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains(", of group 77AA alone, every 1s"), "{}", done.stdout);
}
