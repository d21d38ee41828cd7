//! Lists of invitations: their forms, their life, their sameness.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use csp_simulator::Options;
use reqwest::{Client, Method};
use serde_json::Value;

use crate::bench::bench;

/// What does not depend on when it is looked at.
fn timeless(list: &[Value]) -> Vec<(Value, Value, Value, i64)> {
    let lifetime = |value: &Value| {
        let redeemed = value["redeemedAt"].as_i64().filter(|&at| at > 0);
        redeemed.zip(value["generatedAt"].as_i64()).map_or(0, |(redeemed, generated)| redeemed - generated)
    };
    list.iter().map(|v| (v["refLink"].clone(), v["status"].clone(), v["username"].clone(), lifetime(v))).collect()
}

#[tokio::test]
async fn expand_counts_by_its_presence_and_expand_custom_groups_by_its_value() {
    let bench = bench(Options::default()).await;
    let token = bench.app_token().await;
    for (query, roles, groups) in [
        ("", false, false),
        ("?expand", true, false),
        ("?expand=false", true, false),
        ("?expandCustomGroups=false", false, false),
        ("?expandCustomGroups=true", false, true),
        ("?expand=true&expandCustomGroups=true", true, true),
    ] {
        let list = bench.list(0, query, &token).await;
        assert_eq!(list.iter().any(|value| value["organizationRoles"].is_array()), roles, "{query}");
        assert_eq!(list.iter().any(|value| value["customGroups"].is_array()), groups, "{query}");
    }
}

#[tokio::test]
async fn a_list_can_be_asked_for_one_group_and_for_one_invitation() {
    let bench = bench(Options::default()).await;
    let token = bench.app_token().await;
    let id = bench.organization(0).id;
    let groups: Value = bench.get(&format!("/orgs/{id}/groups?pageLimit=5"), &token).await.json().await.unwrap();
    assert_eq!(groups["results"].as_array().unwrap().len(), 5);
    let group = &groups["results"][0]["id"];
    let list = bench.list(0, &format!("?customGroupId={}", group.as_str().unwrap()), &token).await;
    assert!(!list.is_empty());
    assert!(list.iter().all(|value| value["customGroupsIds"].as_array().unwrap().contains(group)));
    let path = list[0]["refLink"].as_str().unwrap();
    let one =
        bench.client.get(format!("{}{path}", bench.simulator.base_url())).bearer_auth(&token).send().await.unwrap();
    assert_eq!(one.json::<Value>().await.unwrap()["username"], list[0]["username"]);
}

#[tokio::test]
async fn identical_seeds_give_identical_lists_and_other_seeds_others() {
    let mut lists = Vec::new();
    for seed in [7, 7, 8] {
        let bench = bench(Options { seed, ..Options::default() }).await;
        let token = bench.app_token().await;
        lists.push((bench.organization(1), timeless(&bench.list(1, "", &token).await)));
    }
    assert_eq!(lists[0], lists[1]);
    assert_ne!(lists[0].0, lists[2].0);
    assert_ne!(lists[0].1, lists[2].1);
}

#[tokio::test]
async fn invitations_live_on_under_the_same_identity_and_their_durations_stay() {
    let bench = bench(Options::default()).await;
    let token = bench.app_token().await;
    let before = timeless(&bench.list(0, "", &token).await);
    bench.simulator.advance(Duration::from_secs(3 * 86_400));
    let after = timeless(&bench.list(0, "", &token).await);
    let after: HashMap<_, _> = after.iter().map(|row| (row.0.as_str().unwrap(), row)).collect();
    let kept: Vec<_> = before.iter().filter_map(|row| Some((row, *after.get(row.0.as_str()?)?))).collect();
    assert!(kept.len() > before.len() * 3 / 4 && kept.len() < before.len());
    assert!(after.len() > kept.len(), "nobody was invited");
    let redeemed: Vec<_> = kept.iter().filter(|(row, _)| row.1 == "REDEEMED").collect();
    assert!(redeemed.len() > 20 && redeemed.iter().all(|(old, new)| old == new));
    assert!(kept.iter().any(|(old, new)| old.1 == "AVAILABLE" && new.1 == "REDEEMED"));
}

#[tokio::test]
async fn lists_are_compressed_when_asked_for() {
    let bench = bench(Options::default()).await;
    let token = bench.app_token().await;
    let plain = bench.list(0, "", &token).await;
    let url = bench.api(&format!("/orgs/{}/invitations", bench.organization(0).id));
    let request = |client: &Client| client.get(&url).bearer_auth(&token);
    let raw = request(&bench.client).header("accept-encoding", "br, gzip").send().await.unwrap();
    assert_eq!(raw.headers()["content-encoding"], "gzip");
    let raw = raw.bytes().await.unwrap();
    assert!(raw.starts_with(&[0x1f, 0x8b]));
    let client = Client::builder().no_proxy().build().unwrap();
    let unpacked: Vec<Value> = request(&client).send().await.unwrap().json().await.unwrap();
    assert_eq!(timeless(&unpacked), timeless(&plain));
    let refused = request(&bench.client).header("accept-encoding", "gzip;q=0").send().await.unwrap();
    assert!(!refused.headers().contains_key("content-encoding"));
}

#[tokio::test]
async fn an_explicit_list_is_served_byte_for_byte_until_it_is_taken_back() {
    let bench = bench(Options::default()).await;
    let (token, id) = (bench.app_token().await, bench.organization(0).id);
    let path = format!("/orgs/{id}/invitations");
    let living = timeless(&bench.list(0, "", &token).await);
    bench.simulator.set_invitations(&id, Some(Bytes::from_static(b" [ {\"username\" : 1 ]"))).unwrap();
    assert_eq!(bench.get(&path, &token).await.text().await.unwrap(), " [ {\"username\" : 1 ]");
    let control = format!("/organizations/{id}/invitations");
    let long = vec![b' '; 3 << 20];
    assert_eq!(bench.control(Method::PUT, &control, long.clone()).await.status(), 204);
    assert_eq!(bench.get(&path, &token).await.bytes().await.unwrap(), long);
    assert_eq!(bench.control(Method::DELETE, &control, "").await.status(), 204);
    assert_eq!(timeless(&bench.list(0, "", &token).await), living);
}
