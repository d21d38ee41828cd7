//! Whether a secret is there, without keeping it.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use csp_api::LARGEST_SECRET;
use file_reader::ReadError;
use secrecy::ExposeSecret as _;
use tokio::time::Instant;

use crate::config::{Credential, CredentialKind, Secret};

/// A usable secret.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) described: String,
    pub(super) warning: Option<String>,
}

/// Looks at the secret of `credential`, until `deadline` at the latest.
pub(super) async fn look(credential: &Credential, deadline: Instant) -> Result<Seen, String> {
    let (CredentialKind::ApiToken { token: secret } | CredentialKind::OAuthApp { client_secret: secret, .. }) =
        &credential.kind;
    match secret {
        Secret::Inline(value) => match credential.kind.flaw(value.expose_secret()) {
            Some(flaw) => Err(format!("the secret from the environment {flaw}")),
            None => Ok(Seen { described: "secret from the environment".to_owned(), warning: None }),
        },
        Secret::File(path) => look_at_file(path, &credential.kind, deadline).await,
    }
}

async fn look_at_file(path: &Path, kind: &CredentialKind, deadline: Instant) -> Result<Seen, String> {
    let shown = path.display();
    let unreadable = |error: ReadError| format!("the secret file {shown} can't be read: {error}");
    let looked_at = path.to_owned();
    let metadata = file_reader::ask(path, deadline, move |_| Ok(fs::metadata(looked_at)?)).await.map_err(unreadable)?;
    if metadata.file_type().is_fifo() {
        // What is read here would be missing where it is needed.
        let described = format!("secret from the pipe {shown}, which is read when it is needed");
        return Ok(Seen { described, warning: None });
    }
    let content = file_reader::read(path, LARGEST_SECRET, deadline).await.map_err(unreadable)?;
    let text = std::str::from_utf8(&content).map_err(|_| format!("the secret file {shown} is not UTF-8 text"))?;
    if let Some(flaw) = kind.flaw(text.trim_end_matches(['\n', '\r'])) {
        return Err(format!("the secret file {shown} {flaw}"));
    }
    let open = metadata.permissions().mode() & 0o004 != 0;
    let warning = open.then(|| format!("everybody on this machine can read {shown}: chmod o-r"));
    Ok(Seen { described: format!("secret file {shown} is readable"), warning })
}
