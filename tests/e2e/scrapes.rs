//! Many scrapes while everything changes: each shows one moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use crate::binary::Exporter;
use crate::fake::{Fake, json};
use crate::setup::{NAMES, Settings};

const SCRAPES: usize = 10_000;
const CLIENTS: usize = 8;

/// A list of `n` invitations that all carry one role and one group, which say how many they are.
fn list(n: usize) -> String {
    let one = format!(
        r#"{{"status":"AVAILABLE","generatedAt":1500000000000,"username":"u@x.org","orgRoleNames":["r{n}"],"customRoles":[{{"name":"org_owner"}}],"customGroups":[{{"id":"i{n}","displayName":"g{n}"}}]}}"#
    );
    format!("[{}]", vec![one; n].join(","))
}

/// What a sample that is not zero says of the length of the list behind it: in a label where it has one that does,
/// else as its value. `None` for families that count no invitations.
fn length<'a>(family: &str, labels: &'a str, value: &'a str) -> Option<&'a str> {
    let label = match family {
        "csp_invitations_by_role" | "csp_invitations_by_role_and_group" => "role=\"r",
        "csp_invitations_by_group" | "csp_group_info" => "group=\"g",
        "csp_invitations"
        | "csp_invitations_privileged"
        | "csp_invitations_external"
        | "csp_invitations_pending_by_age"
        | "csp_invitations_pending_by_time_left" => return Some(value),
        _ => return None,
    };
    match labels.split_once(label) {
        Some((_, rest)) => rest.split('"').next(),
        None => Some(value),
    }
}

/// Checks a scrape's text without building anything: there are ten thousand of them. Returns the lengths of the lists.
fn check(text: &str) -> Vec<usize> {
    let mut seen = std::collections::HashSet::with_capacity(1024);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(seen.insert(line.rsplit_once(' ').expect("a value").0), "twice: {line}");
    }
    NAMES[..3]
        .iter()
        .map(|name| {
            let of = format!("{{organization=\"{name}\"");
            let (mut first, mut samples) = (None, 0);
            for line in text.lines() {
                let Some((family, rest)) = line.split_once(of.as_str()) else { continue };
                let (labels, value) = rest.rsplit_once(' ').expect("a value");
                let Some(said) = length(family, labels, value).filter(|_| value != "0") else { continue };
                let first = *first.get_or_insert(said);
                let counts = family == "csp_group_info" || value == first;
                assert!(said == first && counts, "torn: {first}, but {family}{labels} {value}");
                samples += 1;
            }
            assert_eq!(samples, 11, "a family of {name} is missing or has too many series\n{text}");
            first.unwrap().parse().unwrap()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_scrapes_during_changes_are_whole_and_of_one_moment() {
    let fake = Fake::lists(|organization, n| json(200, &list(1 + (n * 7 + organization) % 50))).await;
    let settings =
        Settings::new(&fake.url, 3).poll("interval: 1s, stale_after: 10m").metrics("trusted_domains: [a.org]");
    let exporter = Exporter::start(&settings.folder(), &[]).await;
    exporter.until("everybody has data", |s| NAMES[..3].iter().all(|name| s.invitations(name).is_some())).await;
    let (done, url) = (Arc::new(AtomicUsize::new(0)), exporter.url("/metrics"));
    let clients = (0..CLIENTS).map(|_| {
        let (http, url, done) = (exporter.http.clone(), url.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            let mut sizes = std::collections::HashSet::new();
            while done.fetch_add(1, SeqCst) < SCRAPES {
                let answer = http.get(&url).send().await.unwrap();
                assert_eq!(answer.status().as_u16(), 200);
                sizes.insert(check(&answer.text().await.unwrap()));
            }
            sizes
        })
    });
    let mut moments = std::collections::HashSet::new();
    for client in clients.collect::<Vec<_>>() {
        moments.extend(client.await.unwrap());
    }
    assert!(moments.len() >= 5, "the lists changed too rarely to prove anything: {moments:?}");
}
