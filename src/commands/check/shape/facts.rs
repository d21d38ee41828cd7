//! What one list says about our reading of it: counts and kinds, never a value.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use super::json::Json;
use super::links::masked;
use super::paths::{MASKED, Paths};
use invitations::census::Time;

/// Role names that say nothing about anybody.
const KNOWN_ROLES: [&str; 5] = ["org_owner", "org_admin", "org_member", "developer", "support_user"];
/// Status words of the vendor's reference.
pub(super) const STATUS_WORDS: [&str; 3] = ["AVAILABLE", "REDEEMED", "REVOKED"];
/// Times of an invitation; the last one's unit is not stated by the vendor.
pub(super) const TIMES: [&str; 4] = ["generatedAt", "redeemedAt", "revokedAt", "expirationTime"];
/// Kinds of links, status words and the like that are told apart.
const MOST_KINDS: usize = 30;

const DAY: f64 = 86_400.0;

/// How a time was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unit {
    Milliseconds,
    Seconds,
    Text,
    Implausible,
}

impl Unit {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Milliseconds => "milliseconds",
            Self::Seconds => "seconds",
            Self::Text => "RFC 3339",
            Self::Implausible => "something else",
        }
    }
}

/// Everything that is counted over a list.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) elements: u64,
    pub(super) objects: u64,
    pub(super) paths: Paths,
    /// Words of `[A-Z_]{1,32}` as they are, others masked.
    pub(super) status_words: BTreeMap<String, u64>,
    /// Known words in another case.
    pub(super) recased: u64,
    pub(super) units: BTreeMap<(&'static str, Unit), u64>,
    /// Least and most days from generation to expiration.
    pub(super) life: Option<(f64, f64)>,
    /// Invitations with a life outside of 0 to 90 days.
    pub(super) odd_lives: u64,
    /// Links by the path where they stand and by their masked form.
    pub(super) links: BTreeMap<(String, String), u64>,
    pub(super) known_roles: BTreeMap<&'static str, u64>,
    pub(super) other_roles: HashSet<u64>,
    pub(super) ref_links: HashSet<u64>,
    pub(super) repeated_ref_links: u64,
    hasher: RandomState,
}

impl Facts {
    /// Takes in one element of the list at `path`.
    pub(super) fn add(&mut self, path: &str, element: &Json) {
        self.elements += 1;
        self.paths.add(path, element);
        let Json::Object(members) = element else { return };
        self.objects += 1;
        if let Some(Json::Text(word)) = members.get("status") {
            self.take_status(word);
        }
        let seconds = TIMES.map(|key| members.get(key).and_then(|value| self.take_time(key, value)));
        if let [Some(generated), _, _, Some(expires)] = seconds {
            let days = (expires - generated) / DAY;
            let (least, most) = self.life.unwrap_or((days, days));
            self.life = Some((least.min(days), most.max(days)));
            self.odd_lives += u64::from(!(days > 0.0 && days <= 90.0));
        }
        if let Some(Json::Text(link)) = members.get("refLink").filter(|link| link.as_str() != Some("")) {
            let hash = self.hasher.hash_one(link);
            self.repeated_ref_links += u64::from(!self.ref_links.insert(hash));
        }
        self.look_into(path, element);
    }

    fn take_status(&mut self, word: &str) {
        if word.is_empty() {
            return;
        }
        let is_plain = (1..=32).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        count(&mut self.status_words, if is_plain { word } else { MASKED }.to_owned());
        let is_recased = STATUS_WORDS.into_iter().any(|known| word.eq_ignore_ascii_case(known) && word != known);
        self.recased += u64::from(is_recased);
    }

    /// The time in seconds, when it is set and plausible: read as it is read for the metrics.
    fn take_time(&mut self, key: &'static str, value: &Json) -> Option<f64> {
        let time = match value {
            Json::Null => Time::NotSet,
            Json::Number(number) => Time::of_number(number),
            Json::Text(text) => Time::of_text(text),
            _ => Time::Malformed,
        };
        let unit = match (time, value) {
            (Time::NotSet, _) => return None,
            (Time::At(_), Json::Text(_)) => Unit::Text,
            (Time::At(millis), value) if value.as_f64() == Some(millis as f64) => Unit::Milliseconds,
            (Time::At(_), _) => Unit::Seconds,
            (Time::Implausible | Time::Malformed, _) => Unit::Implausible,
        };
        *self.units.entry((key, unit)).or_default() += 1;
        time.millis().map(|millis| millis as f64 / 1000.0)
    }

    /// Counts links and names of roles wherever they stand.
    fn look_into(&mut self, path: &str, value: &Json) {
        match value {
            Json::List(items) => {
                let below = format!("{path}[]");
                for item in items {
                    self.look_into(&below, item);
                }
            }
            Json::Object(members) => {
                for (key, member) in members {
                    let below = super::paths::below(path, key);
                    match (key.as_str(), member) {
                        ("refLink" | "serviceDefinitionLink" | "serviceDefinitionId", Json::Text(link)) => {
                            count(&mut self.links, (below, masked(link)));
                        }
                        ("orgRoleNames" | "serviceRoleNames", Json::List(names)) => {
                            names.iter().filter_map(Json::as_str).for_each(|name| self.take_role(name));
                        }
                        ("organizationRoles" | "customRoles" | "serviceRoles", Json::List(bindings)) => {
                            let names = bindings.iter().filter_map(|binding| binding.get("name")?.as_str());
                            names.for_each(|name| self.take_role(name));
                            self.look_into(&below, member);
                        }
                        _ => self.look_into(&below, member),
                    }
                }
            }
            _ => {}
        }
    }

    fn take_role(&mut self, name: &str) {
        if let Some(known) = KNOWN_ROLES.into_iter().find(|known| *known == name) {
            *self.known_roles.entry(known).or_default() += 1;
        } else {
            self.other_roles.insert(self.hasher.hash_one(name));
        }
    }
}

/// Counts one more of a kind, of few kinds only.
fn count<K: Ord>(kinds: &mut BTreeMap<K, u64>, kind: K) {
    if kinds.len() < MOST_KINDS || kinds.contains_key(&kind) {
        *kinds.entry(kind).or_default() += 1;
    }
}
