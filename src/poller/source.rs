//! Where a poll's numbers come from.

use std::fmt;
use std::sync::Arc;

use csp_api::{Client, Deadline, Error, Operation, Reason, SecretId, Sink, SinkError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use invitations::Millis;
use invitations::census::{CensusBuilder, CompleteList, Criteria, ListError, View, text};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::clock::{self, Reading};
use crate::config::{Config, Credential, Expand, Organization};
use crate::state::{Account, Lifecycle};

/// What a good poll ends in.
#[derive(Debug, Clone)]
pub(crate) struct Polled {
    /// The organization's numbers.
    pub view: Arc<View>,
    /// Where it stands what happened to its invitations so far.
    pub lifecycle: Account,
}

/// What is asked about: the service can want to be left alone about each of them (`Retry-After`).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// An organization's list, the exchange of its credential included.
    Poll(&'a Organization),
    /// An organization's name.
    Name(&'a Organization),
    /// When an API token runs out.
    Expiration(&'a Credential),
}

/// What the loops ask; a trait so that schedules and states can be tested without a network.
pub(crate) trait Source: fmt::Debug + Send + Sync + 'static {
    /// One poll of an organization, done before `deadline`.
    fn poll(&self, organization: Arc<Organization>, deadline: Deadline) -> BoxFuture<'static, Result<Polled, Error>>;

    /// What the service calls the organization; `None` when there is no access token to ask with.
    fn display_name(
        &self,
        organization: Arc<Organization>,
        deadline: Deadline,
    ) -> BoxFuture<'static, Result<Option<String>, Error>>;

    /// When a long-lived API token runs out, where the service tells, and which secret that is said of.
    fn api_token_expiration(
        &self,
        credential: Arc<Credential>,
        deadline: Deadline,
    ) -> BoxFuture<'static, Result<(SecretId, Option<Millis>), Error>>;

    /// The secret of an API token that was read last, by whomever; `None` before that, and while there is none.
    fn api_token(&self, credential: &Credential) -> watch::Receiver<Option<SecretId>>;

    /// Reads the secret of an API token now.
    fn read_api_token(&self, credential: Arc<Credential>) -> BoxFuture<'static, ()>;

    /// When the access token in use for an organization runs out.
    fn access_token_expiration(&self, organization: &Organization) -> Option<Millis>;

    /// The base URL at which an organization is asked; `None` where nothing is asked over a network.
    fn console(&self, organization: &Organization) -> Option<Url>;

    /// When the service wants to be asked again, where it has said so. Before that, a question or a poll fails without a
    /// request.
    fn not_before(&self, subject: Subject<'_>) -> Option<Instant> {
        let _ = subject;
        None
    }

    /// Ends back-offs.
    fn resume(&self);
}

/// The real thing: the service's API, counted by the census, compared by the lifecycle.
#[derive(Clone)]
pub(crate) struct Upstream {
    client: Client,
    expand: Expand,
    criteria: Arc<Criteria>,
    lifecycle: Arc<Lifecycle>,
}

impl Upstream {
    /// The upstream of this configuration.
    #[must_use]
    pub(crate) fn new(config: &Config, client: Client, lifecycle: Arc<Lifecycle>) -> Self {
        let criteria = Arc::new(Criteria::new(&config.metrics));
        Self { client, expand: config.expand, criteria, lifecycle }
    }

    /// The client in use.
    #[must_use]
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Which expansions are asked for.
    #[must_use]
    pub(crate) fn expand(&self) -> Expand {
        self.expand
    }

    /// How a list is counted.
    #[must_use]
    pub(crate) fn criteria(&self) -> &Arc<Criteria> {
        &self.criteria
    }

    async fn fetch(self, organization: Arc<Organization>, deadline: Deadline) -> Result<Polled, Error> {
        let Self { client, expand, criteria, lifecycle } = self;
        let former_key = lifecycle.former_key(organization.key().as_str());
        let sink = || ListSink(CensusBuilder::with_former(Arc::clone(&criteria), clock::now(), former_key.clone()));
        let whole = client.invitations(&organization.target(), expand, &deadline, sink).await?;
        // Sums and comparison take time in proportion to the list: off the runtime's workers. They give up at the deadline,
        // so that no list holds a thread for longer. A poll that a reload ends meanwhile ends there, too: its list would come
        // to be compared behind that of the poll in its place, and what it lacks would seem to have vanished.
        let given_up = CancellationToken::new();
        let _ends = given_up.clone().drop_guard();
        let drawn = tokio::task::spawn_blocking(move || {
            let in_time = || {
                if given_up.is_cancelled() {
                    return Err(Error::new(Operation::Invitations, Reason::Internal, "the poll was given up"));
                }
                let late = "the deadline passed while the list was being counted";
                let is_late = deadline.left().is_zero();
                if is_late { Err(Error::new(Operation::Invitations, Reason::Timeout, late)) } else { Ok(()) }
            };
            let census = whole.census_unless(in_time)?;
            // A poll that is too late is a failed one: nothing of it may reach the state.
            in_time()?;
            let observed =
                lifecycle.observe(organization.key().as_str(), census.sightings, census.former, Reading::now());
            Ok((Arc::new(census.view), observed))
        });
        let panicked = || Error::new(Operation::Invitations, Reason::Internal, "counting the list panicked");
        let (view, observed) = drawn.await.map_err(|_| panicked())??;
        // The disk takes its own time, and no thread waits for it.
        Ok(Polled { view, lifecycle: observed.settled().await })
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").finish_non_exhaustive()
    }
}

impl Source for Upstream {
    fn poll(&self, organization: Arc<Organization>, deadline: Deadline) -> BoxFuture<'static, Result<Polled, Error>> {
        self.clone().fetch(organization, deadline).boxed()
    }

    fn display_name(
        &self,
        organization: Arc<Organization>,
        deadline: Deadline,
    ) -> BoxFuture<'static, Result<Option<String>, Error>> {
        let client = self.client.clone();
        async move {
            let details = client.organization(&organization.target(), &deadline).await?;
            Ok(details.map(|details| text::clean(&details.display_name).into_owned()))
        }
        .boxed()
    }

    fn api_token_expiration(
        &self,
        credential: Arc<Credential>,
        deadline: Deadline,
    ) -> BoxFuture<'static, Result<(SecretId, Option<Millis>), Error>> {
        let client = self.client.clone();
        async move {
            let (secret, expiration) = client.token_details(&credential, &deadline).await?;
            Ok((secret, expiration.map(Millis::from)))
        }
        .boxed()
    }

    fn api_token(&self, credential: &Credential) -> watch::Receiver<Option<SecretId>> {
        self.client.last_read(credential)
    }

    fn read_api_token(&self, credential: Arc<Credential>) -> BoxFuture<'static, ()> {
        let client = self.client.clone();
        async move { client.read_secret(&credential).await }.boxed()
    }

    fn access_token_expiration(&self, organization: &Organization) -> Option<Millis> {
        self.client.access_token_expiration(&organization.target()).map(Millis::from)
    }

    fn console(&self, organization: &Organization) -> Option<Url> {
        Some(self.client.console(&organization.credential))
    }

    fn not_before(&self, subject: Subject<'_>) -> Option<Instant> {
        match subject {
            Subject::Poll(organization) => self.client.list_not_before(&organization.target()),
            Subject::Name(organization) => self.client.details_not_before(&organization.target()),
            Subject::Expiration(credential) => self.client.expiration_not_before(credential),
        }
    }

    fn resume(&self) {
        self.client.resume();
    }
}

/// Feeds a body into a census.
#[derive(Debug)]
pub(crate) struct ListSink(pub CensusBuilder);

impl Sink for ListSink {
    type Output = CompleteList;

    fn write(&mut self, chunk: &[u8]) -> Result<(), SinkError> {
        self.0.write(chunk).map_err(|error| sink_error(&error))
    }

    fn finish(self) -> Result<CompleteList, SinkError> {
        self.0.finish().map_err(|error| sink_error(&error))
    }
}

/// What a list that cannot be read is to the client.
pub(crate) fn sink_error(error: &ListError) -> SinkError {
    match error {
        ListError::ElementTooLong | ListError::TooDeep | ListError::TooVaried => SinkError::TooLarge(error.to_string()),
        ListError::NotAList { .. }
        | ListError::Wrapped { .. }
        | ListError::NotUtf8
        | ListError::Malformed { .. }
        | ListError::Cut { .. } => SinkError::Decode(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
