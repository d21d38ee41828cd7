//! A reload is one transaction.

use crate::binary::{Exporter, eventually};
use crate::fake::{Answer, Fake, json};
use crate::scrape::Scrape;
use crate::setup::Settings;

const LIST: &str = r#"[{"status":"REVOKED"}]"#;

async fn started() -> (Fake, Settings, crate::setup::Folder, Exporter) {
    let fake = Fake::lists(|_, _| json(200, LIST)).await;
    let settings = Settings::new(&fake.url, 2).poll("interval: 2s");
    let folder = settings.folder();
    let exporter = Exporter::start(&folder, &[]).await;
    exporter.polled(&["one", "two"]).await;
    (fake, settings, folder, exporter)
}

fn successful(scrape: &Scrape) -> Option<f64> {
    scrape.get("csp_exporter_config_last_reload_successful", &[])
}

fn loaded_at(scrape: &Scrape) -> f64 {
    scrape.get("csp_exporter_config_last_reload_success_timestamp_seconds", &[]).unwrap()
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_says_why() {
    let (_fake, settings, folder, exporter) = started().await;
    let before = exporter.scrape().await;
    assert_eq!(successful(&before), Some(1.0));
    folder.write("config.yaml", &settings.yaml().replace("interval: 2s", "interval: soon"));
    let (status, reason) = exporter.reload().await;
    assert_eq!(status, 500);
    assert!(reason.contains("poll.interval") && reason.contains("line 2"), "{reason}");
    let after = exporter.polled_anew("two").await;
    assert_eq!((successful(&after), loaded_at(&after)), (Some(0.0), loaded_at(&before)));
    assert_eq!(after.up("one"), Some(1.0), "the old configuration stays");
    assert_eq!(after.get("csp_poll_interval_seconds", &[("organization", "one")]), Some(2.0));

    folder.write("config.yaml", &settings.yaml().replace("interval: 2s", "interval: 3s"));
    assert_eq!(exporter.reload().await.0, 200);
    let repaired = exporter.scrape().await;
    assert_eq!(successful(&repaired), Some(1.0));
    assert!(loaded_at(&repaired) > loaded_at(&before));
    assert_eq!(repaired.get("csp_poll_interval_seconds", &[("organization", "one")]), Some(3.0));
}

#[tokio::test]
async fn settings_that_can_be_read_but_not_used_change_nothing_either() {
    let (_fake, settings, folder, exporter) = started().await;
    folder.write("config.yaml", &settings.clone().api("tls: {ca_file: missing.pem}").yaml());
    let (status, reason) = exporter.reload().await;
    assert_eq!(status, 500);
    assert!(reason.contains("missing.pem"), "{reason}");
    assert_eq!(successful(&exporter.polled_anew("one").await), Some(0.0));
}

#[tokio::test]
async fn a_good_file_adds_and_removes_organizations_and_keeps_what_stays() {
    let (fake, mut settings, folder, exporter) = started().await;
    let polls = |scrape: &Scrape, name| scrape.count("csp_polls_total", &[("organization", name)]);
    let before = exporter.polled_anew("one").await;
    settings.ids.push(crate::setup::id(3));
    folder.write("config.yaml", &settings.yaml());
    assert_eq!(exporter.reload().await.0, 200);
    let added = exporter.polled(&["three"]).await;
    assert_eq!(added.up("three"), Some(1.0));
    assert!(polls(&added, "one") >= polls(&before, "one"), "counters go on");
    assert_eq!(added.up("one"), Some(1.0));

    let yaml = settings.yaml();
    let without_two: Vec<&str> = yaml.lines().filter(|line| !line.contains("name: two")).collect();
    folder.write("config.yaml", &format!("{}\n", without_two.join("\n")));
    exporter.signal("HUP").await;
    let removed = exporter.until("the second one is gone", |scrape| scrape.all_of("two").is_empty()).await;
    assert_eq!((removed.up("one"), removed.up("three")), (Some(1.0), Some(1.0)));
    let asked = fake.list_requests(2).len();
    exporter.polled_anew("one").await;
    // One may have been on its way when the reload came.
    assert!(fake.list_requests(2).len() <= asked + 1, "it is not asked for any more");
}

#[tokio::test]
async fn a_hangup_with_a_bad_file_is_logged_and_shown() {
    let (_fake, _settings, folder, exporter) = started().await;
    folder.write("config.yaml", "organizations: 7\n");
    exporter.signal("HUP").await;
    let scrape = exporter.until("the reload failed", |scrape| successful(scrape) == Some(0.0)).await;
    assert_eq!(scrape.up("one"), Some(1.0));
    let lines = eventually("it is logged", async || exporter.logged(&["level=error", "organizations"]).pop()).await;
    assert!(lines.contains("old one stays"), "{lines}");
}

#[tokio::test]
async fn a_file_that_is_gone_changes_nothing() {
    let (_fake, _settings, folder, exporter) = started().await;
    std::fs::remove_file(folder.path("config.yaml")).unwrap();
    let (status, reason) = exporter.reload().await;
    assert_eq!(status, 500);
    assert!(reason.contains("config.yaml"), "{reason}");
    assert_eq!(exporter.polled_anew("one").await.up("one"), Some(1.0));
}

#[tokio::test]
async fn once_ready_it_stays_ready_whatever_organizations_a_reload_brings() {
    let fake = Fake::lists(|organization, _| if organization == 3 { Answer::Hang } else { json(200, LIST) }).await;
    let mut settings = Settings::new(&fake.url, 2).api("timeout: 20s");
    let folder = settings.folder();
    let exporter = Exporter::start(&folder, &[]).await;
    eventually("it is ready", async || (exporter.get("/readyz").await.0 == 200).then_some(())).await;
    settings.ids.push(crate::setup::id(3));
    folder.write("config.yaml", &settings.yaml());
    let (reload, ()) = tokio::join!(exporter.reload(), async {
        for _ in 0..20 {
            assert_eq!(exporter.get("/readyz").await.0, 200, "while it reloads");
        }
    });
    assert_eq!(reload.0, 200);
    eventually("the new one is asked for", async || (!fake.list_requests(3).is_empty()).then_some(())).await;
    assert_eq!(exporter.scrape().await.up("three"), None, "its first attempt has not ended");
    for path in ["/readyz", "/-/ready"] {
        assert_eq!(exporter.get(path).await.0, 200, "{path}");
    }
}
