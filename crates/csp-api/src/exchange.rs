//! The token operations: what is sent where, and the reading of secrets for it.

use std::time::SystemTime;

use file_reader::ReadError;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Request, RequestBuilder};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use super::access_tokens::AccessToken;
use super::attempt::Sender;
use super::deadline::Deadline;
use super::endpoints::Endpoints;
use super::error::{Error, Operation, Reason};
use super::retry::{CallError, Failure, Retry};
use super::rotation::SecretId;
use super::settings::{Credential, CredentialKind, Organization, Secret};
use super::sink::Gather;
use super::system::Local;
use super::{sent_secret, wire};

const FORM: &str = "application/x-www-form-urlencoded";

impl Sender {
    /// Exchanges a credential for an access token, that of an OAuth app for one that counts in an organization.
    pub(super) async fn exchange_credential(
        &self,
        endpoints: &Endpoints,
        credential: &Credential,
        organization: Option<&Organization>,
        deadline: &Deadline,
    ) -> Result<AccessToken, CallError> {
        let operation = Operation::Token;
        let subject = exchange_subject(credential, organization);
        let mut attempts = self.attempts(&endpoints.host, subject, operation, deadline)?;
        // What the service has refused, and in which words.
        let mut refused: Option<(SecretId, Failure)> = None;
        loop {
            let read = self.secret(operation, endpoints, credential, deadline).await;
            let failure = match (read, refused.take()) {
                // Still the one that was refused, or none any more.
                (Ok((_, id)), Some((before, failure))) if id == before => failure,
                (Err(_), Some((_, failure))) | (Err(failure), None) => failure,
                (Ok((secret, id)), before) => {
                    if before.is_some() {
                        self.observer.retry(operation);
                    }
                    match self.exchange_once(endpoints, credential, &secret, organization, deadline).await {
                        Ok(token) => return Ok(token),
                        Err(failure) if failure.error.reason == Reason::Credentials && before.is_none() => {
                            // It may have been replaced while it waited for its turn, or was on its way.
                            refused = Some((id, failure));
                            continue;
                        }
                        Err(failure) => failure,
                    }
                }
            };
            attempts.after(failure).await?;
        }
    }

    async fn exchange_once(
        &self,
        endpoints: &Endpoints,
        credential: &Credential,
        secret: &SecretString,
        organization: Option<&Organization>,
        deadline: &Deadline,
    ) -> Result<AccessToken, Failure> {
        let operation = Operation::Token;
        let Credential { name, kind, url: _ } = credential;
        let of = organization.map(|organization| organization.name.as_str());
        tracing::debug!(credentials = name, organization = of, "exchanging the credential");
        // The life of the token starts to count when the request starts, after the wait for its turn.
        let mut asked = (Instant::now(), SystemTime::now());
        let build = |http: &reqwest::Client| {
            asked = (Instant::now(), SystemTime::now());
            let request = http.post(endpoints.exchange(credential)).header(CONTENT_TYPE, FORM);
            let request = match kind {
                // A form, so that the token is in no URL and no log of URLs.
                CredentialKind::ApiToken { .. } => {
                    request.body(sent_secret::form(&[("api_token", secret.expose_secret())]))
                }
                // `orgId` makes the service grant the app's roles in this organization.
                CredentialKind::OAuthApp { client_id, .. } => {
                    let mut form = vec![("grant_type", "client_credentials")];
                    form.extend(organization.map(|organization| ("orgId", organization.id.as_str())));
                    let who =
                        sent_secret::basic(client_id, secret.expose_secret()).ok_or_else(|| unbuildable(operation))?;
                    request.header(AUTHORIZATION, who).body(sent_secret::form(&form))
                }
            };
            finished(operation, request)
        };
        let grant = self.attempt(&endpoints.host, operation, deadline, build, || Gather::new(wire::grant)).await?;
        AccessToken::new(&grant, asked.0, asked.1).ok_or_else(|| {
            let detail = "the access token has characters that no header may carry";
            Failure { error: Error::new(operation, Reason::Decode, detail), retry: Retry::Never }
        })
    }

    /// Reads the secret of a credential, and notes which one it is.
    pub(super) async fn secret(
        &self,
        operation: Operation,
        endpoints: &Endpoints,
        credential: &Credential,
        deadline: &Deadline,
    ) -> Result<(SecretString, SecretId), Failure> {
        let read = read(operation, &credential.kind, deadline).await;
        let read = read.map(|secret| (SecretId::new(&endpoints.exchange(credential), &secret), secret));
        self.secrets.note(&credential.name, read.as_ref().ok().map(|(id, _)| *id));
        read.map(|(id, secret)| (secret, id))
    }

