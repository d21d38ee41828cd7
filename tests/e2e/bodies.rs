//! Answers with status 200 that are not what was promised.

use serde_json::{Value, json};

use crate::binary::{Exporter, eventually};
use crate::fake::{Answer, Fake, json as answer, response};
use crate::scrape::Scrape;
use crate::setup::Settings;

const GOOD: &str = r#"[{"username":"a@example.com","status":"REDEEMED","orgRoleNames":["org_member"]},{"username":"b@example.com","status":"REVOKED"}]"#;

/// A good list, and from the second poll on what `bad` says: the scrape after a poll that failed for `reason`.
async fn after(reason: &'static str, bad: impl Fn() -> Answer + Send + Sync + 'static) -> (Fake, Scrape) {
    let fake = Fake::lists(move |_, n| if n == 0 { answer(200, GOOD) } else { bad() }).await;
    let settings = Settings::new(&fake.url, 1).poll("interval: 2s, stale_after: 10m");
    let exporter = Exporter::start(&settings.folder(), &[]).await;
    let first = exporter.until("the first poll is good", |scrape| scrape.up("one") == Some(1.0)).await;
    let failed = exporter.until(reason, |scrape| scrape.failures("one", reason) >= 1.0).await;
    assert_eq!(failed.up("one"), Some(0.0), "{reason}");
    assert!(failed.is_in_state("one", "held"), "{reason}");
    for family in ["csp_invitations", "csp_invitations_by_role", "csp_invitations_by_role_and_group"] {
        assert_eq!(first.all(family, &[]), failed.all(family, &[]), "the last good data stays: {family}");
    }
    let success = "csp_poll_last_success_timestamp_seconds";
    assert_eq!(first.all(success, &[]), failed.all(success, &[]), "{reason}");
    (fake, failed)
}

#[tokio::test]
async fn a_page_with_status_200_fails_as_decode_and_the_last_good_data_stays() {
    let page = "<!DOCTYPE html><html><body>The requested URL was rejected.</body></html>";
    after("decode", move || Answer::Keep(response(200, "content-type: text/html\r\n", page))).await;
}

#[tokio::test]
async fn json_that_ends_early_in_a_complete_answer_fails_as_decode() {
    for end in [GOOD.len() - 1, 100, 20] {
        after("decode", move || answer(200, &GOOD[..end])).await;
    }
}

#[tokio::test]
async fn a_body_whose_connection_is_cut_fails_as_body_after_every_attempt() {
    let whole = || response(200, "content-type: application/json\r\n", GOOD);
    let (fake, scrape) = after("body", move || Answer::Close(whole()[..whole().len() - 30].to_vec())).await;
    assert!(fake.list_requests(1).len() >= 4, "one good poll, and three attempts of the bad one");
    assert!(scrape.count("csp_api_retries_total", &[("operation", "invitations")]) >= 2.0);
}

