//! The fold: a list's elements in, one organization's numbers out.

use std::sync::Arc;

use super::element::Element;
use super::intern::Interner;
use super::json::Lenient;
use super::list::{ListError, ListReader};
use super::log::Log;
use super::roster::{Entry, Roster};
use super::view::{Anomaly, ByStatus, RoleKind};
use super::{Status, View, bands, groups::Groups, tally};
use crate::config::Metrics;
use crate::lifecycle::{IdentityKey, Sighting};
use crate::time::Millis;

/// Memory that roles, groups and their combinations may take for a list of any length, in bytes.
const VARIETY_ALLOWANCE: usize = 32 << 20;
/// Memory that they may take beyond that for each invitation, in bytes.
const VARIETY_PER_INVITATION: usize = 64;

/// How a list is turned into numbers: the same for every poll of an instance.
#[derive(Debug)]
pub struct Rules {
    pub(super) metrics: Metrics,
    /// Sorted: few names, of which most roles have none, are found by comparing sooner than by hashing.
    privileged: Vec<String>,
    key: IdentityKey,
}

impl Rules {
    /// Rules for these settings; identities are hashed with `key`.
    #[must_use]
    pub fn new(metrics: &Metrics, key: IdentityKey) -> Self {
        let mut privileged = metrics.privileged_roles.clone();
        privileged.sort_unstable();
        Self { metrics: metrics.clone(), privileged, key }
    }

    fn is_privileged(&self, role: &str) -> bool {
        self.privileged.binary_search_by(|name| name.as_str().cmp(role)).is_ok()
    }

    fn trusts(&self, username: Option<&str>) -> bool {
        let domain = username.and_then(|name| name.rsplit_once('@')).map_or("", |(_, domain)| domain);
        !domain.is_empty()
            && self.metrics.trusted_domains.iter().flatten().any(|entry| match entry.strip_prefix('*') {
                Some(suffix) => domain.len() > suffix.len() && domain.ends_with(suffix),
                None => domain == entry,
            })
    }
}

/// A whole list, counted.
#[derive(Debug)]
pub struct Census {
    /// The numbers.
    pub view: View,
    /// Every invitation of the list, for the lifecycle; in no particular order.
    pub sightings: Vec<Sighting>,
}

/// Counts a list while it arrives.
///
/// Memory is bounded by what is exported plus some sixty bytes an invitation
/// (its identity, its person's hash, its roles and groups as small numbers),
/// never by the body.
#[derive(Debug)]
pub struct Fold {
    reader: ListReader,
    counts: Counts,
}

impl Fold {
    /// An empty fold; ages and expirations are reckoned from `at`.
    #[must_use]
    pub fn new(rules: Arc<Rules>, at: Millis) -> Self {
        Self { reader: ListReader::new(), counts: Counts::new(rules, at) }
    }

    /// Takes the next piece of the body, of any length.
    ///
    /// # Errors
    /// When the body can no longer become a list; the fold is then of no further use.
    pub fn write(&mut self, chunk: &[u8]) -> Result<(), ListError> {
        let Self { reader, counts } = self;
        reader.write(chunk, |element| counts.add(element))?;
        if counts.is_too_varied() { Err(ListError::TooVaried) } else { Ok(()) }
    }

    /// Says that the body has ended. Cheap: the sums are drawn by [`Whole::census`].
    ///
    /// # Errors
    /// When the body was not a whole list.
    pub fn finish(self) -> Result<Whole, ListError> {
        let Self { mut reader, mut counts } = self;
        reader.finish(|element| counts.add(element))?;
        Ok(Whole { counts })
    }
}

/// A list that was read to its end.
#[derive(Debug)]
pub struct Whole {
    counts: Counts,
}

impl Whole {
    /// How many elements the list had.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.counts.by_status.iter().sum()
    }

    /// Whether the list had no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Draws the sums. Takes time in proportion to the list: not for a thread that serves others.
    #[must_use]
    pub fn census(self) -> Census {
        self.counts.census()
    }
}

/// Everything that is counted while a list is read.
#[derive(Debug)]
struct Counts {
    rules: Arc<Rules>,
    view: View,
    by_status: ByStatus,
    roles: [Interner; RoleKind::ALL.len()],
    groups: Groups,
    log: Log,
    roster: Roster,
    username: String,
    carried_roles: Vec<u32>,
    carried_groups: Vec<u32>,
}

impl Counts {
    fn new(rules: Arc<Rules>, at: Millis) -> Self {
        let mut view = View::empty(at);
        view.external = rules.metrics.trusted_domains.is_some().then(ByStatus::default);
        let roster = Roster::new(rules.key.clone());
        Self {
            rules,
            view,
            by_status: ByStatus::default(),
            roles: Default::default(),
            groups: Groups::default(),
            log: Log::default(),
            roster,
            username: String::new(),
            carried_roles: Vec::new(),
            carried_groups: Vec::new(),
        }
    }

