//! Secrets that are missing, wrong or renewed, and certificates that do not verify.

use std::sync::Arc;

use csp_simulator::{Options, Scenario};
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::binary::{Exporter, eventually, run};
use crate::fake::{Fake, json};
use crate::setup::{Settings, simulated};

#[tokio::test]
async fn a_missing_secret_fails_its_organization_alone_and_a_repaired_file_heals_it() {
    let (simulator, settings, folder) = simulated(2, "interval: 2s", Options::default()).await;
    let yaml = settings.yaml().replace("credentials:\n", "credentials:\n  token: {api_token_file: token}\n");
    folder.write("config.yaml", &yaml.replace("name: two, credentials: app", "name: two, credentials: token"));
    let exporter = Exporter::start(&folder, &[]).await;
    let scrape = exporter.polled(&["one", "two"]).await;
    assert_eq!((scrape.up("one"), scrape.up("two")), (Some(1.0), Some(0.0)));
    assert!(scrape.failures("two", "credentials") >= 1.0);
    let line = exporter.logged(&["poll failed", "organization=two"]).pop().unwrap();
    assert!(line.contains("token") && line.contains("cannot be read"), "{line}");
    let second = simulator.organizations()[1].id.clone();
    assert_eq!(simulator.requests().count_of("invitations", &second), 0, "there was nothing to ask with");

    folder.write("token", &format!("{}\n", simulator.organizations()[1].api_token));
    let healed = exporter.until("the repaired file is read", |scrape| scrape.up("two") == Some(1.0)).await;
    assert!(healed.invitations("two") > Some(0.0));
    exporter
        .until("the token's expiration is known", |scrape| {
            scrape.get("csp_access_token_expiration_timestamp_seconds", &[("organization", "two")]) > Some(1.7e9)
        })
        .await;
}

#[tokio::test]
async fn a_wrong_secret_is_credentials_and_a_rotated_one_needs_no_reload() {
    let (simulator, _settings, folder) = simulated(1, "interval: 2s", Options::default()).await;
    folder.write("secret", "wrong");
    let exporter = Exporter::start(&folder, &[]).await;
    let scrape = exporter.polled(&["one"]).await;
    assert_eq!((scrape.up("one"), scrape.invitations("one")), (Some(0.0), None));
    assert!(scrape.failures("one", "credentials") >= 1.0);
    folder.write("secret", &format!("{}\r\n", simulator.client_secret()));
    exporter.until("the rotated secret is read", |scrape| scrape.up("one") == Some(1.0)).await;
}

#[tokio::test]
async fn a_secret_that_cannot_be_one_is_credentials() {
    let (simulator, settings, folder) = simulated(3, "interval: 60s", Options::default()).await;
    let mut yaml = settings.yaml().replace("credentials:\n", "credentials:\n  empty: {api_token_file: empty}\n");
    yaml = yaml.replace("  empty:", "  binary: {api_token_file: binary}\n  folder: {api_token_file: .}\n  empty:");
    for (name, credential) in [("one", "empty"), ("two", "binary"), ("three", "folder")] {
        yaml = yaml
            .replace(&format!("name: {name}, credentials: app"), &format!("name: {name}, credentials: {credential}"));
    }
    folder.write("config.yaml", &yaml);
    folder.write("empty", "\n");
    std::fs::write(folder.path("binary"), [0xff, 0, 0xfe]).unwrap();
    let exporter = Exporter::start(&folder, &[]).await;
    let scrape = exporter.polled(&["one", "two", "three"]).await;
    for name in ["one", "two", "three"] {
        assert_eq!(scrape.failures(name, "credentials"), 1.0, "{name}");
    }
    assert_eq!(simulator.requests().count("token"), 0, "nothing was sent that cannot be right");
}

#[tokio::test]
async fn a_secret_that_the_service_would_refuse_is_told_by_check_and_by_the_poll() {
    let (simulator, settings, folder) = simulated(1, "interval: 60s", Options::default()).await;
    let secret = simulator.client_secret().to_owned();
    for (content, words) in [
        (format!("\u{feff}{secret}\n"), "byte order mark"),
        (format!("\"{secret}\""), "quotes"),
        (format!("'{secret}'\n"), "quotes"),
        (format!(" {secret}"), "blank"),
        (format!("{secret} \n"), "blank"),
        (format!("{secret}\n{secret}\n"), "several lines"),
        (format!("# the secret\n{secret}\n"), "several lines"),
    ] {
        folder.write("secret", &content);
        let done = run(&["check", "--config.file", &folder.path("config.yaml")], &[]).await;
        assert_eq!(done.code, Some(1), "{words}: {}", done.stdout);
        assert!(done.stdout.contains(words) && !done.stdout.contains(&secret), "{words}: {}", done.stdout);
        let exporter = Exporter::start(&folder, &[]).await;
        let scrape = exporter.polled(&["one"]).await;
        assert_eq!(scrape.failures("one", "credentials"), 1.0);
        let line = eventually("it is logged", async || exporter.logged(&["poll failed"]).pop()).await;
        assert!(line.contains(words) && line.contains(&folder.path("secret")) && !line.contains(&secret), "{line}");
    }
    assert_eq!(simulator.requests().count("token"), 0, "nothing was sent that cannot be right");
    drop(settings);
}

