//! Which secret of each credential was read last.

use std::collections::HashMap;
use std::fmt;

use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::watch;
use url::Url;

/// Tells one secret of a credential, at one console, from another, and nothing else about it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretId(blake3::Hash);

impl SecretId {
    /// The id of a secret that is sent to `endpoint`.
    #[must_use]
    pub fn new(endpoint: &Url, secret: &SecretString) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(endpoint.as_str().as_bytes()).update(b"\0").update(secret.expose_secret().as_bytes());
        Self(hasher.finalize())
    }
}

/// A hash of a secret is nobody's business.
impl fmt::Debug for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretId")
    }
}

/// The secret that was read last of each credential, by the credential's name.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    last_read: Mutex<HashMap<String, watch::Sender<Option<SecretId>>>>,
}

impl Secrets {
    /// Notes what was read; `None` where there was nothing that is a secret.
    pub(super) fn note(&self, credential: &str, secret: Option<SecretId>) {
        self.sender(credential).send_if_modified(|last| std::mem::replace(last, secret) != secret);
    }

    /// What was read last, and is from now on.
    pub(super) fn last_read(&self, credential: &str) -> watch::Receiver<Option<SecretId>> {
        self.sender(credential).subscribe()
    }

    fn sender(&self, credential: &str) -> watch::Sender<Option<SecretId>> {
        self.last_read.lock().entry(credential.to_owned()).or_default().clone()
    }
}
