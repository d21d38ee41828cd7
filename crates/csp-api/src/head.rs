//! What the head of an answer says, in whatever way the boxes in between have written it.

use std::time::{Duration, SystemTime};

use reqwest::header::{CONTENT_ENCODING, DATE, HeaderMap, RETRY_AFTER};

use super::http_client::{HEADER_BYTES, HEADER_LINES};
use super::retry::retry_after;
use super::wire;

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
}

/// Why headers are too much, if they are.
pub(super) fn too_much(headers: &HeaderMap) -> Option<String> {
    let lines = headers.len();
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if lines > HEADER_LINES {
        Some(format!("the answer has {lines} header lines: more than 256 are not read"))
    } else if bytes > HEADER_BYTES {
        Some(format!("the answer has {} KiB of headers: more than 64 KiB are not read", bytes / 1024))
    } else {
        None
    }
}

/// How the body is packed. Names are compared without case, `x-gzip` is an old name of gzip (RFC 9110, section 8.4.1.3),
/// and several lines are one list.
///
/// # Errors
/// In words, when it is packed in a way that was not asked for.
pub(super) fn coding(headers: &HeaderMap) -> Result<Coding, String> {
    let mut coding = Coding::Identity;
    for line in headers.get_all(CONTENT_ENCODING) {
        for name in line.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            let name = name.to_ascii_lowercase();
            match (name.as_slice(), coding) {
                (b"" | b"identity", _) => {}
                (b"gzip" | b"x-gzip", Coding::Identity) => coding = Coding::Gzip,
                (b"gzip" | b"x-gzip", Coding::Gzip) => return Err("the body is packed with gzip twice".to_owned()),
                (name, _) => {
                    let shown = wire::token(name).unwrap_or("something unreadable");
                    return Err(format!("the answer's Content-Encoding is {shown}, and only gzip was asked for"));
                }
            }
        }
    }
    Ok(coding)
}

/// The pause that an answer asks for. A date counts from the answer's own date, so that a wrong clock on either side
/// changes nothing.
pub(super) fn asked_pause(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let now = text(DATE).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or_else(SystemTime::now);
    retry_after(text(RETRY_AFTER)?, now)
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn encodings(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (CONTENT_ENCODING, HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn gzip_is_known_by_all_its_names() {
        for values in [&["gzip"][..], &["GZIP"], &["x-gzip"], &["X-GZip"], &["identity, gzip"], &["", " gzip "]] {
            assert_eq!(coding(&encodings(values)), Ok(Coding::Gzip), "{values:?}");
        }
        for values in [&[][..], &["identity"], &["Identity"], &[""]] {
            assert_eq!(coding(&encodings(values)), Ok(Coding::Identity), "{values:?}");
        }
    }

    #[test]
    fn what_was_not_asked_for_is_named_when_it_can_be_shown() {
        let words = |values: &[&str]| coding(&encodings(values)).unwrap_err();
        assert!(words(&["br"]).contains("Content-Encoding is br,"));
        assert!(words(&["gzip, Deflate"]).contains("Content-Encoding is deflate,"));
        assert!(words(&["gzip", "gzip"]).contains("twice"));
        assert!(words(&["a canary"]).contains("something unreadable"));
    }

    #[test]
    fn headers_are_counted_by_lines_and_by_bytes() {
        let lines = |count: usize| -> HeaderMap {
            (0..count)
                .map(|n| (HeaderName::try_from(format!("x-{n}")).unwrap(), HeaderValue::from_static("")))
                .collect()
        };
        assert_eq!(too_much(&lines(256)), None);
        assert!(too_much(&lines(300)).unwrap().contains("300 header lines"));
        let long = |length: usize| -> HeaderMap {
            [(HeaderName::from_static("x"), HeaderValue::try_from("v".repeat(length)).unwrap())].into_iter().collect()
        };
        assert_eq!(too_much(&long(64 * 1024)), None);
        assert!(too_much(&long(80 * 1024)).unwrap().contains("80 KiB"));
    }
}
