//! The exporter's settings: typed, validated, and free of anything that prints a secret.

mod api;
mod credentials;
mod environment;
mod file;
mod loader;
mod metrics;
mod organization_key;
mod organizations;
mod plain_http;
mod poll;
mod unique;

#[cfg(test)]
mod tests;

pub(crate) use csp_api::{Api, Expand, Tls};
pub use csp_api::{Credential, CredentialKind, Secret};
pub use environment::VARIABLES;
pub(crate) use exporter_toolkit::document::{Problem, Problems};
pub use file::{Unusable, known_keys, parse};
pub(crate) use invitations::settings::Filter;
pub use invitations::settings::Metrics;
pub(crate) use loader::{Loader, is_overruled};
pub use loader::{load, obtain};
pub(crate) use organization_key::OrganizationKey;

use std::sync::Arc;
use std::time::Duration;

/// Everything that the configuration file, or the environment in its place, can say.
#[derive(Debug, Clone)]
pub struct Config {
    /// How the upstream is reached.
    pub api: Api,
    /// Which expansions are asked for.
    pub(crate) expand: Expand,
    /// How lists are turned into families.
    pub metrics: Metrics,
    /// Every configured credential, by name, used or not.
    pub credentials: Vec<Arc<Credential>>,
    /// Every configured organization, in the order of the files.
    pub organizations: Vec<Arc<Organization>>,
    /// The files that this was read from, the main one first.
    pub(crate) files: Vec<std::path::PathBuf>,
    /// What works, but is hardly meant.
    pub(crate) warnings: Vec<String>,
}

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
    /// What the client has to know of it.
    #[must_use]
    pub fn target(&self) -> csp_api::Organization {
        let Self { id, custom_group_id, name, credential, interval: _, deadline: _, stale_after: _ } = self;
        csp_api::Organization {
            id: id.clone(),
            custom_group_id: custom_group_id.clone(),
            name: name.clone(),
            credential: Arc::clone(credential),
        }
    }

    /// What tells it from every other entry.
    #[must_use]
    pub fn key(&self) -> OrganizationKey {
        OrganizationKey::new(&self.id, self.custom_group_id.as_deref())
    }
}
