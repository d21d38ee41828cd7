//! `credentials`: what organizations are asked with.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use exporter_toolkit::document::{Fields, Node, Wrong, path, text};

use super::api::base_url;
use super::unique::Unique;
use super::{Credential, CredentialKind, Secret};

/// Every credential by its name; `None` for one that was reported, so that its name is not called unknown as well.
#[derive(Debug, Default)]
pub(super) struct Named {
    in_order: Vec<(String, Option<Arc<Credential>>)>,
    places: HashMap<String, usize>,
}

impl Named {
    /// The credential of this name: none where the file has no such name, and none inside where it cannot be used.
    pub(super) fn find(&self, name: &str) -> Option<&Option<Arc<Credential>>> {
        self.places.get(name).map(|place| &self.in_order[*place].1)
    }

    /// The names, in the order of the file.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.in_order.iter().map(|(name, _)| name.as_str())
    }

    /// Those that can be used.
    pub(super) fn usable(&self) -> impl Iterator<Item = Arc<Credential>> {
        self.in_order.iter().filter_map(|(_, credential)| credential.clone())
    }
}

pub(super) fn read(root: &mut Fields<'_, '_>, folder: &Path, unique: &mut Unique) -> Named {
    let in_order = root.named("credentials", |name, mut fields| {
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
    });
    let places = in_order.iter().enumerate().map(|(place, (name, _))| (name.clone(), place)).collect();
    Named { in_order, places }
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
