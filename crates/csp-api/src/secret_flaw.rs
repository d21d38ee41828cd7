//! What is wrong with a secret, where it cannot be one.

use super::settings::CredentialKind;

impl CredentialKind {
    /// Why `secret` cannot be one of this kind, in words that repeat nothing of it; `None` when it may be one.
    ///
    /// The service would refuse each of these, and say no more than that the credential is wrong. A line end that editors
    /// leave is taken off before. In its middle a client secret may have blanks (RFC 6749, appendix A.2), an API token not.
    #[must_use]
    pub fn flaw(&self, secret: &str) -> Option<&'static str> {
        let is_quoted = |quote: char| secret.len() > 1 && secret.starts_with(quote) && secret.ends_with(quote);
        if secret.trim().is_empty() {
            Some("is empty")
        } else if secret.starts_with('\u{feff}') {
            Some("begins with a byte order mark (BOM): save it as UTF-8 without one")
        } else if secret.contains(['\n', '\r']) {
            Some("has several lines: the secret alone belongs there")
        } else if secret.starts_with(char::is_whitespace) || secret.ends_with(char::is_whitespace) {
            Some("begins or ends with a blank: take it off")
        } else if is_quoted('"') || is_quoted('\'') || is_quoted('`') {
            Some("is in quotes: take them off")
        } else if secret.contains(char::is_control) {
            Some("has control characters, which no secret has")
        } else if matches!(self, Self::ApiToken { .. }) && secret.contains(char::is_whitespace) {
            Some("has a blank in its middle, which no API token has")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Secret;

    #[test]
    fn what_the_service_would_refuse_is_told_apart() {
        let app = CredentialKind::OAuthApp { client_id: "id".to_owned(), client_secret: Secret::Inline("".into()) };
        let token = CredentialKind::ApiToken { token: Secret::Inline("".into()) };
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
            for kind in [&app, &token] {
                let flaw = kind.flaw(text).unwrap_or_default();
                assert!(flaw.contains(words) && !flaw.contains("canary"), "{text:?}: {flaw}");
            }
        }
        assert!(token.flaw("two words").is_some_and(|flaw| flaw.contains("middle")));
        for good in ["canary", "s+/ :ü", "\"", "it's", "\"half"] {
            assert_eq!(app.flaw(good), None, "{good}");
        }
    }
}
