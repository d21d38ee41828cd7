//! `api`: how the upstream is reached.

use std::path::Path;

use exporter_toolkit::document::{Fields, Node, Wrong, boolean, count, path, positive_duration, rate, size, text};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{Api, Tls};

pub(super) fn read(mut fields: Fields<'_, '_>, folder: &Path) -> Api {
    let default = Api::default();
    let timeout = fields.or("timeout", default.timeout, positive_duration);
    let connect_timeout = fields.optional("connect_timeout", positive_duration);
    if connect_timeout.is_some_and(|connect| connect > timeout) {
        fields.problem_at("connect_timeout", "must not be longer than api.timeout");
    }
    let api = Api {
        consoles: Vec::new(),
        url: fields.or("url", default.url, |node| base_url(&text(node)?)),
        timeout,
        connect_timeout: connect_timeout.unwrap_or(default.connect_timeout.min(timeout)),
        max_response_size: fields.or("max_response_size", default.max_response_size, size),
        max_concurrent_requests: fields.or("max_concurrent_requests", default.max_concurrent_requests, |node| {
            // What a semaphore can hold is far below a word.
            count::<u32>(node).and_then(at_least_one).map(|n| n as usize)
        }),
        requests_per_second: fields.or("requests_per_second", default.requests_per_second, |node| {
            rate(node).map(|rate| (rate > 0.0).then_some(rate))
        }),
        max_attempts: fields.or("max_attempts", default.max_attempts, |node| count(node).and_then(at_least_one)),
        token_path: fields.or("token_path", default.token_path, token_path),
        proxy_url: fields.optional("proxy_url", proxy_url),
        direct: false,
        tls: tls(fields.section("tls"), folder),
    };
    fields.finish();
    api
}

fn at_least_one(number: u32) -> Result<u32, Wrong> {
    if number == 0 { Err("must be at least 1".into()) } else { Ok(number) }
}

/// An http or https URL that paths can be put below: a path is allowed, a user, query or fragment is not.
pub(super) fn base_url(text: &str) -> Result<Url, Wrong> {
    let url = Url::parse(text).map_err(|_| Wrong::from("expected a URL such as https://console.tanzu.broadcom.com"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must start with https:// or http://".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain a user name or password".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not contain a query or fragment".into());
    }
    Ok(url)
}

fn token_path(node: &Node) -> Result<String, Wrong> {
    let path = text(node)?;
    if !path.starts_with('/') || path.starts_with("//") {
        return Err("must start with one /".into());
    }
    if path.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#')) {
        return Err("must be a path without blanks, query or fragment".into());
    }
    Ok(path)
}

/// Wrapped at once: the user's password is often part of it.
fn proxy_url(node: &Node) -> Result<SecretString, Wrong> {
    let url = SecretString::from(text(node)?);
    if csp_api::Proxy::is_usable(url.expose_secret()) {
        Ok(url)
    } else {
        Err("expected a URL such as http://proxy:3128, with http, https, socks5 or socks5h".into())
    }
}

fn tls(mut fields: Fields<'_, '_>, folder: &Path) -> Tls {
    let file = |node: &Node| path(node, folder);
    let tls = Tls {
        ca_file: fields.optional("ca_file", file),
        ca_only: fields.or("ca_only", false, boolean),
        cert_file: fields.optional("cert_file", file),
        key_file: fields.optional("key_file", file),
    };
    if tls.ca_only && !fields.has("ca_file") {
        fields.problem_at("ca_only", "needs ca_file");
    }
    if fields.has("cert_file") && !fields.has("key_file") {
        fields.problem_at("cert_file", "needs key_file beside it");
    }
    if fields.has("key_file") && !fields.has("cert_file") {
        fields.problem_at("key_file", "needs cert_file beside it");
    }
    fields.finish();
    tls
}
