//! The calls that the exporter makes.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::Request;
use reqwest::header::AUTHORIZATION;
use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

use super::access_tokens::{AccessToken, AccessTokens, CachedToken};
use super::attempt::Sender;
use super::budget::{self, Budget};
use super::build_error::BuildError;
use super::deadline::Deadline;
use super::endpoints::{Endpoints, without_user};
use super::error::{Error, Operation, Reason};
use super::exchange::{exchange_subject, expiration_subject, finished};
use super::http_client::{HttpClient, HttpSettings};
use super::observer::Observer;
use super::retry::{CallError, Failure, Retry};
use super::rotation::{SecretId, Secrets};
use super::settings::{Api, Credential, Expand, Organization};
use super::sink::{Gather, Sink};
use super::wire::{self, OrganizationDetails};

/// How long a secret is waited for that is only looked at.
const SECRET_PATIENCE: Duration = Duration::from_secs(10);

/// A client of the service. Clones are cheap and share everything: connections, access tokens, budget and pauses.
///
/// No call outlives its deadline, and every attempt of every call counts against the shared budget.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    sender: Sender,
    tokens: Arc<AccessTokens>,
    /// The console of credentials that name none.
    usual: Url,
    token_path: String,
}

impl Client {
    /// A client for these settings.
    ///
    /// # Errors
    /// When a file of `api.tls` or the proxy's URL cannot be used; nothing is sent to find out.
    pub async fn new(api: &Api, observer: Arc<dyn Observer>) -> Result<Self, BuildError> {
        let http_client = HttpClient::new(HttpSettings::usable(api).await?).map_err(|_| BuildError::Library)?;
        let budget = Arc::new(Budget::new(
            api.requests_per_second,
            api.max_concurrent_requests,
            budget::names(api.consoles.iter()),
        ));
        Ok(Self::build(api, observer, Arc::new(http_client), budget, Arc::default(), Arc::default()))
    }

    /// Everything that stands in the way of a client with these settings: all of it, where [`Client::new`] stops at the
    /// first.
    pub async fn problems(api: &Api) -> Vec<BuildError> {
        HttpSettings::of(api).await.err().unwrap_or_default()
    }

    /// A client for changed settings that takes over what is still good: the budget with who waits in it, the pauses that
    /// the service asked for, and the access tokens of unchanged credentials. Ends back-offs, as [`Client::resume`] does.
    ///
    /// Calls of this client that are still under way go on to the URLs that they began with, and make their next attempt by
    /// the new proxy and TLS settings.
    ///
    /// # Errors
    /// As [`Client::new`]; this client is then unharmed.
    pub async fn reconfigured(&self, api: &Api) -> Result<Self, BuildError> {
        let Inner { sender, tokens, .. } = &*self.inner;
        let http_client = Arc::clone(&sender.http_client);
        http_client.replace(HttpSettings::usable(api).await?).map_err(|_| BuildError::Library)?;
        let (observer, budget) = (Arc::clone(&sender.observer), Arc::clone(&sender.budget));
        let client = Self::build(api, observer, http_client, budget, Arc::clone(&sender.secrets), Arc::clone(tokens));
        sender.budget.set_limits(
            api.requests_per_second,
            api.max_concurrent_requests,
            budget::names(api.consoles.iter()),
        );
        tokens.prune();
        self.resume();
        Ok(client)
    }

    fn build(
        api: &Api,
        observer: Arc<dyn Observer>,
        http_client: Arc<HttpClient>,
        budget: Arc<Budget>,
        secrets: Arc<Secrets>,
        tokens: Arc<AccessTokens>,
    ) -> Self {
        let sender = Sender {
            http_client,
            budget,
            secrets,
            observer,
            timeout: api.timeout,
            connect_timeout: api.connect_timeout,
            max_response_size: api.max_response_size,
            max_attempts: api.max_attempts.max(1),
        };
        let (usual, token_path) = (without_user(api.url.clone()), api.token_path.clone());
        Self { inner: Arc::new(Inner { sender, tokens, usual, token_path }) }
    }

