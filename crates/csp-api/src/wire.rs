//! The answers of the service, as far as they are used.
//!
//! Nothing here repeats an answer's text: the parser's own messages quote what they stumble over, so
//! they are dropped for words of our own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::sink::SinkError;

/// What is read of an organization's details.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationDetails {
    /// The name that the console shows.
    pub display_name: String,
}

/// A fresh access token and how long it lives.
pub(super) struct Grant {
    pub(super) token: SecretString,
    pub(super) lifetime: Duration,
}

type Object = Map<String, Value>;

/// Taken when an exchange does not say how long its token lives: well below the 30 minutes that the
/// service documents, so that a token is rather renewed too often than used too long.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);

/// Keeps an absurd `expires_in` inside the range of clocks.
const MAX_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// Reads the answer of a token exchange.
pub(super) fn grant(body: &[u8]) -> Result<Grant, SinkError> {
    let body = object(body)?;
    let token = text(&body, "access_token")?;
    if token.is_empty() {
        return Err(SinkError::Decode("the access token is empty".to_owned()));
    }
    let lifetime = body
        .get("expires_in")
        .and_then(number)
        .filter(|&seconds| seconds >= 1.0)
        .map_or(DEFAULT_LIFETIME, |seconds| Duration::try_from_secs_f64(seconds).unwrap_or(MAX_LIFETIME));
    Ok(Grant { token: token.into(), lifetime: lifetime.min(MAX_LIFETIME) })
}

/// Reads an organization's details.
pub(super) fn organization(body: &[u8]) -> Result<OrganizationDetails, SinkError> {
    let display_name = text(&object(body)?, "displayName")?.to_owned();
    Ok(OrganizationDetails { display_name })
}

/// Reads when a long-lived API token runs out. `None` when the service does not say, or says something
/// outside of 1973 to 2191 (also how a token without an end is told).
pub(super) fn token_details(body: &[u8]) -> Result<Option<SystemTime>, SinkError> {
    let seconds = object(body)?.get("expiresAt").and_then(number);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked")]
    Ok(seconds.filter(|s| (1e8..7e9).contains(s)).map(|s| UNIX_EPOCH + Duration::from_millis((s * 1000.0) as u64)))
}

/// The label value of a code that is missing or is none.
pub(super) const OTHER: &str = "other";

/// The codes of an error body, cleaned for use as label values.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ErrorCodes {
    pub(super) csp_error_code: String,
    pub(super) module_code: String,
}

/// Reads the codes of an error body: `None` when there are none. `message` is never looked at, because
/// the token endpoints put a part of the credential there.
pub(super) fn error_codes(body: &[u8]) -> Option<ErrorCodes> {
    let body: Object = serde_json::from_slice(body).ok()?;
    let get = |key| body.get(key).filter(|value| !value.is_null());
    let code = get("cspErrorCode");
    let module = get("moduleCode");
    if code.is_none() && module.is_none() {
        return None;
    }
    Some(ErrorCodes { csp_error_code: label(code), module_code: label(module) })
}

/// A code as a label value: as it is when it is one, `other` when it is missing or anything else.
fn label(value: Option<&Value>) -> String {
    let text = match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(_) | None => String::new(),
    };
    if text.len() <= 64 && is_token(&text) { text } else { OTHER.to_owned() }
}

/// The value of a `csp-request-id` header: at most 100 characters, and only when they are harmless.
pub(super) fn request_id(header: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(&header[..header.len().min(100)]).ok()?;
    is_token(text).then(|| text.to_owned())
}

/// Text of a header that may be shown as it is: a token of at most 64 characters.
pub(super) fn token(text: &[u8]) -> Option<&str> {
    std::str::from_utf8(text).ok().filter(|text| text.len() <= 64 && is_token(text))
}

/// Whether `text` matches `[A-Za-z0-9._-]+`.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// A number, also one that is written as text.
fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|n| n.is_finite())
}

/// An answer that must be an object. Its fields are looked up one by one: a derived reader would take an
/// array for a structure too.
fn object(body: &[u8]) -> Result<Object, SinkError> {
    serde_json::from_slice(body).map_err(|error| {
        let words = if body.trim_ascii().is_empty() {
            "the answer is empty"
        } else if error.is_data() {
            "the answer is JSON, but not an object"
        } else {
            "the answer is not JSON"
        };
        SinkError::Decode(words.to_owned())
    })
}

fn text<'a>(body: &'a Object, key: &str) -> Result<&'a str, SinkError> {
    let missing = || SinkError::Decode(format!("the answer has no text `{key}`"));
    body.get(key).and_then(Value::as_str).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
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
            assert_eq!(
                lifetime(&format!(r#"{{"access_token":"a","expires_in":{value}}}"#)),
                DEFAULT_LIFETIME,
                "{value}"
            );
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
}
