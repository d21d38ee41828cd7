//! Where the operations of one installation of the service are.

use std::sync::Arc;

use url::Url;

use super::budget::{Budget, Host};
use crate::settings::{Api, Credential, CredentialKind, Organization};

/// An installation of the service, which knows nothing of the credentials and organizations of another.
#[derive(Debug, Clone)]
pub(super) struct Console {
    base: Url,
    token_path: String,
    /// The budget of its host.
    pub(super) host: Arc<Host>,
}

/// The consoles that credentials can name, beside the usual one.
#[derive(Debug, Clone)]
pub(super) struct Consoles {
    usual: Url,
    token_path: String,
}

impl Consoles {
    pub(super) fn new(api: &Api) -> Self {
        Self { usual: without_user(api.url.clone()), token_path: api.token_path.clone() }
    }

    /// The console that a credential belongs to.
    pub(super) fn of(&self, credential: &Credential, budget: &Budget) -> Console {
        let base = without_user(credential.url.as_ref().unwrap_or(&self.usual).clone());
        Console { host: budget.host(&base), base, token_path: self.token_path.clone() }
    }

    /// The console of credentials that name none.
    pub(super) fn usual(&self) -> &Url {
        &self.usual
    }
}

/// A user in the URL would become an `Authorization` header of its own beside the access token.
fn without_user(mut url: Url) -> Url {
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url
}

impl Console {
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
