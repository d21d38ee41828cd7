//! What secrets are recognised by.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// In each secret and in each personal datum.
pub(super) const MARK: &str = "kanari";

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

/// Panics when the mark is in `bytes`, as it is or encoded.
pub(super) fn assert_clean(what: &str, bytes: &[u8]) {
    let lower = bytes.to_ascii_lowercase();
    let at = lower.windows(MARK.len()).position(|window| window == MARK.as_bytes()).or_else(|| {
        needles().iter().find_map(|needle| bytes.windows(needle.len()).position(|window| window == needle.as_slice()))
    });
    if let Some(at) = at {
        let around = &bytes[at.saturating_sub(200)..(at + 100).min(bytes.len())];
        panic!("{what} tells a secret: {}", String::from_utf8_lossy(around));
    }
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
