//! The shapes of the API, and that the exporter reads in each what it should.

use std::sync::Arc;

use csp_simulator::{Options, Scenario};
use invitations::Millis;
use invitations::census::{CensusBuilder, Criteria, ListError};
use invitations::settings::Metrics;
use serde_json::Value;

use crate::bench::bench;
use crate::observed::observed;
use crate::reference::{Expected, count};

const TIMES: [&str; 4] = ["generatedAt", "redeemedAt", "revokedAt", "expirationTime"];

/// The body of the list in this scenario.
async fn body(scenario: Scenario, query: &str) -> Vec<u8> {
    let bench = bench(Options { scenario, ..Options::default() }).await;
    let token = bench.app_token().await;
    let path = format!("/orgs/{}/invitations{query}", bench.organization(1).id);
    bench.get(&path, &token).await.bytes().await.expect("a body").to_vec()
}

/// The list in this scenario, and what the exporter makes of it: the same as the reference.
async fn counted_as(scenario: Scenario, query: &str) -> (Vec<Value>, Expected) {
    let body = body(scenario, query).await;
    let now = Millis::from(std::time::SystemTime::now());
    let settings = Metrics { trusted_domains: Some(vec!["example.com".to_owned()]), ..Metrics::default() };
    let mut builder = CensusBuilder::new(Arc::new(Criteria::new(&settings)), now);
    builder.write(&body).expect("a list so far");
    let seen = observed(&builder.finish().expect("a whole list").census().view);
    let list: Vec<Value> = serde_json::from_slice(&body).expect("a JSON array");
    assert_eq!(seen, count(&list, &settings, now.0), "{scenario} {query}");
    (list, seen)
}

/// The same with everything expanded, after a look at the short form.
async fn counted(scenario: Scenario) -> (Vec<Value>, Expected) {
    counted_as(scenario, "").await;
    counted_as(scenario, "?expand=1&expandCustomGroups=true").await
}

fn some(list: &[Value], test: impl Fn(&Value) -> bool) -> bool {
    list.iter().any(test)
}

/// Without a peculiarity, all statuses and all families.
fn assert_regular(seen: &Expected) {
    assert_eq!(seen.anomalies, [0; 6]);
    for status in ["available", "expired", "redeemed", "revoked"] {
        assert!(seen.by_status[status] > 0, "{status}");
    }
    assert!(seen.times.iter().all(Option::is_some) && seen.lapsed.iter().sum::<u64>() > 0);
}

#[tokio::test]
async fn the_shape_of_today_is_regular() {
    let (list, seen) = counted(Scenario::Steady).await;
    assert_regular(&seen);
    assert!(some(&list, |of| of["orgRoleNames"].is_array() && of["invitedByUsername"].is_string()));
}

#[tokio::test]
async fn the_shape_of_2020_misses_fields_and_is_regular() {
    let (list, seen) = counted(Scenario::Api2020).await;
    assert_regular(&seen);
    let missing = ["orgRoleNames", "customRoles", "invitedByUsername"];
    assert!(!some(&list, |of| missing.iter().any(|key| of.get(key).is_some())));
    assert!(some(&list, |of| of["organizationRoles"].is_array()));
    assert!(!seen.by_role.is_empty() && seen.by_role.keys().all(|(kind, _)| kind != "custom"));
}

#[tokio::test]
async fn times_in_seconds_are_read() {
    let (list, seen) = counted(Scenario::Seconds).await;
    assert_regular(&seen);
    let times: Vec<i64> = list.iter().flat_map(|of| TIMES.map(|key| of[key].as_i64())).flatten().collect();
    assert!(times.iter().all(|&time| time < 7_000_000_000) && times.iter().any(|&time| time > 1_000_000_000));
}

#[tokio::test]
async fn times_as_dates_are_read() {
    let (list, seen) = counted(Scenario::Rfc3339).await;
    assert_regular(&seen);
    assert!(some(&list, |of| of["generatedAt"].as_str().is_some_and(|date| date.ends_with('z'))));
    assert!(some(&list, |of| of["generatedAt"].as_str().is_some_and(|date| date.contains('+'))));
    assert!(some(&list, |of| of["redeemedAt"] == 0));
}

#[tokio::test]
async fn nulls_and_zeros_everywhere_are_counted_as_not_set() {
    let (list, seen) = counted(Scenario::Nulls).await;
    for key in TIMES {
        assert!(some(&list, |of| of[key] == 0) && some(&list, |of| of.get(key).is_some_and(Value::is_null)), "{key}");
        assert!(some(&list, |of| of.get(key).is_none()) && some(&list, |of| of[key].as_i64() > Some(0)), "{key}");
    }
    for key in ["status", "refLink", "customGroups", "organizationRoles", "customGroupsIds"] {
        assert!(some(&list, |of| of[key].is_null()) && some(&list, |of| !of[key].is_null()), "{key}");
    }
    assert!(list.iter().all(|of| of["username"].is_string()));
    let [unknown, implausible, nameless, duplicate, malformed, text] = seen.anomalies;
    assert!(unknown > 0 && nameless > 0);
    assert_eq!([implausible, duplicate, malformed, text], [0; 4]);
}

#[tokio::test]
async fn status_words_in_camel_case_are_unknown() {
    let (list, seen) = counted(Scenario::CamelCase).await;
    for word in ["Available", "Redeemed", "Revoked"] {
        assert!(some(&list, |of| of["status"] == word), "{word}");
    }
    assert_eq!(seen.by_status.keys().collect::<Vec<_>>(), [&"unknown"]);
}

#[tokio::test]
async fn a_wrapped_list_is_refused_by_the_name_of_its_key() {
    let body = body(Scenario::Wrapped, "").await;
    let whole: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(whole["results"].as_array().unwrap().len() as u64, whole["totalResults"].as_u64().unwrap());
    let mut builder =
        CensusBuilder::new(Arc::new(Criteria::new(&Metrics::default())), Millis::from(std::time::SystemTime::now()));
    assert_eq!(builder.write(&body), Err(ListError::Wrapped { key: Some("results".to_owned()) }));
}
