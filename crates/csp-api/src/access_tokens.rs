//! Access tokens: one for each API token, and one for each OAuth app and organization.
//!
//! **Who waits for whom, and for how long?** Who needs a token waits for the exchange of another who needs the same, and
//! shares its outcome: until that exchange has its turn, as long as that takes; from then on for its own deadline. Whoever
//! gives up, or goes on under other settings, lets the next one exchange. Nobody waits in an exchange for the end of what the
//! service has asked for by `Retry-After`: that is waited for before it, by each for itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, RwLock};
use reqwest::header::HeaderValue;
use secrecy::ExposeSecret as _;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::deadline::Deadline;
use super::error::{Error, Operation, Reason};
use super::retry::CallError;
use super::sent_secret;
use super::settings::{CredentialKind, Organization, Secret};
use super::wire::Grant;

#[cfg(test)]
mod interleavings;
#[cfg(test)]
mod tests;

/// A token is renewed when a fifth of its life is left, at the earliest this long before its end.
const RENEW_BEFORE: Duration = Duration::from_secs(60);

/// Renewals of tokens that live shorter than this are not spread.
const WORTH_SPREADING: Duration = Duration::from_secs(600);

/// A short-lived token, ready to be sent.
pub(super) struct AccessToken {
    /// The value of the `Authorization` header, marked as sensitive.
    pub(super) header: HeaderValue,
    asked: Instant,
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
        let header = sent_secret::bearer(token)?;
        let arrived = Instant::now();
        let expires = Some(asked + *lifetime).filter(|&expires| expires > arrived).unwrap_or(arrived + *lifetime);
        Some(Self {
            header,
            asked,
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

    /// Lets a token that lives for long be renewed at a point of its own, `share` of the way from a quarter of its life to
    /// where it would be renewed anyway. A start exchanges every credential at once: without this, the renewals would come
    /// at once, too, for as long as the process lives.
    fn spread_renewal(&mut self, share: f64) {
        let (asked, renew) = (self.asked, self.renew);
        let life = self.expires.saturating_duration_since(asked);
        if life >= WORTH_SPREADING {
            let first = asked + life / 4;
            self.renew = first + renew.saturating_duration_since(first).mul_f64(share);
        }
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

    /// A number from 0 to 1 that is the same for the same key, and another one for any other.
    fn share(&self) -> f64 {
        let Self { endpoint, credential, secret, organization } = self;
        let mut hasher = blake3::Hasher::new();
        for part in [endpoint, credential, organization.as_deref().unwrap_or_default()] {
            hasher.update(part.as_bytes()).update(b"\0");
        }
        hasher.update(secret.as_bytes());
        let [a, b, c, d, ..] = *hasher.finalize().as_bytes();
        f64::from(u32::from_be_bytes([a, b, c, d])) / f64::from(u32::MAX)
    }
}

/// One token, renewed when it is needed.
pub(super) struct CachedToken {
    current: RwLock<Option<Arc<AccessToken>>>,
    /// Held during an exchange, so that there is never a second one.
    flight: tokio::sync::Mutex<Flight>,
    /// The deadline that the newest exchange goes by, for those who wait for it.
    exchanging: watch::Sender<Option<Deadline>>,
    finished: std::sync::atomic::AtomicU64,
    /// Where in the life of its first token that one is renewed, from 0 to 1.
    share: f64,
}

/// How the last exchange ended, for those who waited for it.
#[derive(Default)]
struct Flight {
    failure: Option<CallError>,
    had_token: bool,
}

impl CachedToken {
    fn new(share: f64) -> Self {
        Self {
            current: RwLock::default(),
            flight: tokio::sync::Mutex::default(),
            exchanging: watch::Sender::new(None),
            finished: std::sync::atomic::AtomicU64::new(0),
            share,
        }
    }

    /// The current token, or the one that `exchange` brings.
    ///
    /// Callers that come while an exchange runs share its outcome, a failure included: fifty organizations
    /// with one wrong credential send it once. A caller that gives up lets the next one go on.
    ///
    /// A caller whose time does not count yet waits for the turn of the other's exchange as for one of its own, and then
    /// for as long as it may itself take. Its own time begins with its own request, or with the exchange that failed it.
    pub(super) async fn token<F>(&self, deadline: &Deadline, exchange: F) -> Result<Arc<AccessToken>, CallError>
    where
        F: Future<Output = Result<AccessToken, CallError>> + Send,
    {
        use std::sync::atomic::Ordering::SeqCst;
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        let seen = self.finished.load(SeqCst);
        let joined = Instant::now();
        let mut flight = tokio::select! {
            biased;
            flight = self.flight.lock() => flight,
            began = self.overdue(deadline, joined) => {
                deadline.begin(began);
                let detail = "the poll's deadline passed while another one exchanged the same credential";
                let error = Error::new(Operation::Token, Reason::Timeout, detail);
                return Err(CallError { error, by_deadline: true, is_unsent: true });
            }
        };
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        let outcome = match &flight.failure {
            Some(failure) if self.finished.load(SeqCst) != seen => {
                let began = self.exchanging.borrow().as_ref().and_then(Deadline::begun);
                deadline.begin(began.map_or(joined, |began| began.max(joined)));
                Err(CallError { is_unsent: true, ..failure.clone() })
            }
            _ => {
                self.exchanging.send_replace(Some(deadline.clone()));
                let outcome = exchange.await;
                flight.failure = outcome.as_ref().err().filter(|failure| !failure.by_deadline).cloned();
                self.finished.fetch_add(1, SeqCst);
                outcome
            }
        };
        match outcome {
            Ok(mut token) => {
                if !std::mem::replace(&mut flight.had_token, true) {
                    token.spread_renewal(self.share);
                }
                let token = Arc::new(token);
                *self.current.write() = Some(Arc::clone(&token));
                Ok(token)
            }
            // Renewal begins early: until the old token runs out, a failed renewal harms nobody.
            Err(failure) => self.valid().ok_or(failure),
        }
    }

    /// When the exchange under way began, for a caller that has waited for it as long as it may.
    async fn overdue(&self, deadline: &Deadline, joined: Instant) -> Instant {
        let began = if let Some(begun) = deadline.begun() {
            begun
        } else {
            let mut exchanging = self.exchanging.subscribe();
            let exchanging = exchanging.wait_for(Option::is_some).await.ok().and_then(|exchanging| exchanging.clone());
            // There is one before anybody can wait for it.
            let Some(exchanging) = exchanging else { return std::future::pending().await };
            exchanging.beginning().await.max(joined)
        };
        sleep_until(began + deadline.length()).await;
        began
    }

    /// The current token, if it may still be sent.
    pub(super) fn valid(&self) -> Option<Arc<AccessToken>> {
        self.current.read().clone().filter(|token| token.is_valid())
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
pub(super) struct AccessTokens {
    tokens: Mutex<HashMap<Key, Arc<CachedToken>>>,
}

impl AccessTokens {
    /// The token of an organization, wherever it stands.
    pub(super) fn slot(&self, endpoint: &Url, organization: &Organization) -> Arc<CachedToken> {
        let key = Key::new(endpoint, organization);
        let share = key.share();
        Arc::clone(self.tokens.lock().entry(key).or_insert_with(|| Arc::new(CachedToken::new(share))))
    }

    /// When the token that an organization uses runs out.
    pub(super) fn expiration(&self, endpoint: &Url, organization: &Organization) -> Option<SystemTime> {
        let slot = self.tokens.lock().get(&Key::new(endpoint, organization)).map(Arc::clone)?;
        let current = slot.current.read();
        current.as_ref().map(|token| token.expiration)
    }

    /// Drops the tokens that nobody uses any more.
    pub(super) fn prune(&self) {
        self.tokens.lock().retain(|_, slot| {
            Arc::strong_count(slot) > 1 || slot.current.read().as_ref().is_some_and(|token| token.is_valid())
        });
    }
}
