//! Memory does not grow with what is sent.

use csp_simulator::{Options, Scenario};
use serde_json::json;

use crate::binary::Exporter;
use crate::fake::{Answer, Fake, json as json_answer};
use crate::setup::{Settings, simulated};

const MIB: u64 = 1024 * 1024;
const CHUNK: usize = 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_a_hundred_thousand_invitations_takes_a_few_bytes_for_each() {
    let options = Options { scenario: Scenario::Large, large_invitations: 100_000, ..Options::default() };
    let (simulator, _settings, folder) = simulated(1, "interval: 10m, deadline: 9m", options).await;
    folder.write("config.yaml", &folder.read("config.yaml").replace("timeout: 20s", "timeout: 5m"));
    let id = simulator.organizations()[0].id.clone();
    simulator.set_organization_scenario(&id, Some(Scenario::Steady)).unwrap();
    let exporter = Exporter::start(&folder, &[]).await;
    exporter.until("the usual list is there", |scrape| scrape.up("one") == Some(1.0)).await;
    let before = exporter.peak_memory();

    simulator.set_organization_scenario(&id, None).unwrap();
    // Another setting of the organization polls it at once.
    folder.write("config.yaml", &folder.read("config.yaml").replace("interval: 10m", "interval: 11m"));
    assert_eq!(exporter.reload().await.0, 200);
    let scrape = exporter.until("the long list is there", |scrape| scrape.invitations("one") == Some(100_000.0)).await;
    let grown = exporter.peak_memory() - before;
    let sent = scrape.count("csp_api_response_bytes_total", &[("operation", "invitations")]);
    assert!(sent > 100e6, "{sent} bytes are no long body");
    assert!(grown < 100_000 * 64 + 16 * MIB, "{} MiB more for a body of {sent} bytes", grown / MIB);
}

/// The peak of a process that is sent `head`, `times` MiB of `unit` and `tail`, and the reason of the failed poll.
async fn sent(head: &'static str, unit: &'static str, times: usize, tail: &'static str, api: &str) -> (u64, Exporter) {
    let fake = Fake::lists(move |_, _| {
        let unit = unit.repeat(CHUNK / unit.len()).into_bytes();
        let length = head.len() + unit.len() * times + tail.len();
        let start = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{head}");
        Answer::Repeat(start.into_bytes(), unit, times, tail.as_bytes().to_vec())
    })
    .await;
    let settings = Settings::new(&fake.url, 1).api(api).poll("interval: 10m");
    let exporter = Exporter::start(&settings.folder(), &[]).await;
    exporter.polled(&["one"]).await;
    (exporter.peak_memory(), exporter)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_element_of_two_hundred_megabytes_does_not_get_into_memory() {
    let (peak, exporter) = sent(r#"[{"username":""#, "a", 200, r#""}]"#, "timeout: 3m").await;
    assert!(peak < 80 * MIB, "{} MiB", peak / MIB);
    let scrape = exporter.scrape().await;
    assert_eq!(scrape.failures("one", "too_large"), 1.0, "{}", scrape.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_element_of_fifteen_megabytes_of_empty_groups_does_not_get_into_memory() {
    let (peak, exporter) = sent(r#"[{"customGroups":["#, "{},", 15, "{}]}]", "timeout: 3m").await;
    assert!(peak < 80 * MIB, "{} MiB", peak / MIB);
    assert_eq!(exporter.scrape().await.failures("one", "too_large"), 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_name_makes_neither_the_process_nor_the_scrape_large() {
    let roles: Vec<String> = (0..200).map(|n| format!("role-{n}")).collect();
    let list = |length: usize| {
        let name = "Größe ".repeat(length / 8);
        let group = json!({"id": "g1", "displayName": name, "groupType": name, "domain": name});
        json!([{"status": "AVAILABLE", "orgRoleNames": roles, "customGroups": [group]}]).to_string()
    };
    let lists = [1_100, 100_000, 330_000, 8_000_000].map(list);
    let fake = Fake::lists(move |organization, _| json_answer(200, &lists[organization - 1])).await;
    let exporter = Exporter::start(&Settings::new(&fake.url, 4).folder(), &[]).await;
    let scrape = exporter.polled(&["one", "two", "three", "four"]).await;
    for organization in ["one", "two", "three"] {
        assert_eq!(scrape.up(organization), Some(1.0));
        let of = [("organization", organization)];
        let names = scrape.all("csp_invitations_by_role_and_group", &of);
        assert_eq!(names.len(), 200, "one for each role, and no zeros");
        assert!(names.iter().all(|sample| (256..=267).contains(&sample.labels["group"].len())));
        assert_eq!(scrape.get("csp_decode_anomalies", &[of[0], ("kind", "malformed_text")]), Some(1.0));
    }
    assert!(scrape.text.len() < 2_000_000, "{} bytes", scrape.text.len());
    assert_eq!(scrape.failures("four", "too_large"), 1.0, "eight megabytes");
    assert!(exporter.peak_memory() < 80 * MIB, "{} MiB", exporter.peak_memory() / MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counting_ends_at_the_deadline() {
    let names = |kind: &str, count| (0..count).map(|n| format!("{kind}{n:03}")).collect::<Vec<_>>();
    let invitation = json!({"status": "REVOKED", "orgRoleNames": names("r", 256), "customGroupsIds": names("g", 255)});
    let list = format!("[{}]", vec![invitation.to_string(); 14_000].join(","));
    assert!(list.len() > 50_000_000);
    let fake = Fake::lists(move |_, _| json_answer(200, &list)).await;
    let settings = Settings::new(&fake.url, 1).api("timeout: 30s").poll("interval: 10m, deadline: 4s");
    let exporter = Exporter::start(&settings.folder(), &[]).await;
    let scrape = exporter.polled(&["one"]).await;
    let took = scrape.get("csp_poll_duration_seconds", &[]).unwrap();
    assert!(took < 6.0, "{took} s");
    // A quick machine counts them in time, and then all of them.
    let counted = scrape.get("csp_invitations_by_group", &[("group_id", "g000"), ("status", "revoked")]);
    assert!(scrape.failures("one", "timeout") == 1.0 || counted == Some(14_000.0), "{}", scrape.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nesting_without_end_does_not_get_into_memory() {
    let (peak, exporter) = sent("", "[", 50, "", "timeout: 3m").await;
    assert!(peak < 80 * MIB, "{} MiB", peak / MIB);
    assert_eq!(exporter.scrape().await.up("one"), Some(0.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_beyond_the_limit_fails_as_too_large() {
    let (_, exporter) = sent("[", "{},", 3, "{}]", "max_response_size: 2MiB").await;
    assert_eq!(exporter.scrape().await.failures("one", "too_large"), 1.0);
}
