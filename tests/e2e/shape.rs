//! `check --online --shape`: what answers look like, and nothing about anybody.

use csp_simulator::{Options, Scenario};
use serde_json::{Value, json};

use crate::binary::run;
use crate::fake::{Answer, Fake, json as answer, response};
use crate::setup::{Folder, Settings, serve, simulated};

async fn shape(folder: &Folder) -> crate::binary::Finished {
    run(&["check", "--online", "--shape", "--config.file", &folder.path("config.yaml")], &[]).await
}

#[tokio::test]
async fn the_report_of_the_simulated_service_confirms_our_reading() {
    let options = Options { invitations: 60, speed: 0.0, ..Options::default() };
    let (_simulator, _, folder) = simulated(2, "interval: 60s", options).await;
    let done = shape(&folder).await;
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert_eq!(done.stdout.matches("confirmed: the answer is a bare JSON array").count(), 2, "{}", done.stdout);
    for line in ["organization 1\n", "organization 2\n", "HTTP/1.1, status 200", "generatedAt is in milliseconds"] {
        assert!(done.stdout.contains(line), "{line}\n{}", done.stdout);
    }
    assert!(!done.stdout.contains("refuted") && !done.stdout.contains('@'), "{}", done.stdout);
    let names = ["one", "two", "acme", "Acme", "ok\n"];
    assert!(names.iter().all(|name| !done.stdout.contains(&format!("{name} "))), "{}", done.stdout);
}

#[tokio::test]
async fn no_canary_comes_out_whatever_it_is_in() {
    let (simulator, _, folder) = simulated(1, "interval: 60s", Options::default()).await;
    let invitation = json!({
        "username": "canary@example.com", "status": "Canary", "refLink": "/orgs/canary/invitations/canary",
        "invitationLink": "https://canary", "canary@example.com": {"canary-1": ["canary"]}, "x canary": 1,
        "orgRoleNames": ["canary"], "serviceRolesDtos": [{"serviceDefinitionLink": "/canary/canary?canary"}],
        "customGroups": [{"displayName": "canary", "domain": "canary", "description": "canary"}],
    });
    serve(&simulator, 0, &[invitation, json!("canary"), json!(["canary"])]);
    let done = shape(&folder).await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.contains("3 elements, 1 of them objects"), "{}", done.stdout);
    assert!(!format!("{}{}", done.stdout, done.stderr).to_lowercase().contains("canary"), "{}", done.stdout);
}

/// Every text of a list replaced by one that must not come out, and in every object a key that is a person.
fn replaced(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with('/') => {
            json!(format!("/csp/gateway/canary{text}/canary?canary#canary"))
        }
        Value::String(text) if text.contains('@') => json!(format!("canary.{text}")),
        Value::String(text) => json!(format!("{text}-canary")),
        Value::Array(items) => items.iter().map(replaced).collect(),
        Value::Object(object) => {
            let mut object: serde_json::Map<_, _> =
                object.iter().map(|(key, value)| (key.clone(), replaced(value))).collect();
            for key in ["canary@example.com", "canary key", "canary-1234", "", "<canary>"] {
                object.insert(key.to_owned(), json!({"canary@example.com": ["canary", {"canary ": 1_234_567}]}));
            }
            object.into()
        }
        other => other.clone(),
    }
}

#[tokio::test]
async fn nothing_of_a_whole_list_comes_out_with_a_canary_in_every_text_and_key() {
    let options = Options { invitations: 60, speed: 0.0, ..Options::default() };
    let (simulator, settings, folder) = simulated(1, "interval: 60s", options).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let token: Value = http
        .post(format!("{}/csp/gateway/am/api/auth/token", settings.url))
        .basic_auth(&settings.client_id, Some(simulator.client_secret()))
        .form(&[("grant_type", "client_credentials")])
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let list = format!(
        "{}/csp/gateway/am/api/orgs/{}/invitations?expand&expandCustomGroups=true",
        settings.url, settings.ids[0]
    );
    let list = http.get(list).bearer_auth(token["access_token"].as_str().unwrap()).send().await.unwrap();
    let list: Vec<Value> = list.json().await.unwrap();
    let with_groups = list.iter().filter(|one| one["customGroups"][0]["organizationRoles"][0]["name"].is_string());
    assert!(with_groups.count() > 5, "the list is as rich as it can be");
    serve(&simulator, 0, &list.iter().map(replaced).collect::<Vec<_>>());
    let done = shape(&folder).await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.contains(&format!("{0} elements, {0} of them objects", list.len())), "{}", done.stdout);
    assert!(done.stdout.contains("[].customGroups[].organizationRoles[].<masked>"), "{}", done.stdout);
    let said = format!("{}{}", done.stdout, done.stderr);
    assert!(!said.to_lowercase().contains("canary") && !said.contains('@') && !said.contains("1234567"), "{said}");
}

