//! What has to be unique over all configuration files, and where it was given first.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use exporter_toolkit::document::Fields;

/// What was given so far. Each `claim` says where a value was given first, if it was; else it is given here.
#[derive(Debug, Default)]
pub(super) struct Unique {
    /// The file that is being read.
    pub(super) file: PathBuf,
    keys: HashMap<String, Location>,
    names: HashMap<String, Location>,
    credentials: HashMap<String, Location>,
}

#[derive(Debug)]
struct Location {
    file: PathBuf,
    path: String,
}

impl Unique {
    /// A credential's name.
    pub(super) fn claim_credential(&mut self, name: &str, fields: &Fields<'_, '_>) -> Option<String> {
        claim(&mut self.credentials, &self.file, name, fields)
    }

    /// An organization's key: its id, with its group where it is one of a group.
    pub(super) fn claim_key(&mut self, key: &str, fields: &Fields<'_, '_>) -> Option<String> {
        claim(&mut self.keys, &self.file, key, fields)
    }

    /// An organization's name.
    pub(super) fn claim_name(&mut self, name: &str, fields: &Fields<'_, '_>) -> Option<String> {
        claim(&mut self.names, &self.file, name, fields)
    }
}

fn claim(unique: &mut HashMap<String, Location>, file: &Path, value: &str, fields: &Fields<'_, '_>) -> Option<String> {
    if let Some(Location { file: first, path }) = unique.get(value) {
        return Some(if first == file { path.clone() } else { format!("{path} in {}", first.display()) });
    }
    unique.insert(value.to_owned(), Location { file: file.to_owned(), path: fields.path().to_string() });
    None
}
