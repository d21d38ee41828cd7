//! Where the operations of a console are.

use std::sync::Arc;

use tokio::time::Instant;
use url::Url;

use super::budget::{Budget, Host};
use crate::settings::{Credential, CredentialKind, Organization};

/// Where the operations of one console are.
#[derive(Debug, Clone)]
pub(super) struct Endpoints {
    base: Url,
    token_path: String,
    /// The budget of its host.
    pub(super) host: Arc<Host>,
}

/// A user in the URL would become an `Authorization` header of its own beside the access token.
pub(super) fn without_user(mut url: Url) -> Url {
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url
}

impl Endpoints {
    /// Those of the console at `base`.
    pub(super) fn new(base: &Url, token_path: &str, budget: &Budget) -> Self {
        let base = without_user(base.clone());
        Self { host: budget.host(&base), base, token_path: token_path.to_owned() }
    }

    /// When the service wants to be asked about `subject` again, where it has said so.
    pub(super) fn not_before(&self, subject: &str) -> Option<Instant> {
        self.host.held(subject).map(|hold| hold.until)
    }

    /// Where a credential is exchanged.
    pub(super) fn exchange(&self, credential: &Credential) -> Url {
        match credential.kind {
            CredentialKind::ApiToken { .. } => self.below("/csp/gateway/am/api/auth/api-tokens/authorize"),
            CredentialKind::OAuthApp { .. } => self.below(&self.token_path),
        }
    }

    /// Where an API token's expiration is asked for.
    pub(super) fn token_details(&self) -> Url {
        self.below("/csp/gateway/am/api/auth/api-tokens/details")
    }

    /// An organization, or what `rest` names below it.
    pub(super) fn organization(&self, organization: &Organization, rest: &str) -> Url {
        self.below(&format!("/csp/gateway/am/api/orgs/{}{rest}", organization.id))
    }

    /// `path` below the base URL, which can have a path of its own.
    fn below(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{}", self.base.path().trim_end_matches('/'), path.trim_start_matches('/')));
        url
    }
}
