//! Files and environments, good and bad.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::environment::from_environment;
use super::*;

const ID: &str = "01234567-89ab-cdef-0123-456789abcdef";
const OTHER: &str = "11234567-89ab-cdef-0123-456789abcdef";

fn problems(source: &str) -> Vec<String> {
    match parse(source.as_bytes(), Path::new("/etc/csp")) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

/// `source` with an organization and its credential below.
fn with_organization(source: &str) -> String {
    format!("{source}credentials: {{a: {{api_token_file: a}}}}\norganizations: [{{id: {ID}, credentials: a}}]\n")
}

#[test]
fn a_minimal_file_gets_the_documented_defaults() {
    let config = parse(with_organization("").as_bytes(), Path::new("/etc/csp")).unwrap();
    let Config { api, expand, metrics, credentials, organizations, files: _, warnings } = config;
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(api.url.as_str(), "https://console.tanzu.broadcom.com/");
    assert_eq!((api.timeout, api.connect_timeout), (Duration::from_secs(30), Duration::from_secs(5)));
    assert_eq!((api.max_response_size, api.max_concurrent_requests, api.max_attempts), (1 << 30, 8, 3));
    assert_eq!(api.requests_per_second, Some(10.0));
    assert_eq!(api.token_path, "/csp/gateway/am/api/auth/token");
    assert!(expand.roles && expand.groups && metrics.joint && metrics.trusted_domains.is_none());
    assert_eq!((metrics.max_roles, metrics.max_groups, metrics.max_pairs), (200, 200, 200));
    assert_eq!(metrics.privileged_roles, ["org_owner", "org_admin"]);
    assert!(metrics.roles.allows("any\u{e9}") && metrics.groups.allows(""));
    let CredentialKind::ApiToken { token: Secret::File(path) } = &credentials[0].kind else {
        panic!("{credentials:?}")
    };
    assert_eq!(path, &PathBuf::from("/etc/csp/a"));
    let organization = &organizations[0];
    assert_eq!((organization.name.as_str(), organization.id.as_str()), (ID, ID));
    let times = [organization.interval, organization.deadline, organization.stale_after];
    assert_eq!(times.map(|time| time.as_secs()), [300, 240, 1200]);
}

#[test]
fn an_organizations_own_interval_moves_its_other_times() {
    let source = format!(
        "credentials: {{a: {{api_token_file: a}}}}\norganizations: [{{id: {ID}, credentials: a, interval: 10s}}]\n"
    );
    let organization = &parse(source.as_bytes(), Path::new("")).unwrap().organizations[0];
    let times = [organization.interval, organization.deadline, organization.stale_after];
    assert_eq!(times.map(|time| time.as_secs()), [10, 8, 40]);
}

#[test]
fn regular_expressions_match_whole_values() {
    let source = with_organization("metrics: {roles: {allow: [org_.*|dev], deny: [org_x]}}\n");
    let roles = parse(source.as_bytes(), Path::new("")).unwrap().metrics.roles;
    assert_eq!(
        ["org_a", "dev", "dev2", "my_org_a", "org_x"].map(|role| roles.allows(role)),
        [true, true, false, false, false]
    );
}

#[test]
fn impossible_settings_are_reported_all_at_once() {
    let source = "api:\n  url: https://u:hunter2@h/?q\n  timeout: 3s\n  connect_timeout: 4s\n  max_attempts: 0\n  token_path: t\n  \
                  proxy_url: ftp://hunter2\n  tls: {ca_only: true, cert_file: c}\npoll:\n  interval: 500ms\n  deadline: 6m\n  \
                  stale_after: 1m\nmetrics:\n  roles: {allow: [\"(\", 'a)(b']}\n  trusted_domains: [a@b.c, '*', Example.COM]\n";
    assert_eq!(
        problems(&with_organization(source)),
        [
            "line 2: api.url: must not contain a user name or password",
            "line 4: api.connect_timeout: must not be longer than api.timeout",
            "line 5: api.max_attempts: must be at least 1",
            "line 6: api.token_path: must start with one /",
            "line 7: api.proxy_url: expected a URL such as http://proxy:3128, with http, https, socks5 or socks5h",
            "line 8: api.tls.ca_only: needs ca_file",
            "line 8: api.tls.cert_file: needs key_file beside it",
            "line 10: poll.interval: must be at least 1s",
            "line 11: poll.deadline: must be below poll.interval",
            "line 12: poll.stale_after: must be at least poll.interval",
            "line 14: metrics.roles.allow[0]: not a regular expression, or one that is too large",
            "line 14: metrics.roles.allow[1]: not a regular expression, or one that is too large",
            "line 15: metrics.trusted_domains[0]: expected a domain such as example.com or *.example.com",
            "line 15: metrics.trusted_domains[1]: expected a domain such as example.com or *.example.com",
        ]
    );
}

#[test]
fn credentials_and_organizations_must_fit_together() {
    let source = format!(
        "poll: {{deadline: 20s, stale_after: 10m}}\ncredentials:\n  one: {{api_token: hunter2}}\n  two: {{client_id: x, client_secret: hunter2}}\n  \
         three: {{api_token_file: a, client_id: b, client_secret_file: c}}\n  acme-app: {{client_id: b, client_secret_file: c}}\n\
         organizations:\n  - {{id: {ID}, name: acme, credentials: acme-ap}}\n  - {{id: {upper}, name: acme, credentials: one}}\n  \
         - {{id: hunter2, credentials: hunter2hunter2, interval: 5s}}\n  - {{id: {OTHER}, name: \"a\\nb\", credentials: acme-app, interval: 1h}}\n",
        upper = ID.to_uppercase()
    );
    let inline = "a secret does not belong into this file: put it into one of its own and name that in";
    assert_eq!(
        problems(&source),
        [
            &format!("line 3: credentials.one.api_token: {inline} api_token_file"),
            "line 3: credentials.one: needs either api_token_file, or client_id and client_secret_file",
            &format!("line 4: credentials.two.client_secret: {inline} client_secret_file"),
            "line 4: credentials.two: client_id needs client_secret_file beside it",
            "line 5: credentials.three: api_token_file and client_id with client_secret_file exclude each other",
            "line 8: organizations[0].credentials: no credential has this name; did you mean acme-app?",
            "line 9: organizations[1].id: the same id as organizations[0]",
            "line 9: organizations[1].name: the same name as organizations[0]",
            "line 10: organizations[2].id: must be a GUID such as 01234567-89ab-cdef-0123-456789abcdef",
            "line 10: organizations[2].credentials: no credential has this name; there are one, two, three, acme-app",
            "line 10: organizations[2].interval: must be longer than poll.deadline",
            "line 11: organizations[3].name: must be 1 to 128 characters without control characters",
            "line 11: organizations[3].interval: must not be longer than poll.stale_after",
        ]
    );
}

#[test]
fn a_group_of_an_organization_is_an_entry_of_its_own() {
    let entries = |entries: &str| {
        let source = format!("credentials: {{a: {{api_token_file: a}}}}\norganizations:\n{entries}");
        parse(source.as_bytes(), Path::new("")).map_err(|problems| problems.to_string())
    };
    let config = entries(&format!(
        "  - {{id: {ID}, credentials: a}}\n  - {{id: {ID}, name: g, credentials: a, custom_group_id: 77aa-b}}\n  \
         - {{id: {ID}, name: upper, credentials: a, custom_group_id: 77AA-B}}\n  \
         - {{id: {OTHER}, credentials: a, custom_group_id: 77aa-b}}\n"
    ));
    let keys: Vec<_> = config.unwrap().organizations.iter().map(|one| one.key().to_string()).collect();
    assert_eq!(keys, [ID.to_owned(), format!("{ID}/77aa-b"), format!("{ID}/77AA-B"), format!("{OTHER}/77aa-b")]);

    let long = "x".repeat(65);
    let problems = entries(&format!(
        "  - {{id: {ID}, credentials: a}}\n  - {{id: {ID}, credentials: a, custom_group_id: g}}\n  \
         - {{id: {upper}, name: twice, credentials: a, custom_group_id: g}}\n  \
         - {{id: {ID}, name: b, credentials: a, custom_group_id: a/b}}\n  \
         - {{id: {ID}, name: c, credentials: a, custom_group_id: {long}}}\n  \
         - {{id: {ID}, name: d, credentials: a, custom_group_id: \"\"}}\n",
        upper = ID.to_uppercase()
    ));
    assert_eq!(
        problems.unwrap_err(),
        "line 4: organizations[1].id: the same name as organizations[0]: without a name the id is the name, so give it one\n\
         line 5: organizations[2].id: the same id and custom_group_id as organizations[1]\n\
         line 6: organizations[3].custom_group_id: must be 1 to 64 letters, digits and hyphens\n\
         line 7: organizations[4].custom_group_id: must be 1 to 64 letters, digits and hyphens\n\
         line 8: organizations[5].custom_group_id: must not be empty"
    );
}

#[test]
fn a_file_without_organizations_is_refused() {
    assert_eq!(problems(""), ["line 1: organizations: is missing: at least one organization must be listed"]);
    assert_eq!(problems("organizations: []\n"), ["line 1: organizations: at least one organization must be listed"]);
}

fn environment(variables: &[(&str, &str)]) -> Result<Option<Config>, String> {
    let variables: HashMap<_, _> = variables.iter().copied().collect();
    from_environment(&|name| variables.get(name).map(OsString::from)).map_err(|problems| problems.to_string())
}

#[test]
fn the_environment_can_name_organizations_with_one_credential() {
    let ids = format!("{ID}, {OTHER}");
    let config = environment(&[
        ("CSP_ORGANIZATION_ID", &ids),
        ("CSP_CLIENT_ID", "app"),
        ("CSP_CLIENT_SECRET", "hunter2\n"),
        ("CSP_API_TOKEN", ""),
        ("CSP_URL", "http://127.0.0.1:1"),
    ])
    .unwrap()
    .unwrap();
    assert_eq!(config.api.url.as_str(), "http://127.0.0.1:1/");
    assert_eq!(config.organizations.iter().map(|o| o.name.as_str()).collect::<Vec<_>>(), [ID, OTHER]);
    assert!(!format!("{config:?}").contains("hunter2"));
    let CredentialKind::OAuthApp { client_secret: Secret::Inline(secret), .. } = &config.credentials[0].kind else {
        panic!("{:?}", config.credentials)
    };
    assert_eq!(secrecy::ExposeSecret::expose_secret(secret), "hunter2");
    assert!(environment(&[]).unwrap().is_none());
}

#[test]
fn contradicting_variables_are_reported_without_their_values() {
    let id = ("CSP_ORGANIZATION_ID", ID);
    let both =
        environment(&[id, ("CSP_API_TOKEN", "hunter2"), ("CSP_CLIENT_ID", "x"), ("CSP_CLIENT_SECRET", "hunter2")]);
    assert_eq!(both.unwrap_err(), "an API token and a client are both given: unset the variables of one of them");
    let twice = environment(&[id, ("CSP_API_TOKEN", "hunter2"), ("CSP_API_TOKEN_FILE", "f")]);
    assert_eq!(twice.unwrap_err(), "CSP_API_TOKEN: is set beside CSP_API_TOKEN_FILE: unset one of them");
    let none = environment(&[("CSP_ORGANIZATION_ID", "hunter2"), ("CSP_URL", "hunter2")]).unwrap_err();
    assert!(
        none.contains("CSP_URL: expected a URL") && none.contains("item 1 must be a GUID") && none.lines().count() == 3
    );
    assert!(!none.contains("hunter2"));
}

#[tokio::test]
async fn a_file_goes_before_an_organization_in_the_environment() {
    let set = |name: &str| (name == "CSP_ORGANIZATION_ID").then(|| OsString::from(ID));
    let nonexistent = Some(Path::new("/nonexistent"));
    let problems = obtain(nonexistent, &set).await.unwrap_err().to_string();
    assert!(problems.starts_with("/nonexistent can't be read"), "{problems}");
    assert!(is_overruled(nonexistent, &set));
    assert!(!is_overruled(None, &set) && !is_overruled(nonexistent, &|_| None));
    let problems = obtain(None, &|_| None).await.unwrap_err().to_string();
    assert!(problems.contains("give --config.file, or set CSP_ORGANIZATION_ID"), "{problems}");
    let problems = obtain(Some(Path::new("/nonexistent")), &|_| None).await.unwrap_err().to_string();
    assert!(problems.starts_with("/nonexistent can't be read"), "{problems}");
}

#[test]
fn values_of_variables_are_trimmed_and_obey_the_rules_of_the_file() {
    let id = ("CSP_ORGANIZATION_ID", " 00000000-0000-4000-8000-000000000001\n");
    let config = environment(&[id, ("CSP_CLIENT_ID", "app\r\n"), ("CSP_CLIENT_SECRET", " s\n"), ("CSP_URL", " ")]);
    let config = config.unwrap().unwrap();
    assert_eq!(config.organizations[0].id, "00000000-0000-4000-8000-000000000001");
    let CredentialKind::OAuthApp { client_id, client_secret: Secret::Inline(secret) } = &config.credentials[0].kind
    else {
        panic!("an OAuth app")
    };
    assert_eq!((client_id.as_str(), secrecy::ExposeSecret::expose_secret(secret)), ("app", "s"));
    assert_eq!(config.api.url, Config::with_defaults().api.url);
    let wrong = environment(&[id, ("CSP_CLIENT_ID", "a:b"), ("CSP_CLIENT_SECRET", "s")]).unwrap_err();
    assert!(wrong.contains("CSP_CLIENT_ID") && wrong.contains("colon") && !wrong.contains("a:b"), "{wrong}");
    let torn = environment(&[id, ("CSP_CLIENT_ID", "a\u{1}b"), ("CSP_CLIENT_SECRET", "s")]).unwrap_err();
    assert!(torn.contains("CSP_CLIENT_ID") && torn.contains("control"), "{torn}");
    assert!(environment(&[("CSP_ORGANIZATION_ID", "\n")]).unwrap().is_none());
}
