//! The token operations: what is sent where, and the reading of secrets for it.

use std::path::Path;
use std::time::SystemTime;

use reqwest::{Request, RequestBuilder};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::attempt::Sender;
use super::auth::AccessToken;
use super::error::{Error, Operation, Reason};
use super::retry::{CallError, Failure, Retry};
use super::secret::flaw;
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
        let of = organization.map(|organization| organization.name.as_str());
        tracing::debug!(credentials = name, organization = of, "exchanging the credential");
        // The life of the token starts to count when the request starts, after the wait for its turn.
        let mut asked = (Instant::now(), SystemTime::now());
        let build = |http: &reqwest::Client| {
            asked = (Instant::now(), SystemTime::now());
            let request = http.post(endpoints.of(credential).clone());
            let request = match kind {
                // A form, so that the token is in no URL and no log of URLs.
                CredentialKind::ApiToken { .. } => request.form(&[("api_token", secret.expose_secret())]),
                // `orgId` makes the service grant the app's roles in this organization.
                CredentialKind::OAuthApp { client_id, .. } => {
                    let mut form = vec![("grant_type", "client_credentials")];
                    form.extend(organization.map(|organization| ("orgId", organization.id.as_str())));
                    request.basic_auth(client_id, Some(secret.expose_secret())).form(&form)
                }
            };
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
                    let build =
                        |http: &reqwest::Client| finished(operation, http.post(endpoints.details.clone()).json(&body));
                    self.attempt(operation, deadline, build, || Gather::new(wire::token_details)).await
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

/// Reads a secret now, so that a rotated file needs no reload. What cannot be one is not sent.
async fn read(operation: Operation, secret: &Secret, deadline: Instant) -> Result<SecretString, Failure> {
    let refuse = |detail: String, hint| Failure {
        error: Error::new(operation, Reason::Credentials, detail).hint(hint),
        retry: Retry::Never,
    };
    let repair = "repair the file: it is read again at the next exchange";
    match secret {
        Secret::Inline(value) => match flaw(value.expose_secret()) {
            Some(flaw) => {
                Err(refuse(format!("the secret from the environment {flaw}"), "correct the variable and restart"))
            }
            None => Ok(value.clone()),
        },
        Secret::File(path) => {
            let Ok(outcome) = timeout_at(deadline, read_file(path)).await else {
                let detail = format!("{} could not be read before the poll's deadline", path.display());
                return Err(refuse(detail, "look at the storage that the file is on"));
            };
            outcome.map_err(|detail| refuse(detail, repair))
        }
    }
}

async fn read_file(path: &Path) -> Result<SecretString, String> {
    let text = tokio::fs::read_to_string(path).await;
    let mut text = text.map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => format!("{} is not UTF-8 text", path.display()),
        kind => format!("{} cannot be read: {kind}", path.display()),
    })?;
    // Editors and templates leave one or more; no secret ends with one.
    text.truncate(text.trim_end_matches(['\n', '\r']).len());
    match flaw(&text) {
        Some(flaw) => Err(format!("{} {flaw}", path.display())),
        None => Ok(text.into()),
    }
}
