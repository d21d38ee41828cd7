//! Organizations in files of their own, and reloads by themselves.

use crate::binary::{Exporter, run};
use crate::fake::{Fake, json};
use crate::scrape::Scrape;
use crate::setup::{Folder, Settings, id};

/// A main file with one organization, and a folder for more.
async fn tenants() -> (Fake, Folder) {
    let fake = Fake::lists(|_, _| json(200, "[]")).await;
    let folder = Settings::new(&fake.url, 1).poll("interval: 60s").folder();
    let yaml = folder.read("config.yaml");
    folder.write("config.yaml", &format!("{yaml}organization_files: [tenants/*.yaml, 'tenants/*']\n"));
    std::fs::create_dir(folder.path("tenants")).unwrap();
    folder.write("tenants/secret", "s");
    std::fs::rename(folder.path("tenants/secret"), folder.path("tenants/.secret")).unwrap();
    (fake, folder)
}

fn tenant(number: usize, credentials: &str) -> String {
    format!("organizations: [{{id: {}, name: tenant-{number}, credentials: {credentials}}}]\n", id(number))
}

fn has(scrape: &Scrape, name: &str) -> bool {
    scrape.up(name) == Some(1.0)
}

#[tokio::test]
async fn files_of_organizations_add_to_the_main_one_and_come_and_go_by_themselves() {
    let (_fake, folder) = tenants().await;
    folder.write(
        "tenants/a.yaml",
        &format!("credentials: {{own: {{client_id: b, client_secret_file: .secret}}}}\n{}", tenant(2, "own")),
    );
    let exporter =
        Exporter::start(&folder, &["--config.enable-auto-reload", "--config.auto-reload-interval", "200ms"]).await;
    exporter.until("both are polled", |scrape| has(scrape, "one") && has(scrape, "tenant-2")).await;
    folder.write("tenants/b.yaml", &tenant(3, "app"));
    exporter.until("a new file is taken", |scrape| has(scrape, "tenant-3")).await;
    assert_eq!(exporter.get("/readyz").await.0, 200);
    // Half a file changes nothing; the whole of it is taken a round later.
    folder.write("tenants/c.yaml", "organizations: [{id: ");
    let bad = |scrape: &Scrape| scrape.get("csp_exporter_config_last_reload_successful", &[]) == Some(0.0);
    exporter.until("half a file is refused", bad).await;
    assert!(!exporter.logged(&["c.yaml: line 1: "]).is_empty(), "{:?}", exporter.log.lock());
    folder.write("tenants/c.yaml", &tenant(4, "app"));
    exporter.until("the rest is taken", |scrape| has(scrape, "tenant-4")).await;
    std::fs::remove_file(folder.path("tenants/a.yaml")).unwrap();
    exporter.until("a file is gone", |scrape| scrape.all_of("tenant-2").is_empty() && has(scrape, "tenant-3")).await;
}

#[tokio::test]
async fn problems_of_all_files_are_listed_with_file_and_line() {
    let (_fake, folder) = tenants().await;
    folder.write("tenants/a.yaml", &format!("credentials: {{app: {{api_token_file: x}}}}\n{}", tenant(1, "app")));
    folder.write("tenants/b.yaml", "organizations: []\n");
    let checked = run(&["check", "--config.file", &folder.path("config.yaml")], &[]).await;
    assert_eq!(checked.code, Some(1), "{}", checked.stdout);
    for part in [
        "a.yaml: line 1: credentials.app: the same name as credentials.app in ",
        "a.yaml: line 2: organizations[0].id: the same id as organizations[0] in ",
        "b.yaml: line 1: organizations: at least one",
    ] {
        assert!(checked.stdout.contains(part), "{part}: {}", checked.stdout);
    }
}

#[tokio::test]
async fn a_pattern_that_matches_nothing_is_a_warning_of_the_start_and_of_check() {
    let (_fake, folder) = tenants().await;
    let checked = run(&["check", "--config.file", &folder.path("config.yaml")], &[]).await;
    let words = "organization_files: no file matches tenants/*.yaml";
    assert_eq!(checked.code, Some(0), "{}", checked.stdout);
    assert!(checked.stdout.contains(&format!("warning: {words}")), "{}", checked.stdout);
    let exporter = Exporter::start(&folder, &[]).await;
    assert!(!exporter.logged(&["level=warn", words]).is_empty(), "{:?}", exporter.log.lock());
}

#[tokio::test]
async fn a_check_names_the_files_that_were_read() {
    let (_fake, folder) = tenants().await;
    for (name, number) in [("a", 2), ("b", 3)] {
        folder.write(&format!("tenants/{name}.yaml"), &tenant(number, "app"));
    }
    let config = folder.path("config.yaml");
    let checked = run(&["check", "--config.file", &config], &[]).await;
    assert_eq!(checked.code, Some(0), "{}{}", checked.stdout, checked.stderr);
    let [a, b] = ["tenants/a.yaml", "tenants/b.yaml"].map(|name| folder.path(name));
    let files = format!("configuration: {config}\n  {a}\n  {b}\nAPI: ");
    assert!(checked.stdout.starts_with(&files), "{}", checked.stdout);

    let variables = [("CSP_ORGANIZATION_ID", id(1)), ("CSP_API_TOKEN", "a".to_owned())];
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let checked = run(&["check"], &variables).await;
    assert!(checked.stdout.starts_with("configuration: environment variables\n"), "{}", checked.stdout);
}
