//! What is sent of a secret: overwritten when it was sent, and left behind nowhere on the way.
//!
//! Each text is written in one piece of memory that is long enough from the beginning, because one that grows leaves
//! behind what it had, and belongs to a [`Zeroizing`] that requests share. What `hyper` and the TLS library have in their
//! buffers on the way to the socket is theirs: it is overwritten by what they send next.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::HeaderValue;
use url::form_urlencoded;
use zeroize::Zeroizing;

/// A form, as a body.
pub(super) fn form(fields: &[(&str, &str)]) -> Bytes {
    // An escape has three letters.
    let length = fields.iter().map(|(key, value)| 3 * (key.len() + value.len()) + 2).sum();
    let mut text = Zeroizing::new(String::with_capacity(length));
    form_urlencoded::Serializer::new(&mut *text).extend_pairs(fields);
    Bytes::from_owner(text)
}

/// An object with one text in it, as a body.
pub(super) fn object(key: &str, value: &str) -> Bytes {
    // An escape has six letters.
    let mut text = Zeroizing::new(Vec::with_capacity(6 * (key.len() + value.len()) + 7));
    // Into memory, a text can always be written.
    let _ = serde_json::to_writer(&mut *text, &std::collections::BTreeMap::from([(key, value)]));
    Bytes::from_owner(text)
}

/// The value of `Authorization` that says who it is by a name and a password (RFC 7617).
pub(super) fn basic(name: &str, password: &str) -> Option<HeaderValue> {
    let pair = joined(&[name, ":", password]);
    let mut text = joined(&["Basic "]);
    text.reserve_exact(pair.len().div_ceil(3) * 4);
    BASE64_STANDARD.encode_string(&*pair, &mut text);
    header(text)
}

/// The value of `Authorization` with an access token; `None` when no header can carry it.
pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    header(joined(&["Bearer ", token]))
}

fn joined(parts: &[&str]) -> Zeroizing<String> {
    Zeroizing::new(parts.concat())
}

fn header(text: Zeroizing<String>) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(text)).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_written_as_others_write_it() {
        let secret = "s+/ :ü&=%\u{1f600}";
        let body = form(&[("grant_type", "client_credentials"), ("api_token", secret)]);
        let read: Vec<_> = form_urlencoded::parse(&body).into_owned().collect();
        assert_eq!(read[1], ("api_token".to_owned(), secret.to_owned()));
        assert_eq!(&body[..33], b"grant_type=client_credentials&api");
    }

    #[test]
    fn an_object_is_written_as_others_write_it() {
        let secret = "\"\\\u{1}ü";
        let body = object("tokenValue", secret);
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&body).unwrap(),
            serde_json::json!({ "tokenValue": secret })
        );
    }

    #[test]
    fn names_and_tokens_are_headers_that_are_not_shown() {
        let basic = basic("Aladdin", "open sesame").unwrap();
        assert_eq!((basic.as_bytes(), basic.is_sensitive()), (&b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="[..], true));
        let bearer = bearer("abc").unwrap();
        assert_eq!((bearer.as_bytes(), bearer.is_sensitive()), (&b"Bearer abc"[..], true));
        assert!(super::bearer("a\nb").is_none());
    }
}