    fn is_too_varied(&self) -> bool {
        let roles: usize = self.roles.iter().map(Interner::footprint).sum();
        let used = roles + self.groups.footprint() + self.log.footprint() + self.roster.footprint();
        let invitations: u64 = self.by_status.iter().sum();
        let length = usize::try_from(invitations).unwrap_or(usize::MAX);
        used > VARIETY_ALLOWANCE.saturating_add(length.saturating_mul(VARIETY_PER_INVITATION))
    }

    fn add(&mut self, element: &Element) {
        let status = self.status(element);
        self.by_status[status as usize] += 1;
        self.count_anomalies(element, status);
        self.count_times(element, status);
        self.count_roles_and_groups(element, status);
        self.count_person(element, status);
    }

    fn status(&self, element: &Element) -> Status {
        match element.status {
            Lenient::Set(word) => match element.text(word) {
                "AVAILABLE" if element.expiration.millis().is_some_and(|end| end <= self.view.at.0) => Status::Expired,
                "AVAILABLE" => Status::Available,
                "REDEEMED" => Status::Redeemed,
                "REVOKED" => Status::Revoked,
                _ => Status::Unknown,
            },
            Lenient::NotSet | Lenient::Malformed => Status::Unknown,
        }
    }

    /// An element that is no object has no fields that could be missing: it is one malformed thing, no more.
    fn count_anomalies(&mut self, element: &Element, status: Status) {
        let anomalies = &mut self.view.anomalies;
        anomalies[Anomaly::MalformedField as usize] += element.malformed();
        anomalies[Anomaly::ImplausibleTime as usize] += element.implausible();
        if element.is_object {
            anomalies[Anomaly::UnknownStatus as usize] += u64::from(status == Status::Unknown);
            let is_nameless = element.non_empty(element.ref_link).is_none();
            anomalies[Anomaly::MissingIdentity as usize] += u64::from(is_nameless);
        }
    }

    fn count_times(&mut self, element: &Element, status: Status) {
        let Self { view, .. } = self;
        let newest = |so_far: Option<Millis>, time: Option<i64>| so_far.max(time.map(Millis));
        view.last_generated = newest(view.last_generated, element.generated_at.millis());
        view.last_redeemed = newest(view.last_redeemed, element.redeemed_at.millis());
        view.last_revoked = newest(view.last_revoked, element.revoked_at.millis());
        if status != Status::Available {
            return;
        }
        let oldest = |so_far: Option<Millis>, time: Option<Millis>| so_far.into_iter().chain(time).min();
        let generated = element.generated_at.millis().map(Millis);
        let expiration = element.expiration.millis().map(Millis);
        view.oldest_pending = oldest(view.oldest_pending, generated);
        view.next_expiration = oldest(view.next_expiration, expiration);
        let age = generated.map_or(bands::UNKNOWN, |time| bands::of_age(view.at.since(time)));
        view.pending_by_age[age] += 1;
        let left = expiration.map_or(bands::UNKNOWN, |time| bands::of_time_left(time.since(view.at)));
        view.pending_by_time_left[left] += 1;
    }

    fn count_roles_and_groups(&mut self, element: &Element, status: Status) {
        let Self { rules, view, roles, groups, log, carried_roles, carried_groups, .. } = self;
        carried_roles.clear();
        let mut is_privileged = element.group_roles().any(|role| rules.is_privileged(role));
        for (kind, role) in element.roles() {
            is_privileged |= rules.is_privileged(role);
            carried_roles.push(tally::role_id(kind, roles[kind as usize].intern(role)));
        }
        carried_groups.clear();
        carried_groups.extend(element.group_ids().map(|id| groups.number(id)));
        carried_groups.extend(element.groups().map(|(id, group)| groups.expanded(id, group, element)));
        for carried in [&mut *carried_roles, carried_groups] {
            carried.sort_unstable();
            carried.dedup();
        }
        log.push(status, carried_roles, carried_groups);
        view.privileged[status as usize] += u64::from(is_privileged);
    }

    fn count_person(&mut self, element: &Element, status: Status) {
        self.username.clear();
        let username = element.non_empty(element.username).map(str::trim).filter(|name| !name.is_empty());
        let username = username.map(|name| {
            if name.is_ascii() {
                self.username.push_str(name);
                self.username.make_ascii_lowercase();
            } else {
                self.username.extend(name.chars().flat_map(char::to_lowercase));
            }
            self.username.as_str()
        });
        if let Some(external) = &mut self.view.external {
            external[status as usize] += u64::from(!self.rules.trusts(username));
        }
        self.roster.push(&Entry {
            ref_link: element.non_empty(element.ref_link),
            username,
            status,
            generated_at: element.generated_at.millis(),
            redeemed_at: element.redeemed_at.millis(),
            expiration: element.expiration.millis(),
        });
    }

    fn census(self) -> Census {
        let Self { rules, mut view, by_status, roles, groups, log, mut roster, .. } = self;
        view.by_status = by_status;
        let people = roster.people(view.at);
        view.duplicates = people.duplicates;
        view.lapsed_by_age = people.lapsed_by_age;
        view.anomalies[Anomaly::DuplicateIdentity as usize] = roster.duplicate_identities();
        tally::draw(&rules.metrics, &roles, &groups, &log, &mut view);
        Census { view, sightings: roster.into_sightings() }
    }
}
