//! `list`: the people behind the numbers.

use std::time::{Duration, Instant};

use csp_simulator::{Options, Scenario};
use serde_json::{Value, json};

use crate::binary::{Finished, run};
use crate::fake::{Answer, Fake, json as answer};
use crate::scrape::Scrape;
use crate::setup::{Folder, Settings, serve, simulated};

async fn list(folder: &Folder, flags: &[&str]) -> Finished {
    let config = folder.path("config.yaml");
    let mut arguments = vec!["list", "--config.file", &config, "--format", "json"];
    arguments.extend(flags);
    run(&arguments, &[]).await
}

async fn rows(folder: &Folder, flags: &[&str]) -> Vec<Value> {
    let done = list(folder, flags).await;
    assert_eq!(done.code, Some(0), "{flags:?}: {}", done.stderr);
    let value: Value = serde_json::from_str(&done.stdout).unwrap();
    value.as_array().unwrap().clone()
}

#[tokio::test]
async fn the_number_of_rows_equals_the_sample_for_each_filter() {
    let options = Options { invitations: 200, speed: 0.0, ..Options::default() };
    let (_simulator, settings, folder) = simulated(2, "interval: 60s", options).await;
    let settings = settings.metrics("trusted_domains: [example.com]");
    folder.write("config.yaml", &settings.yaml());
    let config = folder.path("config.yaml");
    let once = Scrape::parse(&run(&["once", "--config.file", &config], &[]).await.stdout);
    let count = |found: usize| f64::from(u32::try_from(found).unwrap());
    for status in ["available", "expired", "redeemed", "revoked", "unknown"] {
        let labels = [("status", status)];
        for (name, flags) in [
            ("csp_invitations", &[][..]),
            ("csp_invitations_privileged", &["--privileged"]),
            ("csp_invitations_external", &["--external"]),
        ] {
            let flags = [&["--status", status], flags].concat();
            assert_eq!(count(rows(&folder, &flags).await.len()), once.sum(name, &labels), "{name} {status}");
        }
    }
    let found = rows(&folder, &["--organization", "one"]).await;
    let of_one = [("organization", "one"), ("status", "available")];
    assert_eq!(count(found.len()), once.sum("csp_invitations", &of_one));
    assert!(!found.is_empty() && found.iter().all(|row| row["organization"] == "one" && row["status"] == "available"));
    assert_eq!(count(rows(&folder, &["--duplicate"]).await.len()), once.sum("csp_invitations_duplicate", &[]));
    let lapsed = rows(&folder, &["--lapsed"]).await;
    assert_eq!(count(lapsed.len()), once.sum("csp_invitations_lapsed_by_age", &[]));
    assert!(!lapsed.is_empty() && lapsed.iter().all(|row| row["status"] == "expired"));
    let old = ["3-7d", "7-30d", "30d+"].map(|age| once.sum("csp_invitations_pending_by_age", &[("age", age)]));
    assert_eq!(count(rows(&folder, &["--older-than", "3d"]).await.len()), old.iter().sum::<f64>());
    let soon = ["0-1h", "1-24h"].map(|left| once.sum("csp_invitations_pending_by_time_left", &[("time_left", left)]));
    assert_eq!(count(rows(&folder, &["--expires-within", "24h"]).await.len()), soon.iter().sum::<f64>());
    for (flag, name, label) in
        [("--role", "csp_invitations_by_role", "role"), ("--group", "csp_invitations_by_group", "group")]
    {
        for sample in once.all(name, &[("organization", "one"), ("status", "available")]) {
            let value = sample.labels[label].as_str();
            let found = rows(&folder, &["--organization", "one", flag, value]).await;
            let labels = [("organization", "one"), ("status", "available"), (label, value)];
            assert_eq!(count(found.len()), once.sum(name, &labels), "{value}");
        }
    }
}

