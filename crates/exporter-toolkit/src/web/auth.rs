//! Basic authentication (RFC 7617) against bcrypt hashes.
//!
//! A check costs tens of milliseconds of a whole CPU by design, which makes it the lever of a flood:
//! checks run on threads of their own, few at once, with a bounded queue in which each peer has a
//! share, and what they found is remembered. A user that does not exist costs as much as one that does.

mod cache;
mod queue;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::{AUTHORIZATION, HeaderMap};
use secrecy::{ExposeSecret, SecretSlice};
use zeroize::Zeroizing;

use super::config::PasswordHash;
use cache::CheckCache;
use queue::Queue;

/// What a request says who it comes from.
pub(super) struct Credentials {
    user: Zeroizing<Vec<u8>>,
    password: SecretSlice<u8>,
}

impl Credentials {
    /// The credentials of the one header `Authorization: Basic …`; `None` for anything else.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        // What follows the colon stays in this piece of memory until it is overwritten, too.
        let mut user = Zeroizing::new(BASE64_STANDARD.decode(token.trim()).ok()?);
        let colon = user.iter().position(|byte| *byte == b':')?;
        let password = user.split_off(colon + 1);
        user.pop();
        Some(Self { user, password: password.into() })
    }
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checked {
    Right,
    Wrong,
    /// The queue is full: nothing was checked.
    Busy,
}

/// Checks credentials.
pub(super) struct Verifier {
    cache: Arc<CheckCache>,
    queue: Arc<Queue>,
}

impl Verifier {
    pub(super) fn new() -> Self {
        Self { cache: Arc::new(CheckCache::new()), queue: Queue::new() }
    }

    /// Whether `credentials` are those of one of `users`, which must not be empty.
    pub(super) async fn verify(
        &self,
        users: &BTreeMap<String, PasswordHash>,
        credentials: Credentials,
        peer: Option<IpAddr>,
    ) -> Checked {
        let Credentials { user, password } = credentials;
        let found = std::str::from_utf8(&user).ok().and_then(|user| users.get(user));
        let known = found.is_some();
        // Somebody else's hash stands in for that of an unknown user, always the same for the same name:
        // times then look alike also where costs differ.
        let decoy = || users.values().nth(self.cache.pick(&user, users.len()));
        let Some(hash) = found.or_else(decoy).cloned() else { return Checked::Wrong };
        let digest = self.cache.digest(&user, hash.as_bytes(), password.expose_secret());
        if let Some(right) = self.cache.get(&digest) {
            return checked(right && known);
        }
        let Some(place) = self.queue.enter(peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))) else {
            return Checked::Busy;
        };
        let Some(turn) = place.turn().await else { return Checked::Busy };
        // Somebody before in the queue may have asked the same.
        if let Some(right) = self.cache.get(&digest) {
            return checked(right && known);
        }
        let cache = Arc::clone(&self.cache);
        let outcome = tokio::task::spawn_blocking(move || {
            let right = hash.verify(password.expose_secret()) && known;
            cache.put(digest, right);
            // The turn ends with the work, not with a client that goes away.
            drop(turn);
            right
        });
        checked(outcome.await.unwrap_or(false))
    }
}

fn checked(right: bool) -> Checked {
    if right { Checked::Right } else { Checked::Wrong }
}

#[cfg(test)]
mod tests;
