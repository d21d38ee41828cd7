//! Which organizations are asked for.

use serde::Deserialize;

use super::row::{is_trouble, rank};
use crate::snapshot::OrganizationStatus;

/// The query of the page and of its twin for programs. What is unknown is ignored.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Filter {
    /// A part of the name, the display name or the id, whatever the case.
    pub(super) q: String,
    /// A data state, `trouble`, or empty for all.
    pub(super) state: String,
    /// The page, from 1.
    #[serde(deserialize_with = "page")]
    pub(super) page: usize,
}

/// A choice in the form's list of states.
pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) words: &'static str,
    pub(super) chosen: bool,
}

impl Filter {
    /// The organizations that pass, those in trouble first, then by name.
    pub(super) fn apply<'a>(&self, organizations: &'a [OrganizationStatus]) -> Vec<&'a OrganizationStatus> {
        let mut matching: Vec<_> = organizations.iter().filter(|organization| self.passes(organization)).collect();
        matching.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name)));
        matching
    }

    fn passes(&self, organization: &OrganizationStatus) -> bool {
        let OrganizationStatus { name, id, custom_group_id, display_name, state, .. } = organization;
        let sought = self.q.trim().to_lowercase();
        let found = |text: &str| text.to_lowercase().contains(&sought);
        let in_state = match self.state.as_str() {
            "" => true,
            "trouble" => is_trouble(organization),
            wanted => wanted == state.as_str(),
        };
        let optional = [custom_group_id, display_name].into_iter().flatten();
        in_state && (sought.is_empty() || [name, id].into_iter().chain(optional).any(|text| found(text)))
    }

    /// The choices of states.
    pub(super) fn choices(&self) -> [Choice; 6] {
        [
            ("", "all"),
            ("trouble", "in trouble"),
            ("fresh", "fresh"),
            ("held", "held"),
            ("waiting", "waiting"),
            ("withdrawn", "withdrawn"),
        ]
        .map(|(value, words)| Choice { value, words, chosen: value == self.state })
    }

    /// The address of another page of the same choice, relative to this one.
    pub(super) fn link(&self, page: usize) -> String {
        let mut query = url::form_urlencoded::Serializer::for_suffix(String::from("./?"), 3);
        for (key, value) in [("q", &self.q), ("state", &self.state)] {
            if !value.is_empty() {
                query.append_pair(key, value);
            }
        }
        query.append_pair("page", &page.to_string()).finish()
    }
}

/// A page that is not a number is the first.
fn page<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    String::deserialize(deserializer).map(|text| text.parse().unwrap_or(1))
}
