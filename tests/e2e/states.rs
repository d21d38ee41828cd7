//! What a scrape shows while the upstream comes and goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};
use std::time::Duration;

use tokio::time::Instant;

use crate::binary::{Exporter, eventually};
use crate::fake::{Answer, Fake, json, response};
use crate::scrape::Scrape;
use crate::setup::Settings;

const LIST: &str = r#"[{"username":"a@example.com","status":"AVAILABLE","generatedAt":1700000000000,"orgRoleNames":["org_owner"],"customGroups":[{"id":"g","displayName":"G"}]}]"#;

/// Families that show the last list.
fn shown(scrape: &Scrape) -> Vec<String> {
    let one = scrape.all_of("one");
    let mut families: Vec<String> = one
        .iter()
        .map(|sample| sample.name.clone())
        .filter(|name| {
            (name.starts_with("csp_invitation") && !name.contains("events_total") && !name.contains("redemption"))
                || name == "csp_group_info"
        })
        .collect();
    families.dedup();
    families
}

/// The reasons for which the last poll failed.
fn failing(scrape: &Scrape) -> Vec<&str> {
    let all = scrape.all("csp_poll_failing", &[("organization", "one")]);
    all.iter().map(|sample| sample.labels["reason"].as_str()).collect()
}

#[tokio::test]
async fn data_is_waited_for_then_fresh_then_held_then_withdrawn_then_fresh_again() {
    let status = Arc::new(AtomicU16::new(403));
    let answers = Arc::clone(&status);
    let fake = Fake::lists(move |_, _| match answers.load(SeqCst) {
        200 => json(200, LIST),
        other => Answer::Keep(response(other, "", "{}")),
    })
    .await;
    let settings =
        Settings::new(&fake.url, 1).poll("interval: 1s, stale_after: 4s").metrics("trusted_domains: [a.org]");
    let exporter = Exporter::start(&settings.folder(), &[]).await;

    let waiting = exporter.polled(&["one"]).await;
    assert!(waiting.is_in_state("one", "waiting"), "failures do not end the wait for data");
    assert_eq!((waiting.up("one"), shown(&waiting)), (Some(0.0), Vec::<String>::new()));
    assert_eq!(waiting.get("csp_poll_last_success_timestamp_seconds", &[]), Some(0.0));
    assert_eq!(failing(&waiting), ["forbidden"]);

    status.store(200, SeqCst);
    let fresh = exporter.until("fresh", |scrape| scrape.is_in_state("one", "fresh")).await;
    assert_eq!((fresh.up("one"), fresh.invitations("one")), (Some(1.0), Some(1.0)));
    assert_eq!(failing(&fresh), [""; 0], "the failures before are over");
    let families = shown(&fresh);
    assert!(families.len() >= 12, "{families:?}");

    status.store(404, SeqCst);
    let held = exporter.until("held", |scrape| scrape.is_in_state("one", "held")).await;
    assert_eq!((held.up("one"), shown(&held)), (Some(0.0), families.clone()));
    assert_eq!(failing(&held), ["not_found"], "the newest reason alone");

    let withdrawn = exporter.until("withdrawn", |scrape| scrape.is_in_state("one", "withdrawn")).await;
    assert_eq!((withdrawn.up("one"), shown(&withdrawn)), (Some(0.0), Vec::<String>::new()));
    let success = withdrawn.get("csp_poll_last_success_timestamp_seconds", &[]);
    assert!(success.is_some_and(|success| success > 1.7e9), "it still says when data was good");

    status.store(200, SeqCst);
    let again = exporter.until("fresh again", |scrape| scrape.is_in_state("one", "fresh")).await;
    assert_eq!((again.up("one"), shown(&again)), (Some(1.0), families));
    assert_eq!(failing(&again), [""; 0]);
    assert_eq!(exporter.logged(&["polling works again"]).len(), 2);
    let first = exporter.logged(&["level=info", "the first list of invitations is there", "organization=one"]);
    assert_eq!(first.len(), 1, "whatever failed before or since: {first:?}");
    let console = format!("console={}", fake.url);
    assert!(
        first[0].contains("invitations=") && first[0].contains("seconds=") && first[0].contains(&console),
        "{first:?}"
    );
}

#[tokio::test]
async fn an_organization_that_hangs_is_felt_by_no_other() {
    let fake = Fake::lists(|organization, _| if organization == 1 { Answer::Hang } else { json(200, LIST) }).await;
    let settings = Settings::new(&fake.url, 3).poll("interval: 2s");
    let exporter = Exporter::start(&settings.folder(), &[]).await;
    let polls = |scrape: &Scrape, name| scrape.count("csp_polls_total", &[("organization", name)]);
    let scrape = exporter
        .until("several rounds are over", |scrape| {
            ["one", "two", "three"].iter().all(|name| polls(scrape, name) >= 4.0)
        })
        .await;
    assert!(scrape.failures("one", "timeout") >= 4.0);
    for name in ["two", "three"] {
        assert_eq!(scrape.up(name), Some(1.0));
        assert!(scrape.sum("csp_poll_failures_total", &[("organization", name)]) < 1.0);
    }
    assert_eq!(exporter.get("/healthz").await.0, 200);
    assert_eq!(exporter.get("/readyz").await.0, 200);
}

/// The times at which a list that is always refused was asked for, as soon as there are `count`.
async fn asked(fake: &Fake, count: usize) -> Vec<Instant> {
    eventually(&format!("{count} polls"), async || {
        let times: Vec<_> = fake.list_requests(1).iter().map(|request| request.at).collect();
        (times.len() >= count).then_some(times)
    })
    .await
}

#[tokio::test]
async fn from_five_failed_polls_on_the_pause_doubles_and_a_reload_ends_it() {
    let fake = Fake::lists(|_, _| Answer::Keep(response(403, "", "{}"))).await;
    let settings = Settings::new(&fake.url, 1).poll("interval: 1s");
    let exporter = Exporter::start(&settings.folder(), &[]).await;
    let times = asked(&fake, 8).await;
    let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    for (gap, least) in gaps.iter().zip([0.9, 0.9, 0.9, 0.9, 1.9, 3.9, 3.9]) {
        assert!((least..least + 1.5).contains(gap), "{gaps:?}");
    }
    // A pause of four seconds has just begun.
    assert_eq!(exporter.reload().await.0, 200);
    let woken = Instant::now();
    let times = asked(&fake, 9).await;
    assert!(times[8] < woken + Duration::from_secs(2), "POST /-/reload ends the pause");
    exporter.signal("HUP").await;
    let woken = Instant::now();
    let times = asked(&fake, 10).await;
    assert!(times[9] < woken + Duration::from_secs(2), "SIGHUP ends the pause");
}
