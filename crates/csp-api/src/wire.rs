//! The answers of the service, as far as they are used.
//!
//! Nothing here repeats an answer's text: the parser's own messages quote what they stumble over, so
//! they are dropped for words of our own.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::{self, Deserializer as _};
use serde_json::value::RawValue;

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

/// A field of an answer, as it stands there: whatever is in it, it harms no other.
type Field<'a> = Option<&'a RawValue>;

/// The answer of a token exchange.
#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenAnswer<'a> {
    #[serde(borrow)]
    access_token: Field<'a>,
    #[serde(borrow)]
    expires_in: Field<'a>,
}

/// The details of an API token.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct TokenDetailsAnswer<'a> {
    #[serde(borrow)]
    expires_at: Field<'a>,
}

/// The details of an organization.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct OrganizationAnswer<'a> {
    #[serde(borrow)]
    display_name: Field<'a>,
}

/// The body of an error. `message` is not among its fields, because the token endpoints put a part of the credential
/// there.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ErrorAnswer<'a> {
    #[serde(borrow)]
    csp_error_code: Field<'a>,
    #[serde(borrow)]
    module_code: Field<'a>,
}

/// Taken when an exchange does not say how long its token lives: well below the 30 minutes that the
/// service documents, so that a token is rather renewed too often than used too long.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);

/// Keeps an absurd `expires_in` inside the range of clocks.
const MAX_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// Reads the answer of a token exchange.
pub(super) fn grant(body: &[u8]) -> Result<Grant, SinkError> {
    let TokenAnswer { access_token, expires_in } = object(body)?;
    let token = text(access_token, "access_token")?;
    if token.is_empty() {
        return Err(SinkError::Decode("the access token is empty".to_owned()));
    }
    let lifetime = expires_in
        .and_then(number)
        .filter(|&seconds| seconds >= 1.0)
        .map_or(DEFAULT_LIFETIME, |seconds| Duration::try_from_secs_f64(seconds).unwrap_or(MAX_LIFETIME));
    Ok(Grant { token: token.into(), lifetime: lifetime.min(MAX_LIFETIME) })
}

/// Reads an organization's details.
pub(super) fn organization(body: &[u8]) -> Result<OrganizationDetails, SinkError> {
    let OrganizationAnswer { display_name } = object(body)?;
    Ok(OrganizationDetails { display_name: text(display_name, "displayName")? })
}

/// Reads when a long-lived API token runs out. `None` when the service does not say, or says something
/// outside of 1973 to 2191 (also how a token without an end is told).
pub(super) fn token_details(body: &[u8]) -> Result<Option<SystemTime>, SinkError> {
    let TokenDetailsAnswer { expires_at } = object(body)?;
    let seconds = expires_at.and_then(number).filter(|s| (1e8..7e9).contains(s));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked")]
    Ok(seconds.map(|s| UNIX_EPOCH + Duration::from_millis((s * 1000.0) as u64)))
}

/// The label value of a code that is missing or is none.
pub(super) const OTHER: &str = "other";

/// The codes of an error body, cleaned for use as label values.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ErrorCodes {
    pub(super) csp_error_code: String,
    pub(super) module_code: String,
}

/// Reads the codes of an error body: `None` when there are none.
pub(super) fn error_codes(body: &[u8]) -> Option<ErrorCodes> {
    let ErrorAnswer { csp_error_code, module_code } = object(body).ok()?;
    if csp_error_code.is_none() && module_code.is_none() {
        return None;
    }
    Some(ErrorCodes { csp_error_code: label(csp_error_code), module_code: label(module_code) })
}

/// A code as a label value: as it is when it is one, `other` when it is missing or anything else.
fn label(field: Field<'_>) -> String {
    let code = field.and_then(|field| string(field).or_else(|| is_number(field).then(|| field.get().to_owned())));
    code.filter(|code| code.len() <= 64 && is_token(code)).unwrap_or_else(|| OTHER.to_owned())
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

fn is_number(field: &RawValue) -> bool {
    matches!(field.get().as_bytes().first(), Some(b'-' | b'0'..=b'9'))
}

/// A number, also one that is written as text.
fn number(field: &RawValue) -> Option<f64> {
    let number = if is_number(field) { field.get().parse() } else { string(field)?.trim().parse() };
    number.ok().filter(|number: &f64| number.is_finite())
}

/// The text in a field that must have one.
fn text(field: Field<'_>, key: &str) -> Result<String, SinkError> {
    field.and_then(string).ok_or_else(|| SinkError::Decode(format!("the answer has no text `{key}`")))
}

/// The text in a field, if it is one. Lone surrogates become U+FFFD: nothing else of the text is lost for them.
fn string(field: &RawValue) -> Option<String> {
    struct Lossy;

    impl de::Visitor<'_> for Lossy {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text")
        }

        fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<String, E> {
            // Each of the three bytes of a surrogate is none of a character; only the first can begin one.
            let lost = |invalid: &[u8]| if invalid.first() >= Some(&0xC0) { "\u{fffd}" } else { "" };
            // Long enough from the beginning: it may be a token, and what grows leaves behind what it had.
            let mut text = String::with_capacity(bytes.len());
            text.extend(bytes.utf8_chunks().flat_map(|chunk| [chunk.valid(), lost(chunk.invalid())]));
            Ok(text)
        }
    }

    let text = field.get();
    text.starts_with('"').then(|| serde_json::Deserializer::from_str(text).deserialize_bytes(Lossy).ok())?
}

/// An answer that must be an object.
fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, SinkError> {
    // Some write one in front, and lists are read with it, too.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    // A derived reader takes an array for a structure, too.
    let is_object = body.trim_ascii_start().first() == Some(&b'{');
    let words = match serde_json::from_slice(body) {
        Ok(answer) if is_object => return Ok(answer),
        Err(error) if !error.is_data() => {
            if body.trim_ascii().is_empty() {
                "the answer is empty"
            } else {
                "the answer is not JSON"
            }
        }
        Err(_) if is_object => "the answer has the same key twice",
        _ => "the answer is JSON, but not an object",
    };
    Err(SinkError::Decode(words.to_owned()))
}

#[cfg(test)]
mod tests;
