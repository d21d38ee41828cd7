//! The calls that the exporter makes.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use reqwest::Request;
use reqwest::header::AUTHORIZATION;
use tokio::time::Instant;
use url::Url;

use super::attempt::Sender;
use super::auth::{AccessToken, Tokens};
use super::budget::Budget;
use super::connections::{Connections, Recipe};
use super::error::{Error, Operation, Reason};
use super::exchange::{Endpoints, finished};
use super::observer::Observer;
use super::proxy::Proxies;
use super::retry::{CallError, Failure, Retry};
use super::settings::{Api, Credential, Expand, Organization};
use super::sink::{Gather, Sink};
use super::tls::{self, BuildError};
use super::wire::{self, OrganizationDetails};

/// A client of the service. Clones are cheap and share everything: connections, access tokens, budget and pauses.
///
/// No call outlives its deadline, and every attempt of every call counts against the shared budget.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    sender: Sender,
    tokens: Arc<Tokens>,
    base: Url,
    endpoints: Endpoints,
}

impl Client {
    /// A client for these settings.
    ///
    /// # Errors
    /// When a file of `api.tls` or the proxy's URL cannot be used; nothing is sent to find out.
    pub fn new(api: &Api, observer: Arc<dyn Observer>) -> Result<Self, BuildError> {
        let budget = Arc::new(Budget::new(api.requests_per_second, api.max_concurrent_requests));
        Self::build(api, observer, budget, Arc::default())
    }

    /// Everything that stands in the way of a client with these settings: all of it, where [`Client::new`] stops at the
    /// first.
    #[must_use]
    pub fn problems(api: &Api) -> Vec<BuildError> {
        recipe(api).err().unwrap_or_default()
    }

    /// A client for changed settings that takes over what is still good: access tokens of unchanged
    /// credentials, the budget where its limits stay, and pauses that the service asked for. Ends back-offs, as
    /// [`Client::resume`] does.
    ///
    /// # Errors
    /// As [`Client::new`]; this client is then unharmed.
    pub fn reconfigured(&self, api: &Api) -> Result<Self, BuildError> {
        let Inner { sender, tokens, .. } = &*self.inner;
        let same = sender.budget.is(api.requests_per_second, api.max_concurrent_requests);
        let budget = if same {
            Arc::clone(&sender.budget)
        } else {
            let budget = Budget::new(api.requests_per_second, api.max_concurrent_requests);
            budget.inherit(&sender.budget);
            Arc::new(budget)
        };
        let client = Self::build(api, Arc::clone(&sender.observer), budget, Arc::clone(tokens))?;
        tokens.prune();
        self.resume();
        Ok(client)
    }

    fn build(
        api: &Api,
        observer: Arc<dyn Observer>,
        budget: Arc<Budget>,
        tokens: Arc<Tokens>,
    ) -> Result<Self, BuildError> {
        let recipe = recipe(api).map_err(|problems| problems.into_iter().next().unwrap_or(BuildError::Library))?;
        let sender = Sender {
            connections: Arc::new(Connections::new(recipe).map_err(|_| BuildError::Library)?),
            budget,
            observer,
            timeout: api.timeout,
            connect_timeout: api.connect_timeout,
            max_response_size: api.max_response_size,
            max_attempts: api.max_attempts.max(1),
        };
        let mut base = api.url.clone();
        // A user in the URL would become an `Authorization` header of its own beside the access token.
        let _ = base.set_username("");
        let _ = base.set_password(None);
        base.set_query(None);
        base.set_fragment(None);
        let endpoints = Endpoints {
            api_token: below(&base, "/csp/gateway/am/api/auth/api-tokens/authorize"),
            oauth_app: below(&base, &api.token_path),
            details: below(&base, "/csp/gateway/am/api/auth/api-tokens/details"),
        };
        Ok(Self { inner: Arc::new(Inner { sender, tokens, base, endpoints }) })
    }

    /// Fetches the list of an organization's invitations into a sink; each answer gets a fresh one when it begins.
    ///
    /// # Errors
    /// The last attempt's, or that of the exchange of the credential ([`Operation::Token`]).
    pub async fn invitations<S: Sink>(
        &self,
        organization: &Organization,
        expand: Expand,
        deadline: Instant,
        sink: impl Fn() -> S + Send + Sync,
    ) -> Result<S::Output, Error> {
        let mut url = self.organization_url(organization, "/invitations");
        // The presence of `expand` alone turns it on, whatever its value.
        if expand.roles {
            url.query_pairs_mut().append_pair("expand", "true");
        }
        if expand.groups {
            url.query_pairs_mut().append_pair("expandCustomGroups", "true");
        }
        if let Some(group) = &organization.custom_group_id {
            url.query_pairs_mut().append_pair("customGroupId", group);
        }
        self.get(Operation::Invitations, organization, url, deadline, sink).await
    }

