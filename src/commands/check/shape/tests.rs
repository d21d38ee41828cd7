//! Reports of lists as they may come, with canaries in everything that could be data.

use serde_json::{Value, json};

use super::*;

const GENERATED: i64 = 1_700_000_000_000;
const WEEK: i64 = 7 * 86_400_000;

fn invitation() -> Value {
    json!({
        "username": "canary@example.com", "status": "AVAILABLE", "generatedAt": GENERATED,
        "expirationTime": GENERATED + WEEK, "redeemedAt": 0, "revokedAt": null,
        "generatedBy": "canary", "invitedByUsername": "canary@example.com", "invitationLink": "https://canary/1",
        "refLink": "/csp/gateway/am/api/orgs/0b0a4a0e-1111-4222-8333-444455556666/invitations/canary-17",
        "orgRoleNames": ["org_owner", "canary_role"], "organizationRoles": [{"name": "org_member", "displayName": "canary"}],
        "customRoles": [], "customGroupsIds": ["canary"],
        "serviceRolesDtos": [{"serviceDefinitionLink": "/csp/gateway/slc/api/definitions/paid/canary%20x", "serviceRoleNames": ["canary:full"]}],
        "customGroups": [{"id": "canary", "displayName": "canary", "canary@example.com": 17,
            "organizationRoles": [{"name": "canary"}], "serviceRoles": [{"serviceDefinitionId": "canary 9", "serviceRoleNames": ["x"]}]}],
        "canary@example.com": {"canary key": "canary"}, "undocumented": 123,
    })
}

fn answer(body: &Value) -> Answer {
    Answer {
        version: "HTTP/2.0".to_owned(),
        status: 200,
        headers: vec![
            ("content-type".to_owned(), "application/json; charset=utf-8; canary=\"canary\"".to_owned()),
            ("content-encoding".to_owned(), "gzip, canary".to_owned()),
            ("set-cookie".to_owned(), "canary".to_owned()),
        ],
        body: serde_json::to_vec(body).unwrap(),
        first_byte: Duration::from_millis(120),
        total: Duration::from_millis(250),
    }
}

fn report(place: usize, answer: Result<&Answer, &str>) -> String {
    super::report(place, answer, &Arc::new(Criteria::new(&invitations::settings::Metrics::default())))
}

fn reported(body: &Value) -> String {
    let report = report(1, Ok(&answer(body)));
    assert!(!report.to_lowercase().contains("canary"), "{report}");
    report
}

#[test]
fn the_list_of_today_is_confirmed_and_shows_nobody() {
    let report = reported(&json!([invitation()]));
    for line in [
        "organization 1",
        "HTTP/2.0, status 200",
        "headers: content-encoding, content-type, set-cookie",
        "content-type: application/json; charset=utf-8; <masked>",
        "content-encoding: gzip, <masked>",
        "1 elements, 1 of them objects",
        "[].generatedAt 1: number of 13 digits  (read)",
        "[].customGroups[].organizationRoles[].name 1: string  (read)",
        "[].customGroups[].serviceRoles[].serviceRoleNames[] 1: string  (read)",
        "[].organizationRoles[].displayName 1: string  (known, not used)",
        "[].invitedByUsername 1: string  (read by `list`)",
        "[].undocumented 1: number of 3 digits  (unknown)",
        "[].<masked>.<masked> 1: string  (unknown)",
        "status words: AVAILABLE 1",
        "[].refLink: /csp/gateway/am/api/orgs/<guid>/invitations/<token of 9 characters> (1)",
        "roles: org_member 1, org_owner 1",
        "confirmed: a poll can read the answer\n",
        "confirmed: the answer is a bare JSON array",
        "confirmed: generatedAt is in milliseconds (1)",
        "confirmed: expirationTime comes 7.00 to 7.00 days after generatedAt",
        "confirmed: status words are among AVAILABLE, REDEEMED, REVOKED: AVAILABLE (1)",
        "confirmed: refLink is there in each invitation, and different in each",
        "confirmed: the list has the fields of today",
        "not seen: redeemedAt is nowhere set",
    ] {
        assert!(report.contains(line), "{line}\n{report}");
    }
    assert!(!report.contains("refuted"), "{report}");
}

