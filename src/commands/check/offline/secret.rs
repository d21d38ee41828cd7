//! Whether a secret is there, without keeping it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use secrecy::ExposeSecret as _;
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
        Secret::Inline(value) => match credential.kind.flaw(value.expose_secret()) {
            Some(flaw) => Err(format!("the secret from the environment {flaw}")),
            None => Ok(Seen { described: "secret from the environment".to_owned(), warning: None }),
        },
        Secret::File(path) => look_at_file(path, &credential.kind),
    }
}

fn look_at_file(path: &Path, kind: &CredentialKind) -> Result<Seen, String> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| format!("the secret file {shown} can't be read: {error}");
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(format!("the secret file {shown} is not a regular file"));
    }
    let content = Zeroizing::new(std::fs::read(path).map_err(unreadable)?);
    let Ok(text) = std::str::from_utf8(&content) else {
        return Err(format!("the secret file {shown} is not UTF-8 text"));
    };
    if let Some(flaw) = kind.flaw(text.trim_end_matches(['\n', '\r'])) {
        return Err(format!("the secret file {shown} {flaw}"));
    }
    let open = metadata.permissions().mode() & 0o004 != 0;
    let warning = open.then(|| format!("everybody on this machine can read {shown}: chmod o-r"));
    Ok(Seen { described: format!("secret file {shown} is readable"), warning })
}
