//! Access tokens: one for each API token, and one for each OAuth app and organization.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, RwLock};
use reqwest::header::HeaderValue;
use secrecy::ExposeSecret as _;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::error::{Error, Operation, Reason};
use super::retry::CallError;
use super::settings::{CredentialKind, Organization, Secret};
use super::wire::Grant;

/// A token is renewed when a fifth of its life is left, at the earliest this long before its end.
const RENEW_BEFORE: Duration = Duration::from_secs(60);

/// A short-lived token, ready to be sent.
pub(super) struct AccessToken {
    /// The value of the `Authorization` header, marked as sensitive.
    pub(super) header: HeaderValue,
    expires: Instant,
    renew: Instant,
    expiration: SystemTime,
}

impl AccessToken {
    /// Counts the life from `asked`, the moment before the exchange: the service's clock started later, so
    /// the token is never believed to live longer than it does. One that would be over on arrival may be no older than the
    /// answer, and is worth a try.
    pub(super) fn new(grant: &Grant, asked: Instant, asked_at: SystemTime) -> Option<Self> {
        let Grant { token, lifetime } = grant;
        let token = token.expose_secret();
        if !token.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        let mut header = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
        header.set_sensitive(true);
        let arrived = Instant::now();
        let expires = Some(asked + *lifetime).filter(|&expires| expires > arrived).unwrap_or(arrived + *lifetime);
        Some(Self {
            header,
            expires,
            renew: expires.checked_sub(RENEW_BEFORE.min(*lifetime / 5)).unwrap_or(asked),
            expiration: asked_at + *lifetime,
        })
    }

    /// Whether it may still be sent.
    pub(super) fn is_valid(&self) -> bool {
        Instant::now() < self.expires
    }

    fn is_fresh(&self) -> bool {
        Instant::now() < self.renew
    }
}

/// Whose token it is. Another base URL or another secret is another token, so that a cache can outlive a
/// change of the settings.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    endpoint: String,
    credential: String,
    secret: blake3::Hash,
    organization: Option<String>,
}

impl Key {
    fn new(endpoint: &Url, organization: &Organization) -> Self {
        let mut hasher = blake3::Hasher::new();
        let (secret, per_organization) = match &organization.credential.kind {
            CredentialKind::ApiToken { token } => (token, None),
            CredentialKind::OAuthApp { client_id, client_secret } => {
                hasher.update(client_id.as_bytes());
                (client_secret, Some(organization.id.clone()))
            }
        };
        match secret {
            Secret::File(path) => hasher.update(b"\0file\0").update(path.as_os_str().as_encoded_bytes()),
            Secret::Inline(value) => hasher.update(b"\0inline\0").update(value.expose_secret().as_bytes()),
        };
        Self {
            endpoint: endpoint.to_string(),
            credential: organization.credential.name.clone(),
            secret: hasher.finalize(),
            organization: per_organization,
        }
    }
}

/// The place of one token.
#[derive(Default)]
pub(super) struct Slot {
    current: RwLock<Option<Arc<AccessToken>>>,
    /// Held during an exchange, so that there is never a second one.
    flight: tokio::sync::Mutex<Flight>,
    finished: std::sync::atomic::AtomicU64,
}

/// How the last exchange ended, for those who waited for it.
#[derive(Default)]
struct Flight {
    failure: Option<CallError>,
}

impl Slot {
    /// The current token, or the one that `exchange` brings.
    ///
    /// Callers that come while an exchange runs share its outcome, a failure included: fifty organizations
    /// with one wrong credential send it once. A caller that gives up lets the next one go on.
    pub(super) async fn token<F>(&self, deadline: Instant, exchange: F) -> Result<Arc<AccessToken>, CallError>
    where
        F: Future<Output = Result<AccessToken, CallError>> + Send,
    {
        use std::sync::atomic::Ordering::SeqCst;
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        let seen = self.finished.load(SeqCst);
        let Ok(mut flight) = timeout_at(deadline, self.flight.lock()).await else {
            let detail = "the poll's deadline passed while another one exchanged the same credential";
            let error = Error::new(Operation::Token, Reason::Timeout, detail);
            return Err(CallError { error, by_deadline: true });
        };
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        let outcome = match &flight.failure {
            Some(failure) if self.finished.load(SeqCst) != seen => Err(failure.clone()),
            _ => {
                let outcome = exchange.await;
                flight.failure = outcome.as_ref().err().filter(|failure| !failure.by_deadline).cloned();
                self.finished.fetch_add(1, SeqCst);
                outcome
            }
        };
        match outcome {
            Ok(token) => {
                let token = Arc::new(token);
                *self.current.write() = Some(Arc::clone(&token));
                Ok(token)
            }
            // Renewal begins early: until the old token runs out, a failed renewal harms nobody.
            Err(failure) => self.current.read().clone().filter(|token| token.is_valid()).ok_or(failure),
        }
    }

    fn fresh(&self) -> Option<Arc<AccessToken>> {
        self.current.read().clone().filter(|token| token.is_fresh())
    }

    /// Forgets `refused`, unless another caller has replaced it already.
    pub(super) fn forget(&self, refused: &Arc<AccessToken>) {
        let mut current = self.current.write();
        if current.as_ref().is_some_and(|token| Arc::ptr_eq(token, refused)) {
            *current = None;
        }
    }
}

/// Every token in use.
#[derive(Default)]
pub(super) struct Tokens {
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
}

impl Tokens {
    /// The place of an organization's token.
    pub(super) fn slot(&self, endpoint: &Url, organization: &Organization) -> Arc<Slot> {
        Arc::clone(self.slots.lock().entry(Key::new(endpoint, organization)).or_default())
    }

    /// When the token that an organization uses runs out.
    pub(super) fn expiration(&self, endpoint: &Url, organization: &Organization) -> Option<SystemTime> {
        let slot = self.slots.lock().get(&Key::new(endpoint, organization)).map(Arc::clone)?;
        let current = slot.current.read();
        current.as_ref().map(|token| token.expiration)
    }

    /// Drops the places of tokens that nobody uses any more.
    pub(super) fn prune(&self) {
        self.slots.lock().retain(|_, slot| {
            Arc::strong_count(slot) > 1 || slot.current.read().as_ref().is_some_and(|token| token.is_valid())
        });
    }
}