#[tokio::test]
async fn rows_say_who_by_whom_and_when_and_never_a_link() {
    let (simulator, _, folder) = simulated(1, "interval: 60s", Options::default()).await;
    let invitation = json!({
        "username": "Ann@Example.com", "status": "AVAILABLE", "generatedAt": 1_700_000_000_000_i64,
        "expirationTime": 4_000_000_000_000_i64, "invitedByUsername": "boss@example.com", "generatedBy": "client-7",
        "refLink": "/csp/gateway/am/api/orgs/o/invitations/canary-ref", "invitationLink": "https://canary-link",
        "orgRoleNames": ["org_owner"], "customRoles": [{"name": "c"}], "customGroupsIds": ["g-1"],
        "serviceRolesDtos": [{"serviceRoleNames": ["vmc-user:full"]}],
        "customGroups": [{"id": "g-1", "displayName": "Team"}],
    });
    let by_client = json!({"username": "b", "status": "AVAILABLE", "generatedBy": "client-7"});
    serve(&simulator, 0, &[by_client, invitation]);
    let found = rows(&folder, &[]).await;
    assert_eq!(
        found[0],
        json!({
            "organization": "one", "username": "Ann@Example.com", "status": "available",
            "organization_roles": ["org_owner"], "service_roles": ["vmc-user:full"], "custom_roles": ["c"],
            "groups": [{"id": "g-1", "name": "Team"}], "invited_by": "boss@example.com",
            "generated": "2023-11-14T22:13:20Z", "expires": "2096-10-02T07:06:40Z", "redeemed": null, "revoked": null,
        }),
        "what runs out next comes first, what never does last"
    );
    assert_eq!((&found[1]["username"], &found[1]["invited_by"]), (&json!("b"), &json!("client-7")));
    for format in ["table", "csv", "json", "markdown"] {
        let config = folder.path("config.yaml");
        let done = run(&["list", "--config.file", &config, "--format", format, "--log.level", "trace"], &[]).await;
        assert!(done.stdout.contains("Ann@Example.com") && !done.stdout.contains("canary"), "{}", done.stdout);
        for secret in ["Ann@", "ann@", "boss@", "client-7", "canary"] {
            assert!(!done.stderr.contains(secret), "{secret} is logged: {}", done.stderr);
        }
    }
}

#[tokio::test]
async fn exit_codes_say_what_went_wrong() {
    let fake = Fake::lists(|_, _| answer(403, "{}")).await;
    let folder = Settings::new(&fake.url, 1).folder();
    let failed = list(&folder, &[]).await;
    assert_eq!((failed.code, failed.stdout.as_str()), (Some(2), "[]\n"));
    assert!(
        failed.stderr.contains("reason=forbidden") && failed.stderr.contains("organization=one"),
        "{}",
        failed.stderr
    );
    let before = fake.requests("").len();
    for wrong in [
        &["--organization", "nobody"][..],
        &["--status", "pending"],
        &["--external"],
        &["--older-than", "soon"],
        &["--format", "xml"],
    ] {
        assert_eq!(list(&folder, wrong).await.code, Some(64), "{wrong:?}");
    }
    assert_eq!(fake.requests("").len(), before, "nothing was sent");
}

#[tokio::test]
async fn an_organization_that_fails_takes_no_rows_from_the_others() {
    let options = Options { invitations: 20, speed: 0.0, scenario: Scenario::Steady, ..Options::default() };
    let (_simulator, settings, folder) = simulated(1, "interval: 60s", options).await;
    let mut both = settings.clone();
    both.ids.push("00000000-0000-4000-8000-0000000000ff".to_owned());
    folder.write("config.yaml", &both.yaml());
    let done = list(&folder, &[]).await;
    assert_eq!(done.code, Some(2), "{}", done.stderr);
    let found: Value = serde_json::from_str(&done.stdout).unwrap();
    assert!(!found.as_array().unwrap().is_empty());
    assert!(done.stderr.contains("organization=two"), "{}", done.stderr);
}

#[tokio::test]
async fn an_organization_that_hangs_beyond_its_deadline_keeps_nobody_elses_rows_back() {
    let fake = Fake::lists(|organization, _| match organization {
        2 => Answer::Hang,
        _ => answer(200, r#"[{"username":"a@example.com","status":"AVAILABLE"}]"#),
    })
    .await;
    let folder = Settings::new(&fake.url, 3).poll("interval: 10s, deadline: 2s").folder();
    let start = Instant::now();
    let done = list(&folder, &[]).await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(done.code, Some(2), "{}", done.stderr);
    let rows: Value = serde_json::from_str(&done.stdout).unwrap();
    let of: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["organization"].as_str().unwrap()).collect();
    assert_eq!(of, ["one", "three"]);
    assert!(done.stderr.contains("two") && done.stderr.contains("deadline"), "{}", done.stderr);
}
