//! What fuzzers feed with bytes. Not for programs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{CONTENT_ENCODING, DATE, HeaderMap, HeaderValue, RETRY_AFTER};

use super::access_tokens::AccessToken;
use super::sink::SinkError;
use super::{head, retry, wire};

/// Reads `bytes` as each kind of an answer but lists: bodies, and the headers that are looked into.
///
/// # Panics
/// When something is outside of its bounds, or what is said of a broken answer could repeat a part of it.
pub fn answers(bytes: &[u8]) {
    if let Some(grant) = checked(wire::grant(bytes)) {
        assert!(!grant.lifetime.is_zero() && grant.lifetime <= Duration::from_secs(30 * 24 * 3600));
        let now = tokio::time::Instant::now();
        if let Some(token) = AccessToken::new(&grant, now, SystemTime::now()) {
            assert!(token.header.is_sensitive());
        }
    }
    if let Some(Some(expiration)) = checked(wire::token_details(bytes)) {
        assert!(expiration > UNIX_EPOCH);
    }
    checked(wire::organization(bytes));
    if let Some(codes) = wire::error_codes(bytes) {
        for code in [codes.csp_error_code, codes.module_code] {
            assert!(wire::token(code.as_bytes()).is_some(), "{code:?}");
        }
    }
    if let Some(id) = wire::request_id(bytes) {
        assert!(id.len() <= 100 && !id.is_empty());
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let asked = retry::retry_after(text, UNIX_EPOCH + Duration::from_secs(1_795_000_000));
        assert!(asked.is_none() || text.len() < 100 || text.trim().bytes().all(|b| b.is_ascii_digit()));
    }
    let lines: Vec<HeaderValue> =
        bytes.split(|b| *b == b'\n').filter_map(|l| HeaderValue::from_bytes(l).ok()).collect();
    let mut headers = HeaderMap::new();
    for (line, name) in
        lines.into_iter().zip([CONTENT_ENCODING, CONTENT_ENCODING, RETRY_AFTER, DATE].into_iter().cycle())
    {
        headers.append(name, line);
    }
    if let Err(words) = head::coding(&headers) {
        assert!(words.len() < 200 && words.is_ascii(), "{words}");
    }
    let _ = head::asked_pause(&headers);
}

/// What was read; the words of a problem are our own.
fn checked<T>(read: Result<T, SinkError>) -> Option<T> {
    let known = ["the answer", "the access token"];
    read.map_err(|error| {
        let words = error.to_string();
        assert!(known.iter().any(|known| words.starts_with(known)) && words.len() < 60, "{words}");
    })
    .ok()
}
