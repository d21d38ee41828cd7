//! From the document to the settings.

use std::path::Path;

use http::{HeaderName, HeaderValue};

use super::names::{Version, cipher_suite, client_auth, curve, version, word};
use super::{ClientAuth, PasswordHash, Pem, RateLimit, TlsSettings, WebConfig, go_duration};
use crate::document::{Fields, Node, Value, Wrong, boolean, count};

/// Headers that may be set, and the values that they may have where the toolkit limits them.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

pub(super) fn web_config(mut root: Fields<'_, '_>, folder: &Path) -> WebConfig {
    let mut http = root.section("http_server_config");
    let http2 = http.or("http2", true, boolean);
    let headers = headers(http.section("headers"));
    http.finish();
    let config = WebConfig {
        tls: tls(root.section("tls_server_config"), folder, http2),
        http2,
        headers,
        users: root.values("basic_auth_users", PasswordHash::read).into_iter().collect(),
        rate_limit: rate_limit(root.section("rate_limit")),
    };
    root.finish();
    config
}

fn headers(mut section: Fields<'_, '_>) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    for (name, allowed) in HEADERS {
        let read = |node: &Node| {
            let value = word(node)?;
            if !value.is_empty() && !allowed.is_empty() && !allowed.contains(&value) {
                return Err(format!("invalid value; expected one of {}", allowed.join(", ")).into());
            }
            HeaderValue::from_str(value).map_err(|_| Wrong::from("has characters that a header can't carry"))
        };
        // A blank one is as good as none.
        let value = section.optional(name, read).filter(|value| !value.is_empty());
        headers.extend(HeaderName::from_bytes(name.as_bytes()).ok().zip(value));
    }
    section.finish();
    headers
}

fn rate_limit(mut section: Fields<'_, '_>) -> Option<RateLimit> {
    let interval = section.optional("interval", |node| match &node.value {
        Value::Scalar { text, .. } => {
            go_duration::parse(text).ok_or_else(|| "expected a duration such as 100ms, 1s or 1m30s".into())
        }
        _ => Err(Wrong::expected("a duration such as 1s", node)),
    });
    let burst = section.or("burst", 0, count);
    section.finish();
    interval.filter(|interval| !interval.is_zero()).map(|interval| RateLimit { interval, burst })
}

fn tls(mut section: Fields<'_, '_>, folder: &Path, http2: bool) -> Option<TlsSettings> {
    let cert = pem(&mut section, "cert_file", "cert", folder);
    let key = pem(&mut section, "key_file", "key", folder);
    let client_ca = pem(&mut section, "client_ca_file", "client_ca", folder);
    let given = [
        "client_auth_type",
        "client_allowed_sans",
        "min_version",
        "max_version",
        "cipher_suites",
        "curve_preferences",
        "prefer_server_cipher_suites",
    ];
    let given = given.into_iter().filter(|key| section.has(key)).count();
    let client_auth = section.or("client_auth_type", ClientAuth::None, client_auth);
    let client_allowed_sans = section.list("client_allowed_sans", |node| word(node).map(str::to_owned));
    let min_version = section.or("min_version", Version::Tls12, version);
    let max_version = section.or("max_version", Version::Tls13, version);
    let cipher_suites = section.list("cipher_suites", cipher_suite).filter(|suites| !suites.is_empty());
    let curve_preferences = section.list("curve_preferences", curve).filter(|curves| !curves.is_empty());
    let prefer_server_cipher_suites = section.or("prefer_server_cipher_suites", true, boolean);

    let wanted = given > 0 || cert.is_some() || key.is_some() || client_ca.is_some();
    if wanted && cert.is_none() {
        section.problem("missing one of cert or cert_file");
    }
    if wanted && key.is_none() {
        section.problem("missing one of key or key_file");
    }
    if client_ca.is_some() && client_auth == ClientAuth::None {
        section.problem("a client CA has been configured without a client_auth_type that uses it");
    }
    let required = matches!(client_auth, ClientAuth::RequireAny | ClientAuth::RequireAndVerify);
    if client_allowed_sans.is_some() && !required {
        let message = "requires client_auth_type to be RequireAnyClientCert or RequireAndVerifyClientCert: \
                       the others let a client in without a certificate";
        section.problem_at("client_allowed_sans", message);
    }
    if min_version > max_version {
        section.problem_at("min_version", "must not be above max_version");
    }
    let suites = cipher_suites.map(|suites| suites.into_iter().flatten().collect::<Vec<_>>());
    if let Some(suites) = &suites {
        // RFC 9113, 9.2.2; without it browsers and Go clients fail in ways that are hard to read.
        let for_http2 = |suite: &rustls::SupportedCipherSuite| {
            let suite = format!("{:?}", suite.suite());
            suite.starts_with("TLS_ECDHE_") && suite.ends_with("_AES_128_GCM_SHA256")
        };
        if http2 && min_version == Version::Tls12 && !suites.iter().any(for_http2) {
            let message = "is missing a cipher that HTTP/2 requires: TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 or \
                           TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256; or turn http2 off";
            section.problem_at("cipher_suites", message);
        }
        if suites.is_empty() && max_version == Version::Tls12 {
            section.problem_at("cipher_suites", "leaves no suite for TLS12, and max_version nothing else");
        }
    }
    section.finish();
    let tls12_suites = suites.as_ref().is_none_or(|suites| !suites.is_empty());
    wanted.then_some(TlsSettings {
        cert,
        key,
        client_ca,
        client_auth,
        client_allowed_sans,
        tls12: min_version == Version::Tls12 && tls12_suites,
        tls13: max_version == Version::Tls13,
        cipher_suites: suites,
        prefer_server_cipher_suites,
        curve_preferences,
    })
}

/// A file, or text in place of one. The file wins where both are given, as in the toolkit; an empty one counts as absent.
fn pem(section: &mut Fields<'_, '_>, file: &'static str, inline: &'static str, folder: &Path) -> Option<Pem> {
    let text = |node: &Node| word(node).map(str::to_owned);
    let inline = section.optional(inline, text).filter(|text| !text.is_empty());
    let path = section.optional(file, text).filter(|path| !path.is_empty());
    path.map(|path| Pem::File(folder.join(path))).or_else(|| inline.map(|text| Pem::Inline(text.into())))
}