    /// Fetches the list of an organization's invitations into a sink; each answer gets a fresh one when it begins.
    ///
    /// # Errors
    /// The last attempt's, or that of the exchange of the credential ([`Operation::Token`]).
    pub async fn invitations<S: Sink>(
        &self,
        organization: &Organization,
        expand: Expand,
        deadline: &Deadline,
        sink: impl Fn() -> S + Send + Sync,
    ) -> Result<S::Output, Error> {
        let endpoints = self.endpoints(&organization.credential);
        let mut url = endpoints.organization(organization, "/invitations");
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
        self.list(organization, &endpoints, &url, deadline, sink).await
    }

    /// Fetches an organization's details with the access token that a list left; `None` when there is none. It exchanges no
    /// credential: a poll could come to wait for that exchange.
    ///
    /// # Errors
    /// The last attempt's.
    pub async fn organization(
        &self,
        organization: &Organization,
        deadline: &Deadline,
    ) -> Result<Option<OrganizationDetails>, Error> {
        let Inner { sender, tokens, .. } = &*self.inner;
        let operation = Operation::Organization;
        let endpoints = self.endpoints(&organization.credential);
        let slot = tokens.slot(&endpoints.exchange(&organization.credential), organization);
        let url = endpoints.organization(organization, "");
        let subject = details_subject(organization);
        let mut attempts = sender.attempts(&endpoints.host, subject, operation, deadline).map_err(|call| call.error)?;
        loop {
            let Some(token) = slot.valid() else { return Ok(None) };
            let build = |http: &reqwest::Client| authorized(operation, http, &url, &token);
            let sink = || Gather::new(wire::organization);
            match sender.attempt(&endpoints.host, operation, deadline, build, sink).await {
                Ok(details) => return Ok(Some(details)),
                Err(Failure { retry: Retry::Renew, .. }) => return Ok(None),
                Err(Failure { error, retry: Retry::Reauthorize }) => {
                    slot.forget(&token);
                    return Err(error);
                }
                Err(failure) => attempts.after(failure).await.map_err(|CallError { error, .. }| error)?,
            }
        }
    }

    /// Exchanges a credential once, to see whether it is accepted; the access token is dropped.
    ///
    /// # Errors
    /// When the secret cannot be read or is refused.
    pub async fn exchange(&self, credential: &Credential, deadline: &Deadline) -> Result<(), Error> {
        let endpoints = self.endpoints(credential);
        let exchanged = self.inner.sender.exchange_credential(&endpoints, credential, None, deadline).await;
        exchanged.map(drop).map_err(|failure| failure.error)
    }

    /// Asks when a long-lived API token runs out; `None` when the service does not tell. Says of which secret that is true.
    ///
    /// # Errors
    /// When the secret cannot be read or the service does not answer as promised.
    pub async fn token_details(
        &self,
        credential: &Credential,
        deadline: &Deadline,
    ) -> Result<(SecretId, Option<SystemTime>), Error> {
        let endpoints = self.endpoints(credential);
        self.inner.sender.token_details(&endpoints, credential, deadline).await.map_err(|failure| failure.error)
    }

    /// The secret of a credential that was read last, for whatever; `None` before that, and while there is none.
    #[must_use]
    pub fn last_read(&self, credential: &Credential) -> watch::Receiver<Option<SecretId>> {
        self.inner.sender.secrets.last_read(&credential.name)
    }

    /// Reads the secret of a credential, which [`Client::last_read`] then tells. Why it can't be read is said where it is
    /// used.
    pub async fn read_secret(&self, credential: &Credential) {
        let (endpoints, deadline) = (self.endpoints(credential), Deadline::of_question(SECRET_PATIENCE));
        let _ = self.inner.sender.secret(Operation::Token, &endpoints, credential, &deadline).await;
    }

    /// When the access token that an organization uses runs out; `None` when it has none.
    #[must_use]
    pub fn access_token_expiration(&self, organization: &Organization) -> Option<SystemTime> {
        let endpoints = self.endpoints(&organization.credential);
        self.inner.tokens.expiration(&endpoints.exchange(&organization.credential), organization)
    }

    /// The base URL that a credential is used at: its own console's, or the usual one.
    #[must_use]
    pub fn console(&self, credential: &Credential) -> Url {
        credential.url.clone().map_or_else(|| self.inner.usual.clone(), without_user)
    }

