//! `demo` and `simulate`: no account needed.

use std::time::{Duration, Instant};

use crate::binary::{Exporter, eventually};

#[tokio::test]
async fn the_demonstration_shows_several_organizations_at_once_and_their_numbers_change() {
    let start = Instant::now();
    let exporter = Exporter::spawn(&["demo", "--web.listen-address", "127.0.0.1:0"], &[]).await;
    let first = exporter
        .until("several organizations show numbers", |scrape| {
            let counted = scrape.all("csp_up", &[]).iter().filter(|sample| sample.value > 0.0).count();
            counted >= 3 && scrape.sum("csp_invitations", &[]) > 100.0
        })
        .await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let before: Vec<_> = first.all("csp_invitations", &[]).into_iter().cloned().collect();
    exporter
        .until("numbers change and events are counted", |scrape| {
            let now: Vec<_> = scrape.all("csp_invitations", &[]).into_iter().cloned().collect();
            now != before && scrape.sum("csp_invitation_events_total", &[]) > 10.0
        })
        .await;
    let banner = eventually("the banner is complete", async || {
        let banner = exporter.out.lock().join("\n");
        banner.contains("Stop with Ctrl-C").then_some(banner)
    })
    .await;
    let address = format!("http://localhost:{}/metrics", exporter.address.port());
    assert!(banner.contains(&address), "{banner}");
    let (status, page) = exporter.get("/").await;
    assert_eq!(status, 200);
    assert!(page.contains("Acme Production"), "the status page shows the organizations");
}

#[tokio::test]
async fn what_simulate_prints_is_the_environment_of_an_exporter() {
    let simulator = Exporter::launch(&["simulate", "--listen", "127.0.0.1:0", "--organizations", "2"], &[]);
    let banner = eventually("the banner is complete", async || {
        let lines = simulator.out.lock().clone();
        lines.iter().any(|line| line.contains("Or one organization")).then_some(lines)
    })
    .await;
    let exports = banner.iter().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    let environment: Vec<(&str, &str)> = exports.collect();
    assert_eq!(environment.len(), 4, "{banner:?}");
    let exporter = Exporter::spawn(&["--web.listen-address", "127.0.0.1:0"], &environment).await;
    let ids = environment.iter().find(|(name, _)| *name == "CSP_ORGANIZATION_ID").unwrap().1;
    let ids: Vec<&str> = ids.split(',').collect();
    assert_eq!(ids.len(), 2);
    let scrape = exporter.polled(&ids).await;
    for id in ids {
        assert_eq!(scrape.up(id), Some(1.0), "without a name, the id is the label");
        assert!(scrape.invitations(id) > Some(0.0));
    }
}

#[tokio::test]
async fn simulate_ends_with_0_when_it_is_told_to_stop() {
    let mut simulator = Exporter::launch(&["simulate"], &[]);
    eventually("the banner is there", async || (!simulator.out.lock().is_empty()).then_some(())).await;
    simulator.signal("INT").await;
    assert_eq!(simulator.ended().await.code(), Some(0));
}
