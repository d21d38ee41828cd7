//! Credentials and organizations of two consoles, which know nothing of each other.

use csp_simulator::{Options, Simulator};

use crate::binary::{Exporter, run};
use crate::setup::{Folder, simulated};

/// Two simulated consoles, with an organization each; the second one's credential names its console or does not.
async fn two(names_its_console: bool) -> (Simulator, Simulator, Folder) {
    let (usual, settings, folder) = simulated(1, "interval: 60s", Options::default()).await;
    let (other, others, _) = simulated(1, "interval: 60s", Options { seed: 2, ..Options::default() }).await;
    let url = if names_its_console { format!(", url: '{}'", others.url) } else { String::new() };
    let app = format!("  other: {{client_id: {}, client_secret_file: other{url}}}\norganizations:\n", others.client_id);
    let yaml = settings.yaml().replace("organizations:\n", &app);
    folder.write("other", other.client_secret());
    folder.write("config.yaml", &format!("{yaml}  - {{id: {}, name: two, credentials: other}}\n", others.ids[0]));
    (usual, other, folder)
}

#[tokio::test]
async fn each_organization_is_asked_at_the_console_of_its_credential() {
    let (usual, other, folder) = two(true).await;
    let exporter = Exporter::start(&folder, &[]).await;
    let scrape = exporter.polled(&["one", "two"]).await;
    assert_eq!((scrape.up("one"), scrape.up("two")), (Some(1.0), Some(1.0)));
    assert!(usual.requests().total > 0 && other.requests().total > 0);
    let done = run(&["check", "--online", "--config.file", &folder.path("config.yaml")], &[]).await;
    assert_eq!(done.code, Some(0), "{}", done.stdout);
    for part in [format!("API: {}", usual.base_url()), format!("API of credentials.other: {}", other.base_url())] {
        assert!(done.stdout.contains(&part), "{part}: {}", done.stdout);
    }
}

#[tokio::test]
async fn a_credential_at_the_wrong_console_is_told_so() {
    let (usual, _other, folder) = two(false).await;
    let done = run(&["check", "--online", "--config.file", &folder.path("config.yaml")], &[]).await;
    assert_eq!(done.code, Some(1), "{}", done.stdout);
    let words = format!("the credential may belong to another console: {} was asked", usual.base_url());
    assert!(
        done.stdout.contains("online: two: credentials.other: ") && done.stdout.contains(&words),
        "{}",
        done.stdout
    );
}

#[tokio::test]
async fn credentials_that_would_travel_in_the_clear_are_a_warning_of_the_start_and_of_check() {
    let (_usual, _other, folder) = two(true).await;
    let yaml = folder.read("config.yaml");
    let config = folder.path("config.yaml");
    let here = run(&["check", "--config.file", &config], &[]).await;
    assert!(!here.stdout.contains("plain http"), "loopback is this machine: {}", here.stdout);
    folder.write(
        "config.yaml",
        &yaml.replace(
            "client_secret_file: other, url: 'http://127.0.0.1",
            "client_secret_file: other, url: 'http://console.invalid",
        ),
    );
    let words = "credentials.other.url: credentials go to console.invalid over plain http";
    let done = run(&["check", "--config.file", &config], &[]).await;
    assert_eq!(done.code, Some(0), "{}", done.stdout);
    assert!(done.stdout.contains(&format!("warning: {words}")), "{}", done.stdout);
    let exporter = Exporter::start(&folder, &[]).await;
    assert_eq!(exporter.logged(&["level=warn", words]).len(), 1, "{:?}", exporter.log.lock());
}
