use secrecy::ExposeSecret as _;

use super::*;

fn lifetime(body: &str) -> Duration {
    grant(body.as_bytes()).unwrap().lifetime
}

#[test]
fn expires_in_is_obeyed_as_number_and_as_text() {
    assert_eq!(lifetime(r#"{"access_token":"a","expires_in":1799,"id_token":null}"#), Duration::from_secs(1799));
    assert_eq!(lifetime(r#"{"access_token":"a","expires_in":"2"}"#), Duration::from_secs(2));
}

#[test]
fn a_missing_or_senseless_expires_in_gets_a_careful_default() {
    for value in
        ["null", "\"soon\"", "-5", "0", "0.0", "\"0\"", "1e-9", "-1e300", "\"NaN\"", "{}", "[1]", "true", "\"\""]
    {
        assert_eq!(lifetime(&format!(r#"{{"access_token":"a","expires_in":{value}}}"#)), DEFAULT_LIFETIME, "{value}");
    }
    assert_eq!(lifetime(r#"{"access_token":"a"}"#), DEFAULT_LIFETIME);
    for value in ["1e300", "99999999999999999999999999", "9223372036854775807", "\"1e300\""] {
        assert_eq!(lifetime(&format!(r#"{{"access_token":"a","expires_in":{value}}}"#)), MAX_LIFETIME, "{value}");
    }
}

#[test]
fn what_is_not_a_grant_is_refused_without_quoting_it() {
    for body in [r#"{"access_token":{"canary":1}}"#, r#"["canary"]"#, "canary", "", r#"{"access_token":""}"#] {
        let error = grant(body.as_bytes()).map(|g| g.token.expose_secret().to_owned()).unwrap_err();
        assert!(matches!(error, SinkError::Decode(_)), "{error:?}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}

#[test]
fn an_answer_that_says_the_same_twice_is_told_from_one_that_is_no_object() {
    let words = |body: &str| format!("{:?}", grant(body.as_bytes()).map(|_| ()).unwrap_err());
    assert!(words(r#"{"access_token":"a","access_token":"b"}"#).contains("the same key twice"));
    assert!(words("[1]").contains("not an object") && words("{").contains("not JSON"));
    assert_eq!(lifetime("\u{feff}{\"access_token\":\"a\",\"expires_in\":7}"), Duration::from_secs(7));
}

#[test]
fn fields_that_nobody_reads_may_hold_anything() {
    let odd = r#""name":"\ud800","refLink":5,"x":[1e999,{"displayName":7}]"#;
    let name = |body: &str| organization(body.as_bytes()).map(|details| details.display_name);
    assert_eq!(name(&format!("{{{odd},\"displayName\":\"A\"}}")), Ok("A".to_owned()));
    assert_eq!(lifetime(&format!(r#"{{{odd},"access_token":"a","expires_in":[]}}"#)), DEFAULT_LIFETIME);
    assert_eq!(lifetime(&format!(r#"{{"access_token":"a","expires_in":7,{odd}}}"#)), Duration::from_secs(7));
    assert!(name(&format!("{{{odd}}}")).is_err() && name(r#"{"displayName":7}"#).is_err());
}

#[test]
fn a_lone_surrogate_in_a_name_costs_that_character_alone() {
    let name = |body: &str| organization(body.as_bytes()).map(|details| details.display_name);
    let body = r#"{"displayName":"Gr\u00fc\ud800\u00dfe \ude00\ud83d\ude00"}"#;
    assert_eq!(name(body), Ok("Grü\u{fffd}ße \u{fffd}😀".to_owned()));
}

#[test]
fn expires_at_of_an_api_token_is_in_seconds() {
    assert_eq!(
        token_details(br#"{"expiresAt":1800000000}"#),
        Ok(Some(UNIX_EPOCH + Duration::from_secs(1_800_000_000)))
    );
    assert_eq!(
        token_details(br#"{"expiresAt":"1800000000"}"#),
        Ok(Some(UNIX_EPOCH + Duration::from_secs(1_800_000_000)))
    );
    for body in ["{}", r#"{"expiresAt":0}"#, r#"{"expiresAt":-1}"#, r#"{"expiresAt":[]}"#] {
        assert_eq!(token_details(body.as_bytes()), Ok(None), "{body}");
    }
    assert!(token_details(b"[]").is_err());
}

#[test]
fn error_codes_come_as_number_or_text_and_never_unclean() {
    let codes = |body: &str| error_codes(body.as_bytes()).map(|c| (c.csp_error_code, c.module_code));
    let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
    assert_eq!(codes(r#"{"cspErrorCode":"csp.a-1","moduleCode":540,"message":"x"}"#), pair("csp.a-1", "540"));
    assert_eq!(codes(r#"{"errorCode":7,"moduleCode":"m"}"#), pair("other", "m"));
    assert_eq!(codes(r#"{"cspErrorCode":null,"moduleCode":"m"}"#), pair("other", "m"));
    assert_eq!(codes(r#"{"cspErrorCode":"two words"}"#), pair("other", "other"));
    assert_eq!(codes(&format!(r#"{{"cspErrorCode":"{}"}}"#, "a".repeat(65))), pair("other", "other"));
    assert_eq!(codes(r#"{"message":"x"}"#), None);
    assert_eq!(codes("<html>"), None);
}

#[test]
fn a_request_id_is_cut_at_100_characters_and_must_be_clean() {
    assert_eq!(request_id(b"abc-1.2_3").as_deref(), Some("abc-1.2_3"));
    assert_eq!(request_id("a".repeat(500).as_bytes()).map(|id| id.len()), Some(100));
    assert_eq!(request_id(b"a b"), None);
    assert_eq!(request_id(b""), None);
}
