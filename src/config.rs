//! The exporter's settings: typed, validated, and free of anything that prints a secret.

pub mod document;

mod api;
mod credentials;
mod environment;
mod file;
mod key;
mod metrics;
mod organizations;
mod poll;

#[cfg(test)]
mod tests;

pub use document::{Problem, Problems};
pub use environment::{VARIABLES, from_environment};
pub use file::{is_overruled, known_keys, load, obtain, parse};
pub use key::OrganizationKey;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// Everything that the configuration file, or the environment in its place, can say.
#[derive(Debug, Clone)]
pub struct Config {
    /// How the upstream is reached.
    pub api: Api,
    /// Which expansions are asked for.
    pub expand: Expand,
    /// How lists are turned into families.
    pub metrics: Metrics,
    /// Every configured credential, by name, used or not.
    pub credentials: Vec<Arc<Credential>>,
    /// Every configured organization, in the order of the file.
    pub organizations: Vec<Arc<Organization>>,
}

/// How the upstream is reached.
#[derive(Debug, Clone)]
pub struct Api {
    /// Base URL.
    pub url: Url,
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

/// Which expansions of a list are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expand {
    /// Role bindings (`expand`).
    pub roles: bool,
    /// Groups (`expandCustomGroups`).
    pub groups: bool,
}

/// How lists are turned into families.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Distinct roles per organization and `role_kind`.
    pub max_roles: usize,
    /// Distinct groups per organization.
    pub max_groups: usize,
    /// Distinct role-and-group pairs per organization.
    pub max_pairs: usize,
    /// Which roles keep their name.
    pub roles: Filter,
    /// Which groups keep their name.
    pub groups: Filter,
    /// Whether role-and-group pairs are exported.
    pub joint: bool,
    /// Names of roles that count as privileged.
    pub privileged_roles: Vec<String>,
    /// Trusted mail domains, lower case; `None` leaves the external families out.
    pub trusted_domains: Option<Vec<String>>,
}

/// Anchored regular expressions: a value passes when one of `allow` and none of `deny` matches it whole.
#[derive(Debug, Clone)]
pub struct Filter {
    /// At least one must match.
    pub allow: Vec<regex::Regex>,
    /// None may match.
    pub deny: Vec<regex::Regex>,
}

impl Filter {
    /// Whether `value` keeps its name.
    #[must_use]
    pub fn allows(&self, value: &str) -> bool {
        self.allow.iter().any(|r| r.is_match(value)) && !self.deny.iter().any(|r| r.is_match(value))
    }
}

/// A credential: a name to speak of it, and where its secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The configured name; shown, logged and exported.
    pub name: String,
    /// What it is.
    pub kind: CredentialKind,
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

/// An organization to poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// GUID, as configured.
    pub id: String,
    /// Only the invitations that carry this group count (`customGroupId`); `None` is all of them.
    pub custom_group_id: Option<String>,
    /// The value of the label `organization`: the configured name, else the id.
    pub name: String,
    /// What it is asked with.
    pub credential: Arc<Credential>,
    /// Time between the starts of two polls.
    pub interval: Duration,
    /// Limit of one whole poll, retries included; below `interval`.
    pub deadline: Duration,
    /// Past this age the invitation families are withdrawn; at least `interval`.
    pub stale_after: Duration,
}

impl Organization {
    /// What tells it from every other entry.
    #[must_use]
    pub fn key(&self) -> OrganizationKey {
        OrganizationKey::new(&self.id, self.custom_group_id.as_deref())
    }
}
