//! What has to be unique over all configuration files, and where it was given first.

use std::path::{Path, PathBuf};

use exporter_toolkit::document::Fields;
use hashbrown::HashMap;

/// What was given so far. Each `claim` says where a value was given first, if it was; else it is given here.
#[derive(Debug, Default)]
pub(super) struct Unique {
    /// The file that is being read.
    pub(super) file: PathBuf,
    keys: HashMap<String, Location>,
    names: HashMap<String, Location>,
    credentials: HashMap<String, Location>,
    guesses: usize,
}

/// Names of credentials that are unknown and are compared with all that there are. Who has written more of them wrong has
/// not made slips, and each comparison takes time in proportion to the file.
const GUESSES: usize = 100;

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

    /// Whether one more unknown name is to be compared with those that there are.
    pub(super) fn is_worth_a_guess(&mut self) -> bool {
        self.guesses += 1;
        self.guesses <= GUESSES
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
