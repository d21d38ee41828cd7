//! Which proxy stands between the exporter and a host: `api.proxy_url`, else the usual variables.
//!
//! The variables are read as curl reads them: the lower-case form counts before the upper-case one, an empty one is not
//! set, `ALL_PROXY` serves where the scheme's own is missing, and `HTTP_PROXY` does not count where a web server runs us
//! as a CGI script, for there it is a header of whoever asks (CVE-2016-5385). Unlike curl, which uses no proxy when it
//! cannot read a variable, an unusable one is an error: nobody sets a proxy to go without.

mod exception;

use std::ffi::OsString;
use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::settings::Api;
use exception::Exception;

/// The setting before all variables.
const SETTING: &str = "api.proxy_url";

/// A proxy. It is shown without its user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    url: Url,
    source: &'static str,
}

impl Proxy {
    fn read(source: &'static str, value: &str) -> Result<Self, ProxyError> {
        let wrong = |problem| ProxyError { setting: source, problem };
        let value = value.trim();
        let url = if value.contains("://") { Url::parse(value) } else { Url::parse(&format!("http://{value}")) };
        let url = url.map_err(|_| wrong(MALFORMED))?;
        if !matches!(url.scheme(), "http" | "https" | "socks4" | "socks4a" | "socks5" | "socks5h") {
            return Err(wrong("must start with http://, https://, socks5:// or socks5h://"));
        }
        // The library below drops what this cannot read, and would go without a proxy.
        let is_readable = url.as_str().parse::<http::Uri>().is_ok_and(|uri| uri.host().is_some_and(|h| !h.is_empty()));
        if is_readable { Ok(Self { url, source }) } else { Err(wrong(MALFORMED)) }
    }

    /// Whether `value` can be the URL of a proxy.
    #[must_use]
    pub fn is_usable(value: &str) -> bool {
        Self::read(SETTING, value).is_ok()
    }

    /// Where it is, user and password included.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// The setting or variable that names it.
    pub(super) fn source(&self) -> &'static str {
        self.source
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, source } = self;
        let port = url.port_or_known_default().unwrap_or(1080);
        write!(f, "{}://{}:{port} ({source})", url.scheme(), url.host_str().unwrap_or_default())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const MALFORMED: &str = "is no proxy URL such as http://proxy:3128; other characters than letters and digits in a user or \
                         password must be percent-encoded, `#` as %23 and `@` as %40";

/// Why a proxy cannot be used. Names the setting or variable, and repeats nothing of its value, which can hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct ProxyError {
    setting: &'static str,
    problem: &'static str,
}

/// The proxies of all hosts.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    exceptions: Vec<Exception>,
}

/// How a host is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'a> {
    /// No proxy is set.
    Direct,
    /// There is a proxy, but `NO_PROXY` names the host.
    Excepted,
    /// Through this proxy.
    Via(&'a Proxy),
}

impl fmt::Display for Route<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("none"),
            Self::Excepted => f.write_str("none (NO_PROXY names the host)"),
            Self::Via(proxy) => fmt::Display::fmt(proxy, f),
        }
    }
}

impl Proxies {
    /// The proxies of these settings and of this process's environment.
    ///
    /// # Errors
    /// Each setting or variable that is set and cannot be used.
    pub fn of_process(api: &Api) -> Result<Self, Vec<ProxyError>> {
        if api.direct { Ok(Self::default()) } else { Self::new(api.proxy_url.as_ref(), &|name| std::env::var_os(name)) }
    }

    /// The configured proxy for all hosts, else those of the variables; `NO_PROXY` counts for both.
    ///
    /// # Errors
    /// Each setting or variable that is set and cannot be used.
    pub fn new(
        configured: Option<&SecretString>,
        get: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, Vec<ProxyError>> {
        let mut problems = Vec::new();
        let mut first = |names: &[&'static str]| {
            let (name, value) = names.iter().find_map(|&name| Some((name, set(name, get)?)))?;
            let text = value.into_string().map_err(|_| ProxyError { setting: name, problem: "is not UTF-8 text" });
            text.map_err(|problem| problems.push(problem)).ok().map(|text| (name, text))
        };
        let exceptions = first(&["no_proxy", "NO_PROXY"]).map_or_else(Vec::new, |(_, list)| Exception::read_all(&list));
        let named = if let Some(url) = configured {
            let url = Some((SETTING, url.expose_secret().to_owned()));
            [url.clone(), url, None]
        } else {
            let http: &[&'static str] =
                if get("REQUEST_METHOD").is_some() { &["http_proxy"] } else { &["http_proxy", "HTTP_PROXY"] };
            [first(http), first(&["https_proxy", "HTTPS_PROXY"]), first(&["all_proxy", "ALL_PROXY"])]
        };
        let [http, https, all] = named.map(|named| {
            let (source, value) = named?;
            Proxy::read(source, &value).map_err(|problem| problems.push(problem)).ok()
        });
        problems.dedup();
        let (http, https) = (http.or_else(|| all.clone()), https.or(all));
        if problems.is_empty() { Ok(Self { http, https, exceptions }) } else { Err(problems) }
    }

    /// How a host is reached.
    #[must_use]
    pub fn route(&self, url: &Url) -> Route<'_> {
        let proxy = if url.scheme() == "http" { &self.http } else { &self.https };
        match proxy {
            None => Route::Direct,
            Some(_) if self.exceptions.iter().any(|exception| exception.names(url)) => Route::Excepted,
            Some(proxy) => Route::Via(proxy),
        }
    }

    /// The proxy on the way to a host.
    pub(super) fn of(&self, url: &Url) -> Option<&Proxy> {
        match self.route(url) {
            Route::Via(proxy) => Some(proxy),
            Route::Direct | Route::Excepted => None,
        }
    }
}

fn set(name: &str, get: &dyn Fn(&str) -> Option<OsString>) -> Option<OsString> {
    get(name).filter(|value| !value.to_string_lossy().trim().is_empty())
}

#[cfg(test)]
mod tests;
