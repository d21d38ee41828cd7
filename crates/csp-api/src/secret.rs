//! What a secret cannot be.

/// Why `text` is no API token and no client secret, in words that repeat nothing of it; `None` when it may be one.
///
/// The service would refuse each of these, and say no more than that the credential is wrong. A line end that editors
/// leave is taken off before.
#[must_use]
pub fn flaw(text: &str) -> Option<&'static str> {
    let is_quoted = |quote: char| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
    if text.trim().is_empty() {
        Some("is empty")
    } else if text.starts_with('\u{feff}') {
        Some("begins with a byte order mark (BOM): save it as UTF-8 without one")
    } else if text.contains(['\n', '\r']) {
        Some("has several lines: the secret alone belongs there")
    } else if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        Some("begins or ends with a blank: take it off")
    } else if is_quoted('"') || is_quoted('\'') || is_quoted('`') {
        Some("is in quotes: take them off")
    } else if text.contains(char::is_control) {
        Some("has control characters, which no secret has")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_service_would_refuse_is_told_apart() {
        for (text, words) in [
            ("", "empty"),
            (" \t", "empty"),
            ("\u{feff}canary", "byte order mark"),
            ("canary\nmore", "several lines"),
            ("canary\r\nmore", "several lines"),
            (" canary", "blank"),
            ("canary ", "blank"),
            ("canary\u{a0}", "blank"),
            ("\"canary\"", "quotes"),
            ("'canary'", "quotes"),
            ("canary\0", "control"),
        ] {
            let flaw = flaw(text).unwrap_or_default();
            assert!(flaw.contains(words) && !flaw.contains("canary"), "{text:?}: {flaw}");
        }
        for good in ["canary", "s+/ :ü", "\"", "it's", "\"half"] {
            assert_eq!(flaw(good), None, "{good}");
        }
    }
}