    /// Fetches an organization's details.
    ///
    /// # Errors
    /// As [`Client::invitations`].
    pub async fn organization(
        &self,
        organization: &Organization,
        deadline: Instant,
    ) -> Result<OrganizationDetails, Error> {
        let url = self.organization_url(organization, "");
        self.get(Operation::Organization, organization, url, deadline, || Gather::new(wire::organization)).await
    }

    /// Exchanges a credential once, to see whether it is accepted; the access token is dropped.
    ///
    /// # Errors
    /// When the secret cannot be read or is refused.
    pub async fn exchange(&self, credential: &Credential, deadline: Instant) -> Result<(), Error> {
        let Inner { sender, endpoints, .. } = &*self.inner;
        let exchanged = sender.exchange_credential(endpoints, credential, None, deadline).await;
        exchanged.map(drop).map_err(|failure| failure.error)
    }

    /// Asks when a long-lived API token runs out; `None` when the service does not tell, and for OAuth apps.
    ///
    /// # Errors
    /// When the secret cannot be read or the service does not answer as promised.
    pub async fn token_details(&self, credential: &Credential, deadline: Instant) -> Result<Option<SystemTime>, Error> {
        let Inner { sender, endpoints, .. } = &*self.inner;
        sender.token_details(endpoints, credential, deadline).await.map_err(|failure| failure.error)
    }

    /// When the access token that an organization uses runs out; `None` when it has none.
    #[must_use]
    pub fn access_token_expiration(&self, organization: &Organization) -> Option<SystemTime> {
        self.inner.tokens.expiration(self.inner.endpoints.of(&organization.credential), organization)
    }

    /// Ends the back-offs that wait now, for example after a repaired configuration was accepted. Pauses that the
    /// service asked for stay.
    pub fn resume(&self) {
        self.inner.sender.budget.resume();
    }

    /// A call with an access token. A refused token is replaced once, beside the limit of attempts.
    async fn get<S: Sink>(
        &self,
        operation: Operation,
        organization: &Organization,
        url: Url,
        deadline: Instant,
        sink: impl Fn() -> S + Send + Sync,
    ) -> Result<S::Output, Error> {
        let Inner { sender, tokens, endpoints, .. } = &*self.inner;
        let slot = tokens.slot(endpoints.of(&organization.credential), organization);
        let mut attempts = sender.attempts(operation, deadline);
        loop {
            let exchange =
                sender.exchange_credential(endpoints, &organization.credential, Some(organization), deadline);
            let token = slot.token(deadline, exchange).await.map_err(|failure| failure.error)?;
            let build = |http: &reqwest::Client| authorized(operation, http, &url, &token);
            let failure = match sender.attempt(operation, deadline, build, &sink).await {
                Ok(output) => return Ok(output),
                Err(failure) => failure,
            };
            if failure.retry == Retry::Reauthorize {
                slot.forget(&token);
            }
            attempts.after(failure).await.map_err(|CallError { error, .. }| error)?;
        }
    }

    fn organization_url(&self, organization: &Organization, rest: &str) -> Url {
        below(&self.inner.base, &format!("/csp/gateway/am/api/orgs/{}{rest}", organization.id))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.inner.base.as_str()).finish_non_exhaustive()
    }
}

/// The wait for a turn can be longer than the life of a token, so its end is looked at here.
fn authorized(
    operation: Operation,
    http: &reqwest::Client,
    url: &Url,
    token: &AccessToken,
) -> Result<Request, Failure> {
    if !token.is_valid() {
        let detail = "the access token ran out while the request waited for its turn";
        let hint = "the service's tokens live shorter than requests wait: raise api.requests_per_second or \
                    api.max_concurrent_requests";
        return Err(Failure { error: Error::new(operation, Reason::Timeout, detail).hint(hint), retry: Retry::Renew });
    }
    finished(operation, http.get(url.clone()).header(AUTHORIZATION, token.header.clone()))
}

/// What connections are made with; reads the files of `api.tls`.
fn recipe(api: &Api) -> Result<Recipe, Vec<BuildError>> {
    let proxies = Proxies::new(api.proxy_url.as_ref(), &|name| std::env::var_os(name));
    let proxies = proxies.map_err(|problems| problems.into_iter().map(BuildError::from).collect());
    // A proxy can be encrypted, too.
    let is_encrypted = |proxies: &Proxies| {
        api.url.scheme() == "https" || proxies.of(&api.url).is_some_and(|proxy| proxy.url().scheme() == "https")
    };
    let tls = tls::configure(&api.tls, proxies.as_ref().is_ok_and(is_encrypted));
    match (proxies, tls) {
        (Ok(proxies), Ok(tls)) => {
            let Api { timeout, connect_timeout, .. } = *api;
            Ok(Recipe { tls, proxies: Arc::new(proxies), timeout, connect_timeout })
        }
        (proxies, tls) => {
            let problems: Vec<Vec<BuildError>> = proxies.err().into_iter().chain(tls.err()).collect();
            Err(problems.concat())
        }
    }
}

/// `path` below the base URL, which can have a path of its own.
fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{}", base.path().trim_end_matches('/'), path.trim_start_matches('/')));
    url
}
