//! Everything that is counted while a list is read.

use std::borrow::Cow;
use std::sync::Arc;

use super::criteria::Criteria;
use super::element::Element;
use super::intern::Interner;
use super::memberships::Memberships;
use super::people::{Invitee, People, PeopleCounts};
use super::text::Gate;
use super::view::{Anomaly, ByStatus};
use super::{View, aggregate, buckets, groups::Groups};
use crate::settings::Metrics;
use crate::{Former, IdentityKey, Millis, RoleKind, Sighting, Status};

/// A whole list, counted.
#[derive(Debug)]
pub struct Census {
    /// The numbers.
    pub view: View,
    /// Every invitation of the list, for the lifecycle; in no particular order.
    pub sightings: Vec<Sighting>,
    /// Their identities in a state of the first format, where its key was given.
    pub former: Option<Vec<Former>>,
}

/// Memory that roles, groups and their combinations may take for a list of any length, in bytes.
const VARIETY_ALLOWANCE: usize = 32 << 20;
/// Memory that they may take beyond that for each invitation, in bytes.
const VARIETY_PER_INVITATION: usize = 64;

/// Pairs of a role and a group that one invitation may have. The API allows 15 groups; each pair costs time.
const MAX_PAIRS: usize = 1 << 20;
/// Pairs that a list of any length may have, each as often as it occurs: seconds of counting.
const PAIRS_ALLOWANCE: usize = 1 << 30;
/// Pairs that it may have beyond that for each invitation: twenty times those of 15 groups and three roles.
const PAIRS_PER_INVITATION: usize = 1 << 10;

/// What an expanded group counts as. The same text counts as the same each time, and what it says of the group was taken
/// in the first time.
#[derive(Debug, Clone, Copy)]
struct CountedGroup {
    /// None without an id.
    number: Option<u32>,
    is_privileged: bool,
}

/// The counts so far, and what they are drawn from.
#[derive(Debug)]
pub(super) struct Counts {
    criteria: Arc<Criteria>,
    view: View,
    by_status: ByStatus,
    roles: [Interner; RoleKind::ALL.len()],
    groups: Groups,
    gate: Gate,
    memberships: Memberships,
    people: People,
    username: String,
    carried_roles: Vec<u32>,
    carried_groups: Vec<u32>,
    /// What groups that are repeated were counted as, by the number that tells which is repeated.
    repeated: Vec<Option<CountedGroup>>,
    pairs: usize,
    has_too_many_pairs: bool,
}

impl Counts {
    /// No counts; ages and expirations are reckoned from `at`.
    pub(super) fn new(criteria: Arc<Criteria>, at: Millis, former_key: Option<IdentityKey>) -> Self {
        let mut view = View::empty(at);
        view.external = criteria.metrics.trusted_domains.is_some().then(ByStatus::default);
        let people = People::new(former_key);
        Self {
            criteria,
            view,
            by_status: ByStatus::default(),
            roles: Default::default(),
            groups: Groups::default(),
            gate: Gate::default(),
            memberships: Memberships::default(),
            people,
            username: String::new(),
            carried_roles: Vec::new(),
            carried_groups: Vec::new(),
            repeated: Vec::new(),
            pairs: 0,
            has_too_many_pairs: false,
        }
    }

    /// How many elements there were.
    pub(super) fn len(&self) -> u64 {
        self.by_status.iter().sum()
    }

    /// Whether distinct values take more memory than the list's length explains, or their pairs more time.
    pub(super) fn is_too_varied(&self) -> bool {
        let roles: usize = self.roles.iter().map(Interner::footprint).sum();
        let names = roles + self.groups.footprint() + self.gate.footprint();
        let used = names + self.memberships.footprint() + self.people.footprint();
        let length = usize::try_from(self.len()).unwrap_or(usize::MAX);
        let exceeds = |used, allowance: usize, each| used > allowance.saturating_add(length.saturating_mul(each));
        self.has_too_many_pairs
            || exceeds(self.pairs, PAIRS_ALLOWANCE, PAIRS_PER_INVITATION)
            || exceeds(used, VARIETY_ALLOWANCE, VARIETY_PER_INVITATION)
    }

