//! `credentials`: what organizations are asked with.

use std::path::Path;
use std::sync::Arc;

use exporter_toolkit::document::{Fields, Node, Wrong, path, text};

use super::api::base_url;
use super::unique::Unique;
use super::{Credential, CredentialKind, Secret};

/// Every credential by its name; `None` for one that was reported, so that its name is not called unknown as well.
pub(super) type Named = Vec<(String, Option<Arc<Credential>>)>;

pub(super) fn read(root: &mut Fields<'_, '_>, folder: &Path, unique: &mut Unique) -> Named {
    root.named("credentials", |name, mut fields| {
        if !is_label(name) {
            fields.problem("a credential's name must be 1 to 128 characters without control characters");
        }
        // Within one file it is a duplicate key, which is said already.
        if let Some(first) = unique.claim_credential(name, &fields) {
            fields.problem(format!("the same name as {first}"));
        }
        let kind = kind(&mut fields, folder);
        let url = fields.optional("url", |node| base_url(&text(node)?));
        fields.finish();
        Some((name.to_owned(), kind.map(|kind| Arc::new(Credential { name: name.to_owned(), kind, url }))))
    })
}

fn kind(fields: &mut Fields<'_, '_>, folder: &Path) -> Option<CredentialKind> {
    let file = |node: &Node| path(node, folder).map(Secret::File);
    fields.refuse(
        "api_token",
        "a secret does not belong into this file: put it into one of its own and name that in api_token_file",
    );
    fields.refuse(
        "client_secret",
        "a secret does not belong into this file: put it into one of its own and name that in client_secret_file",
    );
    let [token, id, secret] = ["api_token_file", "client_id", "client_secret_file"].map(|key| fields.has(key));
    let token_file = fields.optional("api_token_file", file);
    let client_id = fields.optional("client_id", |node| client_id(&text(node)?));
    let client_secret = fields.optional("client_secret_file", file);
    match (token, id, secret) {
        (true, false, false) => Some(CredentialKind::ApiToken { token: token_file? }),
        (false, true, true) => Some(CredentialKind::OAuthApp { client_id: client_id?, client_secret: client_secret? }),
        (false, true, false) => {
            fields.problem("client_id needs client_secret_file beside it");
            None
        }
        (false, false, true) => {
            fields.problem("client_secret_file needs client_id beside it");
            None
        }
        (false, false, false) => {
            fields.problem("needs either api_token_file, or client_id and client_secret_file");
            None
        }
        (true, _, _) => {
            fields.problem("api_token_file and client_id with client_secret_file exclude each other");
            None
        }
    }
}

/// Whether a name can be a label's value that people can read.
pub(super) fn is_label(name: &str) -> bool {
    !name.trim().is_empty() && name.chars().count() <= 128 && !name.contains(char::is_control)
}

/// Basic authentication separates the two halves by a colon (RFC 7617), so the first one cannot have any.
pub(super) fn client_id(id: &str) -> Result<String, Wrong> {
    if id.contains(':') {
        Err("must not contain a colon".into())
    } else if id.contains(char::is_control) {
        Err("must not contain line ends or other control characters".into())
    } else {
        Ok(id.to_owned())
    }
}
