//! Proxies from the environment and from the settings.

use crate::binary::{Exporter, eventually, run};
use crate::fake::{Answer, Fake, json, response};
use crate::setup::{Folder, Settings};

const LIST: &str = r#"[{"username":"a@example.com","status":"REDEEMED"}]"#;

/// A configuration for a service that only a proxy can find.
fn folder(url: &str) -> Folder {
    Settings::new(url, 1).api("connect_timeout: 2s, max_attempts: 1").folder()
}

async fn started(folder: &Folder, environment: &[(&str, &str)]) -> Exporter {
    let config = folder.path("config.yaml");
    Exporter::spawn(&["--config.file", &config, "--web.listen-address", "127.0.0.1:0"], environment).await
}

#[tokio::test]
async fn the_usual_variables_count_the_lower_case_form_first() {
    let proxy = Fake::lists(|_, _| json(200, LIST)).await;
    let folder = folder("http://console.invalid:8080");
    for environment in [
        &[("HTTP_PROXY", proxy.url.as_str())][..],
        &[("http_proxy", &proxy.url), ("HTTP_PROXY", "http://127.0.0.1:1")],
        &[("ALL_PROXY", proxy.url.strip_prefix("http://").unwrap()), ("http_proxy", "")],
        &[("http_proxy", &proxy.url), ("NO_PROXY", "invalid.example, console.invalid:80,*.console.invalid")],
    ] {
        let exporter = started(&folder, environment).await;
        assert_eq!(exporter.polled(&["one"]).await.up("one"), Some(1.0), "{environment:?}");
    }
}

#[tokio::test]
async fn no_proxy_is_obeyed_as_curl_does_and_check_says_so() {
    let proxy = Fake::lists(|_, _| json(200, LIST)).await;
    for (host, list) in [
        ("console.invalid", "*"),
        ("console.invalid", "other, *"),
        ("console.invalid", "console.invalid:8080"),
        ("console.invalid", "*.invalid"),
        ("console.invalid", ".invalid"),
        ("console.invalid", " other ,\tconsole.invalid "),
        ("console.invalid", "other console.invalid"),
        ("console.invalid", "console.invalid."),
        ("console.invalid.", "CONSOLE.invalid"),
        ("127.0.0.2", "127.0.0.0/8"),
        ("127.0.0.2", "127.0.0.2:8080"),
    ] {
        let folder = folder(&format!("http://{host}:8080"));
        let environment = [("http_proxy", proxy.url.as_str()), ("NO_PROXY", list)];
        let done = run(&["check", "--config.file", &folder.path("config.yaml")], &environment).await;
        assert!(done.stdout.contains("proxy: none (NO_PROXY names the host)\n"), "{list}: {}", done.stdout);
        let exporter = started(&folder, &environment).await;
        assert_eq!(exporter.polled(&["one"]).await.up("one"), Some(0.0), "{host} {list}");
        assert!(proxy.requests("").is_empty(), "{host} {list}");
    }
}

#[tokio::test]
async fn check_shows_the_proxy_without_its_password() {
    let folder = folder("https://console.invalid");
    let config = folder.path("config.yaml");
    let done = run(&["check", "--config.file", &config], &[]).await;
    assert!(done.stdout.contains("proxy: none\n"), "{}", done.stdout);
    let done = run(&["check", "--config.file", &config], &[("HTTPS_PROXY", "http://us:kanari@proxy:3128")]).await;
    assert_eq!(done.code, Some(0), "{}", done.stdout);
    assert!(done.stdout.contains("proxy: http://proxy:3128 (HTTPS_PROXY)\n"), "{}", done.stdout);
    assert!(!done.stdout.contains("kanari") && !done.stderr.contains("kanari"));
    let yaml = folder.read("config.yaml").replace("api: {", "api: {proxy_url: 'http://us:kanari@other:3128', ");
    folder.write("config.yaml", &yaml);
    let done = run(&["check", "--config.file", &config], &[("HTTPS_PROXY", "http://proxy:3128")]).await;
    assert!(done.stdout.contains("proxy: http://other:3128 (api.proxy_url)\n"), "{}", done.stdout);
    assert!(!done.stdout.contains("kanari"));
}

#[tokio::test]
async fn a_variable_that_is_no_proxy_is_wrong_usage() {
    let folder = folder("https://console.invalid");
    let config = folder.path("config.yaml");
    for (name, value) in [
        ("HTTPS_PROXY", "http://u:kanari@no proxy"),
        ("https_proxy", "http://"),
        ("ALL_PROXY", "ftp://kanari@proxy"),
        ("HTTPS_PROXY", "http://kanari:99999"),
    ] {
        for command in ["serve", "once"] {
            let done = run(&[command, "--config.file", &config], &[(name, value)]).await;
            assert_eq!(done.code, Some(64), "{command} {name}={value}: {}", done.stderr);
            assert!(done.stderr.contains(&format!("{name}: ")) && !done.stderr.contains("kanari"), "{}", done.stderr);
        }
        let done = run(&["check", "--config.file", &config], &[(name, value)]).await;
        assert_eq!(done.code, Some(1), "{}", done.stdout);
        assert!(
            done.stdout.contains(&format!("problem: {name}: ")) && !done.stdout.contains("kanari"),
            "{}",
            done.stdout
        );
    }
}

#[tokio::test]
async fn what_a_proxy_refuses_is_not_the_credentials_fault() {
    for url in ["http://console.invalid", "https://console.invalid"] {
        let proxy = Fake::start(|_, _| Answer::Close(response(407, "", ""))).await;
        let folder = folder(url);
        let variable = if url.starts_with("https") { "HTTPS_PROXY" } else { "HTTP_PROXY" };
        let exporter = started(&folder, &[(variable, &proxy.url)]).await;
        let scrape = exporter.polled(&["one"]).await;
        assert_eq!((scrape.failures("one", "connect"), scrape.failures("one", "credentials")), (1.0, 0.0));
        let line = eventually("it is logged", async || exporter.logged(&["poll failed"]).pop()).await;
        for part in ["status=407", "the proxy http://localhost:", variable, "user and password"] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
}

#[tokio::test]
async fn the_demonstration_needs_no_proxy() {
    let environment = [("http_proxy", "http://127.0.0.1:1"), ("ALL_PROXY", "no proxy")];
    let exporter = Exporter::spawn(&["demo", "--web.listen-address", "127.0.0.1:0"], &environment).await;
    exporter.until("an organization shows numbers", |scrape| scrape.sum("csp_invitations", &[]) > 0.0).await;
}
