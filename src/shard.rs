//! Which of several instances polls which organization.

use std::fmt;
use std::str::FromStr;

use crate::config::OrganizationKey;

/// Shards at most: to know an organization's takes a hash for each.
const MOST: u32 = 1024;

/// One of several instances that share the organizations of one configuration.
///
/// Rendezvous hashing: each organization belongs to the shard that scores highest for it. Growing from `n` to
/// `n + 1` shards moves about one organization in `n + 1`, and each of them to the new shard. A move costs the
/// organization's lifecycle counters, so the scores must never change between versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard {
    index: u32,
    count: u32,
}

impl Shard {
    /// Shard `index`, from 1, of `count`; `None` unless 1 ≤ `index` ≤ `count`.
    #[must_use]
    pub(crate) fn new(index: u32, count: u32) -> Option<Self> {
        (1..=count).contains(&index).then_some(Self { index, count })
    }

    /// Reads `2/5`, or `auto/5`, where the index is the trailing ordinal of the host name plus one, as a
    /// Kubernetes `StatefulSet` numbers its pods.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with `text` or the host name.
    pub(crate) fn parse(text: &str, hostname: impl FnOnce() -> String) -> Result<Self, String> {
        let shape = || format!("`{text}` is not a shard: expected INDEX/COUNT as in `2/5`, or `auto/COUNT`");
        let (index, count) = text.split_once('/').ok_or_else(shape)?;
        let count = number(count).ok_or_else(shape)?;
        if count > MOST {
            return Err(format!("`{text}` has more than {MOST} shards"));
        }
        let index = if index == "auto" {
            let host = hostname();
            // What follows the first dot is the domain of a fully qualified name.
            let name = host.split('.').next().unwrap_or_default();
            let ordinal = &name[name.trim_end_matches(|c: char| c.is_ascii_digit()).len()..];
            let ordinal: u32 = ordinal.parse().map_err(|_| {
                format!("`{text}` takes the shard's index from the host name, but `{host}` does not end in an ordinal as `exporter-0` does")
            })?;
            ordinal.saturating_add(1)
        } else {
            number(index).ok_or_else(shape)?
        };
        Self::new(index, count)
            .ok_or_else(|| format!("shard {index} of {count} does not exist: the index runs from 1 to the count"))
    }

    /// This instance's place, from 1.
    #[must_use]
    pub(crate) fn index(self) -> u32 {
        self.index
    }

    /// How many instances there are.
    #[must_use]
    pub(crate) fn count(self) -> u32 {
        self.count
    }

    /// Whether this instance polls the organization.
    #[must_use]
    pub(crate) fn owns(self, organization: &OrganizationKey) -> bool {
        Self::owner(organization, self.count) == self.index
    }

    /// The index of the instance that polls the organization, of `count`.
    #[must_use]
    pub(crate) fn owner(organization: &OrganizationKey, count: u32) -> u32 {
        // A tie, however unlikely, goes to the lower index, so that there is always exactly one owner.
        let owner = (1..=count).max_by_key(|index| (score(organization.as_str(), *index), std::cmp::Reverse(*index)));
        owner.unwrap_or(1)
    }
}

/// The score of a shard for an organization: the first eight bytes, as a big-endian number, of the BLAKE3 hash
/// of `csp-exporter shard`, a zero byte, the index as four big-endian bytes, and the organization's key.
fn score(key: &str, index: u32) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"csp-exporter shard\0").update(&index.to_be_bytes()).update(key.as_bytes());
    let mut bytes = [0; 8];
    hasher.finalize_xof().fill(&mut bytes);
    u64::from_be_bytes(bytes)
}

/// Plain decimal digits; `+5` is what `u32` would take, but nobody means.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl FromStr for Shard {
    type Err = String;

    /// Reads `2/5`; `auto/5` needs [`Shard::parse`].
    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text, String::new)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests;
