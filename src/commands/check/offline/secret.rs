//! Whether a secret is there, without keeping it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use secrecy::zeroize::Zeroizing;

use crate::config::{Credential, CredentialKind, Secret};

/// A usable secret.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) described: String,
    pub(super) warning: Option<String>,
}

/// Looks at the secret of `credential`.
pub(super) fn look(credential: &Credential) -> Result<Seen, String> {
    let (CredentialKind::ApiToken { token: secret } | CredentialKind::OAuthApp { client_secret: secret, .. }) =
        &credential.kind;
    match secret {
        Secret::Inline(_) => Ok(Seen { described: "secret from the environment".to_owned(), warning: None }),
        Secret::File(path) => look_at_file(path),
    }
}

fn look_at_file(path: &Path) -> Result<Seen, String> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| format!("the secret file {shown} can't be read: {error}");
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(format!("the secret file {shown} is not a regular file"));
    }
    let content = Zeroizing::new(std::fs::read(path).map_err(unreadable)?);
    if content.trim_ascii().is_empty() {
        return Err(format!("the secret file {shown} is empty"));
    }
    if std::str::from_utf8(&content).is_err() {
        return Err(format!("the secret file {shown} is not text"));
    }
    let open = metadata.permissions().mode() & 0o004 != 0;
    let warning = open.then(|| format!("everybody on this machine can read {shown}: chmod o-r"));
    Ok(Seen { described: format!("secret file {shown} is readable"), warning })
}
