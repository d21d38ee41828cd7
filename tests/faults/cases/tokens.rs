//! What an exchange of a credential can bring.

use super::{Cases, JSON, LISTED, PAGE, Promise, SECOND, Site, gzip, packed};
use crate::script::{Step, announced, body, endless, head, json, whole};

pub(super) fn tokens(cases: &mut Cases) {
    let (credentials, decode): (&[_], &[_]) = (&["credentials"], &["decode"]);
    for status in [400, 401, 403, 404, 409, 410, 422] {
        cases.token(&format!("status {status}"), credentials, whole(status, &[], r#"{"message":"…token"}"#));
    }
    cases.token("status 302", &["unexpected_status"], whole(302, &[("location", "https://elsewhere.test/")], ""));
    cases.token("status 429", &["rate_limited"], whole(429, &[], "{}"));
    cases.token("status 500", &["server_error"], whole(500, &[], "{}"));
    cases.token("503 with Retry-After: 2", &["server_error"], whole(503, &[("retry-after", "2")], "{}"));
    cases.token("403 whose body never comes", credentials, vec![announced(403, JSON, 100), Step::Hang]);
    cases.token("a page", decode, whole(200, &[("content-type", "text/html")], PAGE));
    cases.token("an empty body", decode, json(""));
    cases.token("an array", decode, json(r#"["access_token"]"#));
    cases.token("an object without a token", decode, json("{}"));
    cases.token("an empty token", decode, json(r#"{"access_token":"","expires_in":1800}"#));
    cases.token("a token that is a number", decode, json(r#"{"access_token":1,"expires_in":1800}"#));
    cases.token("a token with a line break", decode, json(r#"{"access_token":"a\r\nx: y","expires_in":1800}"#));
    cases.token(
        "a token with letters that no header carries",
        decode,
        json(r#"{"access_token":"\u00fc","expires_in":1800}"#),
    );
    cases.token("invalid UTF-8", decode, json(b"{\"access_token\":\"\xff\"}".to_vec()));
    cases.token("deep nesting", decode, json("[".repeat(500_000)));
    cases.token("an answer without end", &["too_large"], vec![head(200, JSON), endless(" ".repeat(1 << 14))]);
    cases.token("a gzip bomb", &["too_large"], packed("gzip", gzip(" ".repeat(64 << 20).as_bytes())));
    cases.token("silence", &["timeout"], vec![Step::Hang]);
    cases.token("a byte a second", &["timeout"], vec![announced(200, JSON, 900), Step::Body("{".into(), 900, SECOND)]);
    cases.token("closed in place of an answer", &["connect"], vec![Step::Close]);
    cases.token("a body that is cut", &["body"], vec![announced(200, JSON, 900), body("{"), Step::Cut]);
    for life in [
        "0",
        "-5",
        "1e308",
        "-1e308",
        "9223372036854775808",
        "\"soon\"",
        "\"1800\"",
        "null",
        "[]",
        "{}",
        "1e-9",
        "0.5",
        "1",
    ] {
        let answer = format!(r#"{{"access_token":"good","expires_in":{life},"id_token":null,"refresh_token":null}}"#);
        cases.add(&format!("token: expires_in of {life}"), Site::Token(json(answer)), Promise::Counts(LISTED));
    }
    cases.add("token: no expires_in", Site::Token(json(r#"{"access_token":"good"}"#)), Promise::Counts(LISTED));
}
