//! Secrets and personal data carry a mark here, and the mark is looked for in everything that leaves the process.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::exporter::{Exporter, eventually, run};
use crate::fake::{Answer, Fake, Request, json, response};
use crate::scrape::Scrape;
use crate::setup::{Folder, NAMES, id};

/// In each secret and in each personal datum.
const MARK: &str = "kanari";
const SCENARIOS: usize = 12;
const ACCEPTS: [&str; 6] = [
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
    "application/openmetrics-text;version=1.0.0",
    "application/openmetrics-text;version=0.0.1",
    "text/plain;version=1.0.0;escaping=allow-utf-8",
    "text/plain;version=0.0.4",
    "*/*",
];

fn invitations(n: usize) -> String {
    let person = |what: &str| format!("{MARK}-{what}-{n}@example.com");
    let invitation = serde_json::json!({
        "username": person("user"),
        "status": (["AVAILABLE", "REDEEMED", "REVOKED"][n % 3]),
        "generatedAt": 1_700_000_000_000_i64,
        "generatedBy": person("by"),
        "invitedByUsername": person("inviter"),
        "redeemedBy": person("redeemer"),
        "revokedBy": format!("{MARK}-client-{n}"),
        "refLink": format!("/csp/gateway/am/api/orgs/o/invitations/{MARK}-ref-{n}"),
        "invitationLink": format!("https://console/join?{MARK}-link-{n}"),
        "orgRoleNames": ["org_member"],
        "organizationRoles": [{ "name": "org_owner", "createdBy": person("creator"), "lastUpdatedBy": person("updater") }],
        "customGroups": [{ "id": "g", "displayName": "Group", "description": person("description") }],
    });
    format!("[{invitation}]")
}

