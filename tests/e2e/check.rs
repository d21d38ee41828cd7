//! `check`: what would run, and what stands in its way.

use csp_simulator::{Options, Scenario};

use crate::binary::{Exporter, run};
use crate::setup::{Folder, simulated};

#[tokio::test]
async fn a_good_configuration_is_described_and_nothing_is_sent() {
    let (simulator, _settings, folder) = simulated(2, "interval: 60s", Options::default()).await;
    let done = run(&["check", "--config.file", &folder.path("config.yaml")], &[]).await;
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    for part in ["one: id ", "two: id ", "every 60s", "OAuth app", "series: ", "requests per minute: ", "\nok\n"] {
        assert!(done.stdout.contains(part), "{part}: {}", done.stdout);
    }
    assert!(!done.stdout.contains(simulator.client_secret()), "a secret is shown");
    assert_eq!(simulator.requests().total, 0);
}

#[tokio::test]
async fn the_predicted_series_are_those_of_ordinary_organizations() {
    let (_simulator, _settings, folder) = simulated(5, "interval: 60s", Options::default()).await;
    let done = run(&["check", "--config.file", &folder.path("config.yaml")], &[]).await;
    let words = done.stdout.split("typically about ").nth(1).unwrap_or_default();
    let predicted: f64 = words.split(',').next().and_then(|number| number.parse().ok()).expect(&done.stdout);
    let exporter = Exporter::start(&folder, &[]).await;
    let scrape = exporter.polled(&crate::setup::NAMES).await;
    let series = scrape.samples.len() as f64;
    assert!((0.9..1.1).contains(&(series / predicted)), "{series} series, predicted {predicted}");
}

#[tokio::test]
async fn every_problem_of_both_files_is_listed() {
    let folder = Folder::new();
    folder.write("config.yaml", "api: {tls: {ca_file: no.ca}}\npoll: {interval: 0s, colour: red}\ncredentials: {app: {api_token_file: no.secret}}\norganizations: [{id: x}]\n");
    let tls = "tls_server_config: {cert_file: no.crt, key_file: no.key}\n";
    folder.write("web.yaml", &format!("basic_auth_users: {{ann: plain}}\nrate_limit: {{burst: many}}\n{tls}"));
    let (config, web) = (folder.path("config.yaml"), folder.path("web.yaml"));
    let done = run(&["check", "--config.file", &config, "--web.config.file", &web], &[]).await;
    assert_eq!(done.code, Some(1));
    let parts = [
        "line 2: poll.interval: must be above 0",
        "line 2: poll.colour: unknown key",
        "line 4: organizations[0].id: must be a GUID",
        "credentials.app: the secret file",
        "api.tls.ca_file",
        "organizations[0].credentials",
        "basic_auth_users.ann",
        "rate_limit.burst",
        "no.crt",
        "no.key",
    ];
    for part in parts {
        assert!(done.stdout.contains(part), "{part}: {}", done.stdout);
    }
    assert!(!done.stdout.contains("plain"), "what stands in place of a hash may be a password");
}

#[tokio::test]
async fn online_tries_every_organization_and_says_what_a_failure_means() {
    let (simulator, _settings, folder) = simulated(2, "interval: 60s", Options::default()).await;
    let arguments = ["check", "--online", "--config.file", &folder.path("config.yaml")];
    let done = run(&arguments, &[]).await;
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("online: one: ") && done.stdout.contains(" invitations\n"), "{}", done.stdout);
    let second = simulator.organizations()[1].id.clone();
    simulator.set_organization_scenario(&second, Some(Scenario::CredentialsRevoked)).unwrap();
    let done = run(&arguments, &[]).await;
    assert_eq!(done.code, Some(1));
    for part in ["online: one: ", "online: two: credentials.", "it means: ", "what to do: ", "1 problem\n"] {
        assert!(done.stdout.contains(part), "{part}: {}", done.stdout);
    }
}

#[tokio::test]
async fn online_also_tries_a_credential_that_no_organization_uses() {
    let (_simulator, _settings, folder) = simulated(1, "interval: 60s", Options::default()).await;
    folder.write("wrong", "no such secret");
    let yaml = folder.read("config.yaml");
    let idle = "credentials:\n  idle: {client_id: nobody, client_secret_file: wrong}\n";
    folder.write("config.yaml", &yaml.replacen("credentials:\n", idle, 1));
    let done = run(&["check", "--online", "--config.file", &folder.path("config.yaml")], &[]).await;
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("problem: online: credentials.idle: "), "{}", done.stdout);
}

#[tokio::test]
async fn what_serve_would_refuse_of_tls_is_a_problem_all_of_it() {
    let (_simulator, settings, folder) = simulated(1, "interval: 60s", Options::default()).await;
    let tls = "tls: {ca_file: secret, cert_file: secret, key_file: nowhere}";
    folder.write("config.yaml", &settings.api(tls).yaml());
    let config = folder.path("config.yaml");
    let done = run(&["check", "--config.file", &config], &[]).await;
    assert_eq!(done.code, Some(1), "{}", done.stdout);
    for part in ["api.tls.ca_file: ", "api.tls.cert_file: ", "api.tls.key_file: cannot read ", "3 problems\n"] {
        assert!(done.stdout.contains(part), "{part}: {}", done.stdout);
    }
    let served = run(&["serve", "--config.file", &config], &[]).await;
    assert_eq!(served.code, Some(64), "{}", served.stderr);
}
