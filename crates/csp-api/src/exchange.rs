//! The token operations: what is sent where, and the reading of secrets for it.

use std::path::Path;
use std::time::SystemTime;

use reqwest::{Request, RequestBuilder};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use tokio::time::Instant;
use url::Url;

use super::attempt::Sender;
use super::auth::AccessToken;
use super::error::{Error, Operation, Reason};
use super::retry::{CallError, Failure, Retry};
use super::settings::{Credential, CredentialKind, Organization, Secret};
use super::sink::Gather;
use super::wire;

/// Where the token operations are.
#[derive(Debug, Clone)]
pub(super) struct Endpoints {
    pub(super) api_token: Url,
    pub(super) oauth_app: Url,
    pub(super) details: Url,
}

impl Endpoints {
    /// Where a credential is exchanged.
    pub(super) fn of(&self, credential: &Credential) -> &Url {
        match credential.kind {
            CredentialKind::ApiToken { .. } => &self.api_token,
            CredentialKind::OAuthApp { .. } => &self.oauth_app,
        }
    }
}

impl Sender {
    /// Exchanges a credential for an access token, that of an OAuth app for one that counts in an organization.
    pub(super) async fn exchange_credential(
        &self,
        endpoints: &Endpoints,
        credential: &Credential,
        organization: Option<&Organization>,
        deadline: Instant,
    ) -> Result<AccessToken, CallError> {
        let mut attempts = self.attempts(Operation::Token, deadline);
        loop {
            match self.exchange_once(endpoints, credential, organization, deadline).await {
                Ok(token) => return Ok(token),
                Err(failure) => attempts.after(failure).await?,
            }
        }
    }

    async fn exchange_once(
        &self,
        endpoints: &Endpoints,
        credential: &Credential,
        organization: Option<&Organization>,
        deadline: Instant,
    ) -> Result<AccessToken, Failure> {
        let operation = Operation::Token;
        let Credential { name, kind } = credential;
        let secret = match kind {
            CredentialKind::ApiToken { token: secret } | CredentialKind::OAuthApp { client_secret: secret, .. } => {
                read(operation, secret, deadline).await?
            }
        };
        let request = match kind {
            // A form, so that the token is in no URL and no log of URLs.
            CredentialKind::ApiToken { .. } => {
                self.http.post(endpoints.of(credential).clone()).form(&[("api_token", secret.expose_secret())])
            }
            // `orgId` makes the service grant the app's roles in this organization.
            CredentialKind::OAuthApp { client_id, .. } => {
                let mut form = vec![("grant_type", "client_credentials")];
                form.extend(organization.map(|organization| ("orgId", organization.id.as_str())));
                let request = self.http.post(endpoints.of(credential).clone());
                request.basic_auth(client_id, Some(secret.expose_secret())).form(&form)
            }
        };
        let of = organization.map(|organization| organization.name.as_str());
        tracing::debug!(credentials = name, organization = of, "exchanging the credential");
        // The life of the token starts to count when the request starts, after the wait for its turn.
        let mut asked = (Instant::now(), SystemTime::now());
        let build = || {
            asked = (Instant::now(), SystemTime::now());
            finished(operation, request)
        };
        let grant = self.attempt(operation, deadline, build, || Gather::new(wire::grant)).await?;
        AccessToken::new(&grant, asked.0, asked.1).ok_or_else(|| {
            let detail = "the access token has characters that no header may carry";
            Failure { error: Error::new(operation, Reason::Decode, detail), retry: Retry::Never }
        })
    }

    /// Asks when an API token runs out; OAuth apps have no such thing.
    pub(super) async fn token_details(
        &self,
        endpoints: &Endpoints,
        credential: &Credential,
        deadline: Instant,
    ) -> Result<Option<SystemTime>, CallError> {
        let operation = Operation::TokenDetails;
        let CredentialKind::ApiToken { token } = &credential.kind else { return Ok(None) };
        let mut attempts = self.attempts(operation, deadline);
        loop {
            let outcome = match read(operation, token, deadline).await {
                Ok(token) => {
                    let body = json!({ "tokenValue": token.expose_secret() });
                    let request = self.http.post(endpoints.details.clone()).json(&body);
                    let sink = || Gather::new(wire::token_details);
                    self.attempt(operation, deadline, || finished(operation, request), sink).await
                }
                Err(failure) => Err(failure),
            };
            match outcome {
                Ok(expiration) => return Ok(expiration),
                Err(failure) => attempts.after(failure).await?,
            }
        }
    }
}

/// Ends the building of a request.
pub(super) fn finished(operation: Operation, request: RequestBuilder) -> Result<Request, Failure> {
    request.header(reqwest::header::ACCEPT, "application/json").build().map_err(|_| Failure {
        error: Error::new(operation, Reason::Internal, "the request could not be built"),
        retry: Retry::Never,
    })
}

/// The largest secret; real ones have a few hundred bytes.
pub const LARGEST_SECRET: u64 = 64 << 10;

/// Reads a secret now, so that a rotated file needs no reload.
async fn read(operation: Operation, secret: &Secret, deadline: Instant) -> Result<SecretString, Failure> {
    let refuse = |detail| Failure { error: Error::new(operation, Reason::Credentials, detail), retry: Retry::Never };
    match secret {
        Secret::Inline(value) if value.expose_secret().is_empty() => Err(refuse("the secret is empty".to_owned())),
        Secret::Inline(value) => Ok(value.clone()),
        Secret::File(path) => {
            read_file(path, deadline.min(Instant::now() + file_reader::PATIENCE)).await.map_err(refuse)
        }
    }
}

async fn read_file(path: &Path, deadline: Instant) -> Result<SecretString, String> {
    let shown = path.display();
    let bytes = file_reader::read(path, LARGEST_SECRET, deadline)
        .await
        .map_err(|error| format!("{shown} cannot be read: {error}"))?;
    let mut text = String::from_utf8(bytes).map_err(|_| format!("{shown} is not text"))?;
    // Editors and templates leave one or more; no secret ends with one.
    text.truncate(text.trim_end_matches(['\n', '\r']).len());
    if text.is_empty() {
        return Err(format!("{shown} is empty"));
    }
    Ok(text.into())
}