    /// Counts one element.
    pub(super) fn add(&mut self, element: &Element) {
        let status = element.status_at(self.view.at);
        self.by_status[status as usize] += 1;
        self.count_anomalies(element, status);
        self.count_times(element, status);
        self.count_roles_and_groups(element, status);
        self.count_person(element, status);
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
        view.pending_by_age[buckets::of_age(generated.map(|time| view.at.since(time)))] += 1;
        view.pending_by_time_left[buckets::of_time_left(expiration.map(|time| time.since(view.at)))] += 1;
    }

    fn count_roles_and_groups(&mut self, element: &Element, status: Status) {
        let Self { criteria, view, roles, groups, gate, memberships, carried_roles, carried_groups, repeated, .. } =
            self;
        let Metrics { roles: role_filter, groups: group_filter, joint, .. } = &criteria.metrics;
        carried_roles.clear();
        let mut is_privileged = false;
        element.for_each_role(|kind, role| {
            is_privileged |= criteria.is_privileged(role.text);
            let of_kind = &mut roles[kind as usize];
            let number = of_kind.find(role).unwrap_or_else(|| {
                let clean = gate.pass(role);
                of_kind.add(&clean, matches!(clean, Cow::Borrowed(_)), role_filter.allows(role.text))
            });
            carried_roles.push(aggregate::role_id(kind, number));
        });
        carried_groups.clear();
        element.group_ids().for_each(|id| carried_groups.push(groups.number(id, gate, group_filter)));
        for group in element.expanded_groups() {
            let known = group.repeats.map(usize::from);
            let counted = known.and_then(|known| *repeated.get(known)?).unwrap_or_else(|| {
                let counted = CountedGroup {
                    number: element.sent(group.id).map(|id| groups.expanded(id, group, element, gate, group_filter)),
                    is_privileged: element.roles_of(group).any(|role| criteria.is_privileged(role)),
                };
                if let Some(known) = known {
                    repeated.resize(repeated.len().max(known + 1), None);
                    repeated[known] = Some(counted);
                }
                counted
            });
            is_privileged |= counted.is_privileged;
            carried_groups.extend(counted.number);
        }
        for ids in [&mut *carried_roles, carried_groups] {
            ids.sort_unstable();
            ids.dedup();
        }
        if *joint {
            let pairs = carried_roles.len().max(1) * carried_groups.len().max(1);
            self.pairs += pairs;
            self.has_too_many_pairs |= pairs > MAX_PAIRS;
        }
        memberships.push(status, carried_roles, carried_groups);
        view.privileged[status as usize] += u64::from(is_privileged);
    }

    fn count_person(&mut self, element: &Element, status: Status) {
        self.username.clear();
        let username = element.person().map(|name| {
            if name.is_ascii() {
                self.username.push_str(name);
                self.username.make_ascii_lowercase();
            } else {
                self.username.extend(name.chars().flat_map(char::to_lowercase));
            }
            self.username.as_str()
        });
        if let Some(external) = &mut self.view.external {
            external[status as usize] += u64::from(!self.criteria.trusts(username));
        }
        self.people.push(&Invitee {
            ref_link: element.non_empty(element.ref_link),
            username,
            status,
            generated_at: element.generated_at.millis(),
            redeemed_at: element.redeemed_at.millis(),
            expiration: element.expiration.millis(),
        });
    }

    /// Draws the sums, unless `check` ends it.
    pub(super) fn census<E>(self, mut check: impl FnMut() -> Result<(), E>) -> Result<Census, E> {
        let Self { criteria, mut view, by_status, roles, groups, gate, memberships, mut people, .. } = self;
        view.by_status = by_status;
        let PeopleCounts { duplicates, lapsed_by_age } = people.counts(view.at);
        view.duplicates = duplicates;
        view.lapsed_by_age = lapsed_by_age;
        view.anomalies[Anomaly::DuplicateIdentity as usize] = people.duplicate_identities();
        view.anomalies[Anomaly::MalformedText as usize] = gate.changed();
        aggregate::draw(&criteria.metrics, &roles, &groups, &memberships, &mut view, &mut check)?;
        let (sightings, former) = people.into_sightings();
        Ok(Census { view, sightings, former })
    }
}
