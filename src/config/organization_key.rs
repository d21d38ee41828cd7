//! What tells one configured entry from another.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The identity of an entry of `organizations`: its id, and the group where the entry is about one group alone.
///
/// Everything that is kept of an entry is filed under it: its poll loop, its newest view, its lifecycle state and its
/// shard. As text it is the id in lower case, because GUIDs are compared without case, and behind a slash the group as it
/// was written, because groups are compared exactly. Neither part can contain a slash, and an entry without a group
/// has the text that it always had, so what earlier versions stored is found again.
///
/// Maps of ten thousand of them are filled at the start: they are those of `hashbrown`, which hashes faster than the
/// standard library. Nobody but the operator chooses the keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrganizationKey(Arc<str>);

impl OrganizationKey {
    /// The key of an entry.
    #[must_use]
    pub(crate) fn new(id: &str, custom_group_id: Option<&str>) -> Self {
        let mut key = id.to_ascii_lowercase();
        if let Some(group) = custom_group_id {
            key.push('/');
            key.push_str(group);
        }
        Self(key.into())
    }

    /// The key as text.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for OrganizationKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for OrganizationKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrganizationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_compared_without_case_and_groups_exactly() {
        let key = |id, group| OrganizationKey::new(id, group);
        assert_eq!(key("AB-1", None), key("ab-1", None));
        assert_eq!(key("AB-1", Some("g")), key("ab-1", Some("g")));
        assert_ne!(key("ab-1", Some("g")), key("ab-1", Some("G")));
        assert_ne!(key("ab-1", Some("g")), key("ab-1", None));
        assert_eq!(key("AB-1", None).as_str(), "ab-1", "what is stored of an entry without a group stays its own");
    }
}