#[tokio::test]
async fn credentials_that_are_revoked_show_and_come_back() {
    let (simulator, _settings, folder) = simulated(1, "interval: 2s, stale_after: 10m", Options::default()).await;
    let exporter = Exporter::start(&folder, &[]).await;
    exporter.until("it works", |scrape| scrape.up("one") == Some(1.0)).await;
    simulator.set_scenario(Scenario::CredentialsRevoked);
    let revoked = exporter.until("it fails", |scrape| scrape.up("one") == Some(0.0)).await;
    assert!(revoked.failures("one", "credentials") >= 1.0, "the list's 401 leads to an exchange, which is refused");
    assert!(revoked.is_in_state("one", "held"));
    simulator.set_scenario(Scenario::Steady);
    exporter.until("it works again", |scrape| scrape.up("one") == Some(1.0)).await;
}

#[tokio::test]
async fn access_tokens_that_run_out_are_renewed_before_anything_fails() {
    let (simulator, _settings, folder) = simulated(1, "interval: 1s", Options::default()).await;
    simulator.set_token_lifetime(std::time::Duration::from_secs(3));
    let exporter = Exporter::start(&folder, &[]).await;
    let scrape = exporter
        .until("several tokens were used", |scrape| {
            scrape.count("csp_api_requests_total", &[("operation", "token")]) >= 3.0
        })
        .await;
    assert_eq!(
        scrape.count("csp_api_request_failures_total", &[("operation", "invitations"), ("reason", "unauthorized")]),
        0.0
    );
    simulator.revoke_access_tokens();
    exporter.polled_anew("one").await;
}

/// An upstream whose certificate nobody knows, and that certificate.
async fn unknown_authority(name: &str) -> (Fake, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    let fake = Fake::serve(Some(TlsAcceptor::from(Arc::new(config))), |request, n| match request.organization() {
        None => json(200, &format!(r#"{{"access_token":"access-{n}","expires_in":1800}}"#)),
        Some(_) => json(200, "[]"),
    })
    .await;
    (fake, certificate.pem())
}

#[tokio::test]
async fn a_certificate_that_does_not_verify_is_tls_with_its_reason_and_nothing_is_sent() {
    let (fake, pem) = unknown_authority("localhost").await;
    let settings = Settings::new(&fake.url, 1).poll("interval: 60s");
    let folder = settings.folder();
    let exporter = Exporter::start(&folder, &[]).await;
    let scrape = exporter.polled(&["one"]).await;
    assert_eq!((scrape.up("one"), scrape.failures("one", "tls")), (Some(0.0), 1.0));
    assert_eq!(scrape.count("csp_api_retries_total", &[("operation", "token")]), 0.0);
    let line = exporter.logged(&["poll failed", "reason=tls"]).pop().unwrap();
    assert!(line.contains("unknown issuer"), "{line}");
    assert!(fake.requests("").is_empty());
    let (_, page) = exporter.get("/").await;
    assert!(page.contains("unknown issuer"), "the status page tells it in words");

    folder.write("ca.pem", &pem);
    folder.write("config.yaml", &settings.api("tls: {ca_file: ca.pem}").yaml());
    assert_eq!(exporter.reload().await.0, 200);
    exporter.until("the authority is known now", |scrape| scrape.up("one") == Some(1.0)).await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_tls_with_its_reason() {
    let (fake, pem) = unknown_authority("elsewhere.example").await;
    let settings = Settings::new(&fake.url, 1).api("tls: {ca_file: ca.pem, ca_only: true}");
    let folder = settings.folder();
    folder.write("ca.pem", &pem);
    let exporter = Exporter::start(&folder, &[]).await;
    let scrape = exporter.polled(&["one"]).await;
    assert_eq!(scrape.failures("one", "tls"), 1.0);
    let line = exporter.logged(&["poll failed", "reason=tls"]).pop().unwrap();
    assert!(line.contains("name mismatch"), "{line}");
}

#[tokio::test]
async fn a_system_without_authorities_is_told_where_they_were_looked_for() {
    let folder = Settings::new("https://console.invalid", 1).folder();
    let config = folder.path("config.yaml");
    let (nowhere, broken) = (folder.path("nowhere.pem"), folder.path("broken.pem"));
    folder.write("broken.pem", "junk");
    for file in [&nowhere, &broken] {
        let done = run(&["serve", "--config.file", &config], &[("SSL_CERT_FILE", file)]).await;
        assert_eq!(done.code, Some(64), "{}", done.stderr);
        assert!(done.stderr.contains("SSL_CERT_FILE of the environment names none"), "{}", done.stderr);
    }
}