/// What an organization's list is; one scenario for each.
fn list(organization: usize, n: usize) -> Answer {
    let good = invitations(n);
    let refusal = |status| {
        let body = format!(
            r#"{{"cspErrorCode":"{MARK} code with blanks","message":"{MARK}-message","moduleCode":540,"requestId":"r"}}"#
        );
        Answer::Keep(response(
            status,
            &format!("content-type: application/json\r\ncsp-request-id: {MARK} id\r\n"),
            &body,
        ))
    };
    match organization {
        1 | 50.. => json(200, &good),
        2 => refusal(401),
        3 => refusal(403),
        4 => refusal(500),
        5 => Answer::Keep(response(200, "content-type: text/html\r\n", &format!("<html>{MARK}</html>"))),
        6 => json(200, &good[..good.len() - 20]),
        7 => Answer::Close(response(200, "", &good)[..200].to_vec()),
        8 => Answer::Keep(response(302, &format!("location: https://x/?{MARK}\r\n"), MARK)),
        9 => json(200, &format!(r#"[{{"status":["{MARK}"],"username":7}},"{MARK}"]"#)),
        10 => Answer::Close(format!("{MARK} no http at all\r\n\r\n").into_bytes()),
        11 => Answer::Keep(response(429, "retry-after: kanari\r\n", MARK)),
        _ => json(200, &format!(r#"{{"{MARK}":"{MARK}"}}"#)),
    }
}

/// Exchanges of `app` go well; those of `refused` are answered with what was sent, as the service does it.
fn upstream(request: &Request, n: usize) -> Answer {
    let echo = |status| {
        let body = serde_json::json!({
            "cspErrorCode": "csp.token", "moduleCode": "540",
            "message": format!("invalid token: {}{:?}", request.body, request.headers.get("authorization")),
        });
        json(status, &body.to_string())
    };
    let granted =
        || json(200, &format!(r#"{{"access_token":"{MARK}-access-{n}","refresh_token":"{MARK}","expires_in":4}}"#));
    match (&request.path, request.organization()) {
        (path, _) if path.ends_with("/details") => echo([404, 200][n % 2]),
        (path, _) if path.ends_with("/api-tokens/authorize") => {
            if request.body.contains("refused") {
                echo([400, 404, 200][n % 3])
            } else {
                granted()
            }
        }
        (path, None) if path.ends_with("/auth/token") => {
            if n % 5 == 4 {
                echo(500)
            } else {
                granted()
            }
        }
        (path, Some(organization)) if path.ends_with("/invitations") => list(organization, n),
        (_, Some(3)) => echo(403),
        _ => json(200, &format!(r#"{{"displayName":"A Name","refLink":"{MARK}"}}"#)),
    }
}

fn yaml(url: &str, more: &str) -> String {
    let mut yaml = format!(
        "api: {{url: {url}, requests_per_second: 0, timeout: 2s, max_attempts: 2{more}}}\npoll: {{interval: 2s}}\nmetrics: {{trusted_domains: [a.org]}}\ncredentials:\n  app: {{client_id: app, client_secret_file: secret}}\n  token: {{api_token_file: token}}\n  refused: {{api_token_file: refused}}\n  missing: {{api_token_file: missing}}\norganizations:\n"
    );
    for number in 1..=SCENARIOS {
        yaml.push_str(&format!("  - {{id: {}, name: o{number}, credentials: app}}\n", id(number)));
    }
    for (number, (name, credentials)) in (50..).zip(NAMES.into_iter().zip(["token", "refused", "missing"])) {
        yaml.push_str(&format!("  - {{id: {}, name: {name}, credentials: {credentials}}}\n", id(number)));
    }
    yaml
}

/// Configurations that are refused, with secrets where they do not belong.
fn bad_files() -> Vec<String> {
    let good = yaml("http://localhost:1", "");
    let replaced = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replace(from, to)
    };
    vec![
        format!("{MARK}: [1, 2"),
        format!("{good}  - {MARK}\n\t{MARK}"),
        replaced("client_secret_file: secret", &format!("client_secret: {MARK}-secret")),
        replaced("api_token_file: token", &format!("api_token: {MARK}-token")),
        replaced("api_token_file: token", &format!("api_token_file: [{MARK}-token]")),
        replaced("timeout: 2s", &format!("timeout: {MARK}")),
        replaced("timeout: 2s", &format!("proxy_url: 'ftp://u:{MARK}@proxy'")),
        replaced("url: http://localhost:1", &format!("url: 'https://u:{MARK}@host'")),
        replaced("trusted_domains: [a.org]", &format!("roles: {{allow: ['({MARK}']}}")),
        replaced("credentials: app", &format!("credentials: {MARK}")),
        replaced(&id(1), MARK),
    ]
}

/// The mark as it is, and encoded with every alignment.
fn needles() -> Vec<Vec<u8>> {
    let mut needles = vec![MARK.as_bytes().to_vec()];
    for shift in 0..3 {
        for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let encoded = engine.encode(format!("{}{MARK}", &"xx"[..shift.min(2)]));
            // The first characters depend on what is before it, the last ones on what is behind.
            let inner = encoded.trim_end_matches('=')[[0, 2, 3][shift]..].to_owned();
            needles.push(inner.as_bytes()[..inner.len() - 1].to_vec());
        }
    }
    needles
}

fn assert_clean(what: &str, bytes: &[u8]) {
    let lower = bytes.to_ascii_lowercase();
    let at = lower.windows(MARK.len()).position(|window| window == MARK.as_bytes()).or_else(|| {
        needles().iter().find_map(|needle| bytes.windows(needle.len()).position(|window| window == needle.as_slice()))
    });
    if let Some(at) = at {
        let around = &bytes[at.saturating_sub(200)..(at + 100).min(bytes.len())];
        panic!("{what} tells a secret: {}", String::from_utf8_lossy(around));
    }
}

async fn every_page(exporter: &Exporter) {
    for accept in ACCEPTS {
        let answer = exporter.http.get(exporter.url("/metrics")).header("accept", accept).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        assert_clean(accept, format!("{:?}", answer.headers()).as_bytes());
        assert_clean(accept, &answer.bytes().await.unwrap());
    }
    for path in ["/", "/?state=trouble", "/api/v1/status", "/healthz", "/readyz", "/nothing", "/style.css"] {
        assert_clean(path, exporter.get(path).await.1.as_bytes());
    }
}

fn folder(url: &str, more: &str) -> Folder {
    let folder = Folder::new();
    folder.write("secret", &format!("{MARK}-client-secret\n"));
    folder.write("token", &format!("{MARK}-api-token\n"));
    folder.write("refused", &format!("refused-{MARK}\n"));
    folder.write("config.yaml", &yaml(url, more));
    let hash = bcrypt::hash(format!("{MARK}-password"), 4).unwrap();
    folder.write("web.yml", &format!("basic_auth_users: {{alice: '{hash}'}}\n"));
    folder
}

/// Runs through everything that can go wrong, in one format of the log.
async fn nothing_is_told(format: &str) {
    let fake = Fake::start(upstream).await;
    let folder = folder(&fake.url, "");
    let state = folder.path("state");
    let flags = ["--log.level", "trace", "--log.format", format, "--state.dir", &state];
    let mut exporter = Exporter::start(&folder, &flags).await;
    let settled = |scrape: &Scrape| {
        let polls = |name: &str| scrape.count("csp_polls_total", &[("organization", name)]) >= 2.0;
        (1..=SCENARIOS).all(|number| polls(&format!("o{number}"))) && NAMES[..3].iter().all(|name| polls(name))
    };
    let scrape = exporter.until("everybody was polled twice", settled).await;
    assert_eq!((scrape.up("o1"), scrape.up("one"), scrape.up("o9")), (Some(1.0), Some(1.0), Some(1.0)));
    let failed = scrape.all("csp_up", &[]).iter().filter(|sample| sample.value < 0.5).count();
    assert!(failed >= 10, "the scenarios do what they are for: {failed}");
    every_page(&exporter).await;
    for bad in bad_files() {
        folder.write("config.yaml", &bad);
        let (status, reason) = exporter.reload().await;
        assert_eq!(status, 500, "{bad}");
        assert_clean("the answer to a reload", reason.as_bytes());
        assert!(!reason.is_empty());
    }
    exporter.signal("HUP").await;

    // The same over a proxy whose address holds a password: through it, and with nobody there.
    let proxy = fake.url.strip_prefix("http://").unwrap();
    for proxy in [proxy, "localhost:1"] {
        folder.write(
            "config.yaml",
            &yaml("http://nowhere.invalid", &format!(", proxy_url: 'http://u:{MARK}-proxy@{proxy}'")),
        );
        assert_eq!(exporter.reload().await.0, 200);
        let up = if proxy == "localhost:1" { 0.0 } else { 1.0 };
        exporter.until("polls go the new way", |scrape| scrape.up("o1") == Some(up)).await;
        every_page(&exporter).await;
    }
    let through = |request: &Request| request.headers.contains_key("proxy-authorization");
    assert!(fake.requests("/invitations").iter().any(through), "the password was used");

    exporter.signal("TERM").await;
    assert_eq!(exporter.ended().await.code(), Some(0));
    eventually("the log is complete", async || exporter.logged(&["stopped"]).pop()).await;
    let log = exporter.log.lock().join("\n");
    assert!(log.contains("debug"), "the log is as talkative as it can be");
    assert_clean("the log", log.as_bytes());
    let mut files = 0;
    for entry in std::fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        assert_clean(path.to_str().unwrap(), &std::fs::read(&path).unwrap());
        files += 1;
    }
    assert!(files > 0);
}

#[tokio::test]
async fn nothing_secret_or_personal_is_told_with_a_logfmt_log() {
    nothing_is_told("logfmt").await;
}

#[tokio::test]
async fn nothing_secret_or_personal_is_told_with_a_json_log() {
    nothing_is_told("json").await;
}

#[tokio::test]
async fn nothing_secret_or_personal_is_told_by_commands_that_end() {
    let fake = Fake::start(upstream).await;
    let folder = folder(&fake.url, "");
    let (config, web) = (folder.path("config.yaml"), folder.path("web.yml"));
    let environment = [
        ("CSP_API_TOKEN", "kanari-token"),
        ("CSP_CLIENT_SECRET", "kanari-secret"),
        ("HTTP_PROXY", "http://u:kanari@localhost:1"),
    ];
    let mut runs = vec![
        (2, run(&["once", "--config.file", &config, "--log.level", "trace"], &[]).await),
        (0, run(&["--help"], &environment).await),
        (0, run(&["serve", "--help"], &environment).await),
        (0, run(&["once", "--help"], &environment).await),
        (64, run(&["serve", "--web.listen-address", "127.0.0.1:0"], &environment).await),
        (64, run(&["serve", "--config.file", &config, "--no-such-flag"], &environment).await),
    ];
    for bad in bad_files() {
        folder.write("config.yaml", &bad);
        runs.push((64, run(&["once", "--config.file", &config], &[]).await));
    }
    folder.write("config.yaml", &yaml(&fake.url, ""));
    folder.write("web.yml", "basic_auth_users: {alice: kanari-no-hash}\ntls_server_config: {key: kanari}\n");
    runs.push((64, run(&["serve", "--config.file", &config, "--web.config.file", &web], &[]).await));
    for (code, done) in runs {
        assert_eq!(done.code, Some(code), "{}", done.stderr);
        assert_clean("standard output", done.stdout.as_bytes());
        assert_clean("standard error", done.stderr.as_bytes());
    }
}

#[tokio::test]
async fn passwords_of_clients_are_told_to_nobody() {
    let fake = Fake::start(upstream).await;
    let folder = folder(&fake.url, "");
    let web = folder.path("web.yml");
    let exporter = Exporter::start(&folder, &["--log.level", "trace", "--web.config.file", &web]).await;
    for password in [format!("{MARK}-password"), format!("{MARK}-wrong")] {
        for path in ["/metrics", "/", "/nothing"] {
            let request = exporter.http.get(exporter.url(path)).basic_auth("alice", Some(&password));
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status().as_u16() == 401, password.ends_with("wrong"));
            assert_clean(path, &answer.bytes().await.unwrap());
        }
    }
    folder.write("web.yml", &format!("basic_auth_users: {{alice: {MARK}}}\n"));
    let (status, text) = exporter.get("/metrics").await;
    assert_eq!(status, 500);
    assert_clean("the answer with a broken web configuration", text.as_bytes());
    eventually("it is logged", async || exporter.logged(&["web"]).pop()).await;
    assert_clean("the log", exporter.log.lock().join("\n").as_bytes());
}

#[test]
fn the_mark_is_found_however_it_is_encoded() {
    for text in ["app:kanari-client-secret", "u:kanari", "xkanari99", "a KANARI"] {
        for bytes in [text.to_owned(), STANDARD.encode(text)] {
            if text.contains("KANARI") && bytes != text {
                continue;
            }
            assert!(std::panic::catch_unwind(|| assert_clean("it", bytes.as_bytes())).is_err(), "{bytes}");
        }
    }
}