#[tokio::test]
async fn an_object_in_place_of_the_list_fails_as_decode() {
    after("decode", || answer(200, &format!(r#"{{"results":{GOOD},"totalResults":2}}"#))).await;
}

#[tokio::test]
async fn the_log_names_the_key_that_wraps_the_list_and_nothing_that_could_be_a_person() {
    let bodies = [r#"{"totalResults":0,"results":[]}"#, r#"{"qwxz@example.com":[{"username":"qwxz@example.com"}]}"#];
    for (body, key) in bodies.into_iter().zip(["results", ""]) {
        let fake = Fake::lists(move |_, _| answer(200, body)).await;
        let exporter = Exporter::start(&Settings::new(&fake.url, 1).folder(), &[]).await;
        let scrape = exporter.polled(&["one"]).await;
        assert_eq!(scrape.failures("one", "decode"), 1.0);
        eventually("the line is there", async || exporter.logged(&["JSON object", key]).pop()).await;
        assert_eq!(exporter.logged(&["qwxz"]), Vec::<String>::new());
    }
}

#[tokio::test]
async fn more_behind_the_end_of_the_list_fails_as_decode() {
    after("decode", || answer(200, &format!("{GOOD}{GOOD}"))).await;
}

/// The scrape after one poll of this list.
async fn counted(list: Value) -> Scrape {
    let fake = Fake::lists(move |_, _| answer(200, &list.to_string())).await;
    let exporter = Exporter::start(&Settings::new(&fake.url, 1).folder(), &[]).await;
    let scrape = exporter.polled(&["one"]).await;
    assert_eq!(scrape.up("one"), Some(1.0));
    scrape
}

fn anomalies(scrape: &Scrape, kind: &str) -> Option<f64> {
    scrape.get("csp_decode_anomalies", &[("organization", "one"), ("kind", kind)])
}

#[tokio::test]
async fn a_wrong_type_in_an_optional_field_counts_as_not_set() {
    let wrong = [
        ("generatedAt", json!("yesterday")),
        ("expirationTime", json!({ "seconds": 5 })),
        ("orgRoleNames", json!("org_owner")),
        ("customGroupsIds", json!({})),
        ("customRoles", json!(7)),
        ("serviceRolesDtos", json!(true)),
        ("username", json!(["a"])),
        ("refLink", json!(12)),
    ];
    let count = wrong.len() as f64;
    let list = wrong.map(|(field, value)| {
        let mut invitation = json!({ "username": "a@example.com", "status": "REDEEMED", "refLink": field });
        invitation[field] = value;
        invitation
    });
    let scrape = counted(Value::Array(list.to_vec())).await;
    assert_eq!(scrape.get("csp_invitations", &[("status", "redeemed")]), Some(count), "each element still counts");
    assert_eq!(scrape.invitations("one"), Some(count));
    assert_eq!(anomalies(&scrape, "malformed_field"), Some(count));
    assert_eq!(anomalies(&scrape, "missing_identity"), Some(1.0));
    assert_eq!(scrape.all("csp_invitations_by_role", &[]).len(), 0);
}

#[tokio::test]
async fn an_element_that_is_no_object_counts_once_as_unknown_and_harms_no_other() {
    let scrape = counted(json!([null, { "status": "REVOKED", "refLink": "r" }, 42, "invitation", [{}], true])).await;
    assert_eq!(scrape.get("csp_invitations", &[("status", "unknown")]), Some(5.0));
    assert_eq!(scrape.get("csp_invitations", &[("status", "revoked")]), Some(1.0));
    assert_eq!(anomalies(&scrape, "malformed_field"), Some(5.0));
}

#[tokio::test]
async fn names_reach_the_scrape_through_the_gate_and_people_never() {
    let body = r#"[{"username":"qwxz\u0007@example.com\ud800","status":"AVAILABLE","orgRoleNames":["ops\u001b[31m","ops\ud800[31m"],
        "customGroups":[{"id":"g\u0000","displayName":"Gr\u00fc\u0085\u00dfe","groupType":"T\n","domain":"d\u007f"}]}]"#;
    let fake = Fake::start(move |request, _| match request.path.as_str() {
        path if path.ends_with("/auth/token") => answer(200, r#"{"access_token":"t","expires_in":1800}"#),
        path if path.contains("/invitations") => answer(200, body),
        _ => answer(200, r#"{"displayName":"Ac\u0000me \ud800\u202e","name":"x\udfff"}"#),
    })
    .await;
    let exporter = Exporter::start(&Settings::new(&fake.url, 1).folder(), &["--log.level", "debug"]).await;
    let named = [("display_name", "Ac\u{fffd}me \u{fffd}\u{202e}")];
    let is_named = |scrape: &Scrape| scrape.get("csp_organization_info", &named) == Some(1.0);
    let scrape = exporter.until("the name is there", is_named).await;
    assert_eq!(
        scrape.get("csp_invitations_by_role", &[("role", "ops\u{fffd}[31m"), ("status", "available")]),
        Some(1.0)
    );
    let info =
        [("group_id", "g\u{fffd}"), ("group", "Grü\u{fffd}ße"), ("group_type", "T\u{fffd}"), ("domain", "d\u{fffd}")];
    assert_eq!(scrape.get("csp_group_info", &info), Some(1.0));
    assert_eq!(anomalies(&scrape, "malformed_text"), Some(6.0));
    let page = exporter.get("/").await.1;
    let odd = |c: char| c.is_control() && c != '\n';
    for text in [&scrape.text, &page, &exporter.log.lock().concat()] {
        assert!(!text.contains("qwxz") && !text.contains(odd), "{text}");
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn whole(headers: &str, body: &[u8]) -> Answer {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    Answer::Keep([head.as_bytes(), body].concat())
}

#[tokio::test]
async fn answers_as_middle_boxes_make_them_are_read() {
    let members = [gzip(r#"[{"status":"REDEEMED"},"#), gzip(r#"{"status":"REDEEMED"}]"#)].concat();
    let lines: Vec<String> = (0..250).map(|number| format!("x-{number}: {}\r\n", "v".repeat(200))).collect();
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let fake = Fake::lists(move |organization, _| match organization {
        1 => whole("Content-Encoding: GZIP\r\n", &members),
        2 => whole("Content-Encoding: x-gzip\r\n", &members),
        3 => whole(&lines.concat(), br#"[{"status":"REDEEMED"},{"status":"REDEEMED"}]"#),
        _ => {
            let body = r#"[{"status":"REDEEMED"},{"status":"REDEEMED"}]"#;
            Answer::Keep(
                format!("{interim}HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes(),
            )
        }
    })
    .await;
    let exporter = Exporter::start(&Settings::new(&fake.url, 4).folder(), &[]).await;
    let names = ["one", "two", "three", "four"];
    let scrape = exporter.polled(&names).await;
    for name in names {
        assert_eq!((scrape.up(name), scrape.invitations(name)), (Some(1.0), Some(2.0)), "{name}");
    }
}

#[tokio::test]
async fn what_is_too_much_or_no_http_is_named_as_what_it_is() {
    let lines: Vec<String> = (0..400).map(|number| format!("x-{number}: v\r\n")).collect();
    let fake = Fake::lists(move |organization, _| match organization {
        1 => whole("content-encoding: br\r\n", b"[]"),
        2 => whole(&lines.concat(), b"[]"),
        _ => Answer::Close(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
    })
    .await;
    let exporter = Exporter::start(&Settings::new(&fake.url, 3).folder(), &[]).await;
    let cases =
        [("one", "decode", "Content-Encoding is br"), ("two", "too_large", "header"), ("three", "decode", "not HTTP")];
    let scrape = exporter.polled(&cases.map(|(name, ..)| name)).await;
    for (number, (name, reason, words)) in (1..).zip(cases) {
        assert_eq!(scrape.failures(name, reason), 1.0, "{name}");
        assert_eq!(fake.list_requests(number).len(), 1, "{name}: it would be the same again");
        let organization = format!("organization={name}");
        eventually(words, async || exporter.logged(&["poll failed", &organization, words]).pop()).await;
    }
}