#[tokio::test]
async fn the_verdicts_name_each_variant_of_the_simulated_service() {
    let options = Options { invitations: 80, speed: 0.0, ..Options::default() };
    let (simulator, _, folder) = simulated(1, "interval: 60s", options).await;
    for (scenario, words) in [
        (Scenario::Steady, "confirmed: the list has the fields of today"),
        (Scenario::Api2020, "refuted: the list has the fields of today: it looks like the API of 2020"),
        (Scenario::Seconds, "refuted: generatedAt is in seconds, not in milliseconds"),
        (Scenario::Rfc3339, "refuted: generatedAt is in RFC 3339, not in milliseconds"),
        (Scenario::Nulls, "refuted: status is there in each invitation: "),
        (Scenario::CamelCase, "in another case (camel-case)"),
        (Scenario::Wrapped, "refuted: the list is wrapped in an object, as `results`"),
    ] {
        simulator.set_scenario(scenario);
        let done = shape(&folder).await;
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert!(done.stdout.contains(words), "{words}\n{}", done.stdout);
        assert_eq!(done.stdout.contains("refuted"), scenario != Scenario::Steady, "{}", done.stdout);
    }
}

#[tokio::test]
async fn headers_and_pages_of_a_firewall_are_told_without_their_content() {
    let page = response(200, "content-type: text/html; x=canary\r\nset-cookie: canary\r\n", "<html>canary</html>");
    let fake = Fake::lists(move |_, _| Answer::Keep(page.clone())).await;
    let done = shape(&Settings::new(&fake.url, 1).folder()).await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    for line in ["content-type: text/html; <masked>", "set-cookie", "refuted: the answer is JSON"] {
        assert!(done.stdout.contains(line), "{line}\n{}", done.stdout);
    }
    assert!(!done.stdout.contains("canary"), "{}", done.stdout);
    let refusing = Fake::lists(|_, _| answer(403, r#"{"message":"canary"}"#)).await;
    let done = shape(&Settings::new(&refusing.url, 1).folder()).await;
    assert_eq!(done.code, Some(1));
    assert!(done.stdout.contains("no answer: forbidden (invitations, status 403)"), "{}", done.stdout);
    assert!(!done.stdout.contains("canary") && !done.stdout.contains(&refusing.url), "{}", done.stdout);
}

#[tokio::test]
async fn a_credential_of_another_console_is_explained() {
    let (_one, _, folder) = simulated(1, "interval: 60s", Options { seed: 1, ..Options::default() }).await;
    let (other, _, _) = simulated(1, "interval: 60s", Options { seed: 2, ..Options::default() }).await;
    // The credential of one console, asked at the other.
    let config = folder.read("config.yaml");
    let url = config.split("url: ").nth(1).unwrap().split(',').next().unwrap().to_owned();
    folder.write("config.yaml", &config.replace(&url, &other.base_url()));
    folder.write("secret", "secret-of-the-first-console");
    let done = run(&["check", "--online", "--config.file", &folder.path("config.yaml")], &[]).await;
    assert_eq!(done.code, Some(1), "{}", done.stdout);
    for words in [
        "the credential may belong to another console",
        &format!("{} was asked", other.base_url()),
        "https://console.cloud.vmware.com",
        "https://console.tanzu.broadcom.com",
        "https://console.cloud-us-gov.vmware.com",
    ] {
        assert!(done.stdout.contains(words), "{words}\n{}", done.stdout);
    }
    assert!(!done.stdout.contains("secret-of-the-first-console"));
}

#[tokio::test]
async fn an_organization_whose_secret_is_missing_leaves_the_others_their_report() {
    let (_simulator, _, folder) = simulated(2, "interval: 60s", Options::default()).await;
    let config = folder.read("config.yaml");
    let (first, last) = config.rsplit_once("credentials: app").unwrap();
    let last = format!("{first}credentials: missing{last}");
    folder
        .write("config.yaml", &last.replace("credentials:\n", "credentials:\n  missing: {api_token_file: nowhere}\n"));
    let done = shape(&folder).await;
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    assert_eq!(done.stdout.matches("confirmed: a poll can read the answer").count(), 1, "{}", done.stdout);
    assert!(done.stdout.contains("organization 2\n  no answer: credentials"), "{}", done.stdout);
    assert!(done.stderr.contains("credentials.missing: the secret file"), "{}", done.stderr);
}

#[tokio::test]
async fn the_report_needs_the_network() {
    assert_eq!(run(&["check", "--shape"], &[]).await.code, Some(64));
}