#[test]
fn each_variant_of_the_api_is_named() {
    let change = |change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let mut invitation = invitation();
        change(invitation.as_object_mut().unwrap());
        reported(&json!([invitation]))
    };
    let seconds = change(&|one| {
        one.insert("generatedAt".to_owned(), json!(GENERATED / 1000));
        one.insert("expirationTime".to_owned(), json!((GENERATED + WEEK) / 1000));
    });
    assert!(seconds.contains("refuted: generatedAt is in seconds, not in milliseconds (1)"), "{seconds}");
    assert!(seconds.contains("7.00 to 7.00 days"), "{seconds}");
    let dates = change(&|one| drop(one.insert("generatedAt".to_owned(), json!("2023-11-14t22:13:20z"))));
    assert!(dates.contains("refuted: generatedAt is in RFC 3339"), "{dates}");
    for not_read in
        [json!("2023-11-14 22:13:20Z"), json!("1969-07-20T20:17:40Z"), json!(""), json!(GENERATED as f64 + 0.5)]
    {
        let odd = change(&|one| drop(one.insert("generatedAt".to_owned(), not_read.clone())));
        assert!(odd.contains("refuted: generatedAt is in something else"), "{not_read}: {odd}");
    }
    let old = change(&|one| {
        for key in ["orgRoleNames", "customRoles", "invitedByUsername"] {
            one.remove(key);
        }
    });
    assert!(
        old.contains("it looks like the API of 2020, without orgRoleNames, customRoles, invitedByUsername"),
        "{old}"
    );
    let recased = change(&|one| drop(one.insert("status".to_owned(), json!("Available"))));
    assert!(recased.contains("in another case (camel-case): <masked> (1)"), "{recased}");
    let nulls = change(&|one| {
        let kept = ["username", "status", "refLink"];
        one.iter_mut().filter(|(key, _)| !kept.contains(&key.as_str())).for_each(|(_, value)| *value = Value::Null);
    });
    assert!(nulls.contains("what is not set can be null ("), "{nulls}");
    let foreign = change(&|one| drop(one.insert("status".to_owned(), json!("PENDING"))));
    assert!(foreign.contains("refuted: there are status words beside"), "{foreign}");
    let mut other = invitation();
    other["status"] = json!("PENDING");
    let mixed = reported(&json!([invitation(), other]));
    assert!(mixed.contains("status words beside AVAILABLE, REDEEMED, REVOKED: PENDING (1)\n"), "{mixed}");
    let wrapped = reported(&json!({
        "results": [invitation()], "totalResults": 17, "nextLink": "/canary?canary", "canary@example.com": "canary",
    }));
    assert!(wrapped.contains("refuted: the list is wrapped in an object, as `results`"), "{wrapped}");
    for line in [
        "results[].generatedAt 1: number of 13 digits  (read)",
        "    totalResults 1: number of 2 digits  (unknown)",
        "    nextLink 1: string  (unknown)",
        "    <masked> 1: string  (unknown)",
    ] {
        assert!(wrapped.contains(line), "{line}\n{wrapped}");
    }
    let deep = reported(&json!({"data": {"items": [invitation()], "page": {"canary 1": "canary"}}}));
    for line in [
        "refuted: the list is wrapped in an object, as `data.items`",
        "data.items[].status 1: string  (read)",
        "data.page.<masked> 1: string  (unknown)",
        "confirmed: generatedAt is in milliseconds (1)",
    ] {
        assert!(deep.contains(line), "{line}\n{deep}");
    }
}

#[test]
fn what_is_no_list_is_said() {
    let page = Answer { body: b"<html>canary</html>".to_vec(), ..answer(&Value::Null) };
    let text = report(2, Ok(&page));
    assert!(text.contains("refuted: the answer is JSON (it is none after about 1 bytes)"), "{text}");
    let refused = Answer { status: 403, body: b"canary".to_vec(), ..answer(&Value::Null) };
    let text = report(2, Ok(&refused));
    assert!(text.contains("status 403") && !text.contains("canary"), "{text}");
    let text = report(3, Err("the credential was refused"));
    assert!(text.contains("organization 3\n  no answer: the credential was refused"), "{text}");
    assert!(reported(&json!([])).contains("not seen: there is no invitation"));
}

#[test]
fn whatever_a_poll_reads_is_reported_and_what_it_does_not_read_is_named() {
    let of = |body: &str| report(1, Ok(&Answer { body: body.as_bytes().to_vec(), ..answer(&Value::Null) }));
    let deep = format!(r#"[{{"x":{}{}}}]"#, "[".repeat(1000), "]".repeat(1000));
    for body in [r#"[{"x": 1e400, "y": "\ud800", "\udfff": 1}]"#, &deep, "\u{feff}[{}]", "[]"] {
        let text = of(body);
        assert!(text.contains("confirmed: a poll can read the answer\n"), "{text}");
    }
    let too_deep = format!("[{}{}]", "[".repeat(1100), "]".repeat(1100));
    let too_long = format!(r#"[{{"x": "{}"}}]"#, "y".repeat(2 << 20));
    for (body, told) in [
        (r#"{"1234567": []}"#, "a poll can read the answer: the body is a JSON object in place of the promised array"),
        ("[{},]", "the answer is JSON (it is none after"),
        ("7", "a poll can read the answer: the body is not the promised JSON array"),
        (&too_deep, "a poll can read the answer: a value nests more than 1024 levels deep"),
        (&too_long, "a poll can read the answer: one element is longer than 1 MiB"),
    ] {
        let text = of(body);
        assert!(!text.contains("1234567"), "{text}");
        assert!(text.contains(&format!("refuted: {told}")), "{text}");
    }
}
