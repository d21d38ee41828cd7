//! Access tokens that were given out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::dice::Dice;

/// What an access token is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Grant {
    /// A user's, from the API token of the organization at this place: its roles count there alone.
    User(usize),
    /// The OAuth app's; with `orgId`, it counts in that organization alone.
    App(Option<String>),
}

/// The access tokens that count.
#[derive(Debug)]
pub(super) struct AccessTokens {
    seed: u64,
    issued: AtomicU64,
    grants: Mutex<HashMap<String, (Grant, Instant)>>,
}

impl AccessTokens {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, issued: AtomicU64::new(0), grants: Mutex::default() }
    }

    /// A new token that is good for `lifetime`.
    pub(super) fn issue(&self, grant: Grant, lifetime: Duration) -> String {
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let token = format!("simulated-access-{number}-{}", Dice::new(&[self.seed, u64::MAX, number]).word(40));
        let now = Instant::now();
        let mut grants = self.grants.lock();
        grants.retain(|_, (_, until)| *until > now);
        grants.insert(token.clone(), (grant, now + lifetime));
        token
    }

    /// What `token` is good for now.
    pub(super) fn grant(&self, token: &str) -> Option<Grant> {
        let grants = self.grants.lock();
        grants.get(token).filter(|(_, until)| *until > Instant::now()).map(|(grant, _)| grant.clone())
    }

    /// Makes every token worthless.
    pub(super) fn revoke(&self) {
        self.grants.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_token_counts_until_its_lifetime_is_over() {
        let tokens = AccessTokens::new(1);
        let token = tokens.issue(Grant::User(3), Duration::from_secs(10));
        tokio::time::advance(Duration::from_millis(9999)).await;
        assert_eq!(tokens.grant(&token), Some(Grant::User(3)));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(tokens.grant(&token), None);
    }

    #[tokio::test]
    async fn each_token_is_another_and_revoked_ones_do_not_count() {
        let tokens = AccessTokens::new(1);
        let [a, b] = [0, 1].map(|_| tokens.issue(Grant::App(None), Duration::from_secs(10)));
        assert_ne!(a, b);
        tokens.revoke();
        assert_eq!(tokens.grant(&a), None);
    }
}