    /// Asks when an API token runs out.
    pub(super) async fn token_details(
        &self,
        endpoints: &Endpoints,
        credential: &Credential,
        deadline: &Deadline,
    ) -> Result<(SecretId, Option<SystemTime>), CallError> {
        let operation = Operation::TokenDetails;
        let CredentialKind::ApiToken { .. } = credential.kind else {
            let error = Error::new(operation, Reason::Internal, "only API tokens are asked about");
            return Err(CallError { error, by_deadline: false, is_unsent: true });
        };
        let mut attempts = self.attempts(&endpoints.host, expiration_subject(credential), operation, deadline)?;
        loop {
            let outcome = match self.secret(operation, endpoints, credential, deadline).await {
                Ok((token, id)) => {
                    let body = sent_secret::object("tokenValue", token.expose_secret());
                    let build = |http: &reqwest::Client| {
                        let request = http.post(endpoints.token_details()).header(CONTENT_TYPE, "application/json");
                        finished(operation, request.body(body.clone()))
                    };
                    let sink = || Gather::new(wire::token_details);
                    let answer = self.attempt(&endpoints.host, operation, deadline, build, sink).await;
                    answer.map(|expiration| (id, expiration))
                }
                Err(failure) => Err(failure),
            };
            match outcome {
                Ok(answer) => return Ok(answer),
                Err(failure) => attempts.after(failure).await?,
            }
        }
    }
}

/// What an exchange is about, for a service that wants to be left alone about it.
pub(super) fn exchange_subject(credential: &Credential, organization: Option<&Organization>) -> String {
    let of = match (&credential.kind, organization) {
        (CredentialKind::OAuthApp { .. }, Some(organization)) => organization.id.as_str(),
        _ => "",
    };
    format!("exchange {of} {}", credential.name)
}

/// What the question is about when an API token runs out.
pub(super) fn expiration_subject(credential: &Credential) -> String {
    format!("expiration {}", credential.name)
}

/// Ends the building of a request.
pub(super) fn finished(operation: Operation, request: RequestBuilder) -> Result<Request, Failure> {
    request.build().map_err(|_| unbuildable(operation))
}

fn unbuildable(operation: Operation) -> Failure {
    Failure { error: Error::new(operation, Reason::Internal, "the request could not be built"), retry: Retry::Never }
}

/// The largest secret; real ones have a few hundred bytes.
pub const LARGEST_SECRET: u64 = 64 << 10;

/// Reads a secret now, so that a rotated file needs no reload. What cannot be one is not sent.
async fn read(operation: Operation, kind: &CredentialKind, deadline: &Deadline) -> Result<SecretString, Failure> {
    let start = Instant::now();
    let refuse = |detail: String, hint| {
        // Without a secret there is no first request: the call began, and ended, with the reading.
        deadline.begin(start);
        let error = Error::new(operation, Reason::Credentials, detail).hint(hint);
        Failure { error, retry: Retry::Never }
    };
    let repair = "repair the file: it is read again at the next exchange";
    let (CredentialKind::ApiToken { token: secret } | CredentialKind::OAuthApp { client_secret: secret, .. }) = kind;
    match secret {
        Secret::Inline(value) => match kind.flaw(value.expose_secret()) {
            Some(flaw) => {
                Err(refuse(format!("the secret from the environment {flaw}"), "correct the variable and restart"))
            }
            None => Ok(value.clone()),
        },
        Secret::File(path) => {
            let until = start + deadline.left().min(file_reader::PATIENCE);
            let bytes = file_reader::read_one_of_many(path, LARGEST_SECRET, until).await.map_err(|error| {
                let local = if let ReadError::System(cause) = &error { Local::of_files(cause) } else { None };
                let usual = if error.hangs() { "look at the storage that the file is on" } else { repair };
                let hint = local.map_or(usual, |local| local.hint);
                refuse(format!("{} cannot be read: {error}", path.display()), hint)
            })?;
            content(&bytes, kind).map_err(|flaw| refuse(format!("{} {flaw}", path.display()), repair))
        }
    }
}

/// What a file holds, unless it is no secret.
fn content(bytes: &[u8], kind: &CredentialKind) -> Result<SecretString, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8 text")?;
    // Editors and templates leave one or more; no secret ends with one.
    let text = text.trim_end_matches(['\n', '\r']);
    match kind.flaw(text) {
        Some(flaw) => Err(flaw),
        None => Ok(text.into()),
    }
}
