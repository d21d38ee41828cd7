//! What the client is told: how the service is reached, and with which credentials.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

const URL: &str = "https://console.tanzu.broadcom.com";

/// How the upstream is reached.
#[derive(Debug, Clone)]
pub struct Api {
    /// Base URL of the usual console.
    pub url: Url,
    /// The consoles that credentials are used at, where any is known to be used at another than the usual one.
    pub consoles: Vec<Url>,
    /// Limit of one request, body included.
    pub timeout: Duration,
    /// Limit of establishing a connection.
    pub connect_timeout: Duration,
    /// Limit of one body after decompression, in bytes.
    pub max_response_size: u64,
    /// Requests under way at once, over all organizations.
    pub max_concurrent_requests: usize,
    /// Shared budget over all organizations; `None` is no limit.
    pub requests_per_second: Option<f64>,
    /// Attempts of one call, the first included.
    pub max_attempts: u32,
    /// Path of the token exchange of OAuth apps, below the base URL.
    pub token_path: String,
    /// A proxy for all requests; `None` leaves the usual environment variables in charge. May carry a password.
    pub proxy_url: Option<SecretString>,
    /// No proxy at all, whatever `proxy_url` and the environment say: for a service in this very process.
    pub direct: bool,
    /// TLS towards the upstream.
    pub tls: Tls,
}

/// TLS towards the upstream.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// PEM file with certificate authorities to trust.
    pub ca_file: Option<PathBuf>,
    /// Trust `ca_file` alone, not the system's authorities beside it.
    pub ca_only: bool,
    /// PEM file with the client certificate chain.
    pub cert_file: Option<PathBuf>,
    /// PEM file with the client certificate's key.
    pub key_file: Option<PathBuf>,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            #[expect(clippy::expect_used, reason = "a constant")]
            url: Url::parse(URL).expect("the default URL is one"),
            consoles: Vec::new(),
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            max_response_size: 1 << 30,
            max_concurrent_requests: 8,
            requests_per_second: Some(10.0),
            max_attempts: 3,
            token_path: "/csp/gateway/am/api/auth/token".to_owned(),
            proxy_url: None,
            direct: false,
            tls: Tls::default(),
        }
    }
}

/// Which expansions of a list are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expand {
    /// Role bindings (`expand`).
    pub roles: bool,
    /// Groups (`expandCustomGroups`).
    pub groups: bool,
}

/// A credential: a name to speak of it, and where its secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The configured name; shown, logged and exported.
    pub name: String,
    /// What it is.
    pub kind: CredentialKind,
    /// The console that it belongs to, where it is another one than that of [`Api::url`].
    pub url: Option<Url>,
}

/// The two kinds of credentials that the upstream knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialKind {
    /// A user's API token, for one organization.
    ApiToken {
        /// The token.
        token: Secret,
    },
    /// An OAuth app (service account), for several organizations.
    OAuthApp {
        /// The public half.
        client_id: String,
        /// The secret half.
        client_secret: Secret,
    },
}

/// Where a secret is. `Debug` shows a path, never a value.
#[derive(Debug, Clone)]
pub enum Secret {
    /// In a file that is read again at each exchange; a trailing newline is trimmed.
    File(PathBuf),
    /// In memory, from the environment.
    Inline(SecretString),
}

/// Only for finding out what a reload changed.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(a), Self::File(b)) => a == b,
            (Self::Inline(a), Self::Inline(b)) => a.expose_secret() == b.expose_secret(),
            (Self::File(_), Self::Inline(_)) | (Self::Inline(_), Self::File(_)) => false,
        }
    }
}

impl Eq for Secret {}

/// An organization that calls are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// GUID.
    pub id: String,
    /// Only the invitations that carry this group are asked for (`customGroupId`); `None` is all of them.
    pub custom_group_id: Option<String>,
    /// What the log calls it.
    pub name: String,
    /// What it is asked with.
    pub credential: Arc<Credential>,
}