    /// When the service wants to be asked for an organization's list again, where it has said so: before that, a call fails
    /// at once. What it has said of the exchange of a credential counts once there is no access token any more.
    #[must_use]
    pub fn list_not_before(&self, organization: &Organization) -> Option<Instant> {
        let credential = &organization.credential;
        let endpoints = self.endpoints(credential);
        let slot = self.inner.tokens.slot(&endpoints.exchange(credential), organization);
        let exchange = exchange_subject(credential, Some(organization));
        let exchange = if slot.valid().is_some() { None } else { endpoints.not_before(&exchange) };
        endpoints.not_before(&list_subject(organization)).max(exchange)
    }

    /// The same of an organization's details.
    #[must_use]
    pub fn details_not_before(&self, organization: &Organization) -> Option<Instant> {
        self.endpoints(&organization.credential).not_before(&details_subject(organization))
    }

    /// The same of when an API token runs out.
    #[must_use]
    pub fn expiration_not_before(&self, credential: &Credential) -> Option<Instant> {
        self.endpoints(credential).not_before(&expiration_subject(credential))
    }

    /// Ends the back-offs that wait now, for example after a repaired configuration was accepted; no pause that the service
    /// asked for.
    pub fn resume(&self) {
        self.inner.sender.budget.resume();
    }

    /// Fetches a list. A refused access token is replaced once, beside the limit of attempts.
    async fn list<S: Sink>(
        &self,
        organization: &Organization,
        endpoints: &Endpoints,
        url: &Url,
        deadline: &Deadline,
        sink: impl Fn() -> S + Send + Sync,
    ) -> Result<S::Output, Error> {
        let Inner { sender, tokens, .. } = &*self.inner;
        let (operation, credential) = (Operation::Invitations, &organization.credential);
        let slot = tokens.slot(&endpoints.exchange(credential), organization);
        let subject = list_subject(organization);
        sender.heed(&endpoints.host, &subject, operation, deadline).await.map_err(|call| call.error)?;
        let mut attempts = sender.attempts(&endpoints.host, subject, operation, deadline).map_err(|call| call.error)?;
        loop {
            let token = self.token(organization, endpoints, &slot, deadline).await?;
            let build = |http: &reqwest::Client| authorized(operation, http, url, &token);
            let failure = match sender.attempt(&endpoints.host, operation, deadline, build, &sink).await {
                Ok(output) => return Ok(output),
                Err(failure) => failure,
            };
            if failure.retry == Retry::Reauthorize {
                slot.forget(&token);
            }
            attempts.after(failure).await.map_err(|CallError { error, .. }| error)?;
        }
    }

    /// The access token for an organization. What the service has asked another one for, who wants the same token, is waited
    /// for; it then is this one that asks.
    async fn token(
        &self,
        organization: &Organization,
        endpoints: &Endpoints,
        slot: &CachedToken,
        deadline: &Deadline,
    ) -> Result<Arc<AccessToken>, Error> {
        let (sender, credential) = (&self.inner.sender, &organization.credential);
        let subject = exchange_subject(credential, Some(organization));
        let heed = || sender.heed(&endpoints.host, &subject, Operation::Token, deadline);
        if slot.valid().is_none() {
            heed().await.map_err(|call| call.error)?;
        }
        loop {
            // On the heap, and only when there is one: a poll that has its token carries none of it.
            let exchange = async {
                Box::pin(sender.exchange_credential(endpoints, credential, Some(organization), deadline)).await
            };
            match slot.token(deadline, exchange).await {
                Ok(token) => return Ok(token),
                // It waited for another one's exchange.
                Err(CallError { is_unsent: true, error, .. }) if endpoints.host.held(&subject).is_some() => {
                    heed().await.map_err(|_| error)?;
                }
                Err(CallError { error, .. }) => return Err(error),
            }
        }
    }

    /// The endpoints of the console that a credential belongs to.
    fn endpoints(&self, credential: &Credential) -> Endpoints {
        let Inner { sender, usual, token_path, .. } = &*self.inner;
        Endpoints::new(credential.url.as_ref().unwrap_or(usual), token_path, &sender.budget)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", &self.inner.usual.as_str()).finish_non_exhaustive()
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

/// What the calls are about, for a service that wants to be left alone about it.
fn list_subject(organization: &Organization) -> String {
    format!("list {} {}", organization.id, organization.custom_group_id.as_deref().unwrap_or_default())
}

fn details_subject(organization: &Organization) -> String {
    format!("details {}", organization.id)
}
