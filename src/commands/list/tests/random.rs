//! Random lists and random filters against the naive reference, by which the gauges are tested too.

#[path = "../../../../crates/invitations/tests/common/reference.rs"]
mod reference;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::rc::Rc;

use invitations::settings::Metrics;
use proptest::prelude::*;
use reference::{Expected, STATUSES};
use serde_json::{Value, json};

use super::*;
use crate::cli::{Command, List};

const ROLES: [&str; 5] = ["org_owner", "org_member", "vmc-user:full", "a", "b"];
const GROUPS: [(&str, &str); 4] = [("g1", "Admins"), ("g2", "Admins"), ("g3", "Ärzte"), ("g4", "")];
/// Bounds of buckets, as hours: each filter by time is exact at one of these.
const AGES: [i64; 4] = [24, 72, 168, 720];
const LEFT: [i64; 4] = [1, 24, 72, 168];

fn settings() -> Metrics {
    Metrics { trusted_domains: Some(vec!["example.com".into(), "*.example.org".into()]), ..Metrics::default() }
}

/// Moments around now, those on a bound and beside it above all.
fn moment() -> impl Strategy<Value = Value> {
    let bound = prop::sample::select(vec![0, 1, 24, 72, 168, 720]);
    let near = (bound, -1..=1_i64, any::<bool>()).prop_map(|(hours, beside, ahead)| {
        let distance = hours * Millis::HOUR + beside;
        json!(if ahead { NOW.0 + distance } else { NOW.0 - distance })
    });
    prop_oneof![6 => near, 2 => (-800..800_i64).prop_map(|hours| json!(NOW.0 + hours * Millis::HOUR)), 1 => Just(json!(null))]
}

fn names() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(ROLES.to_vec()), 0..3)
}

fn element() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec!["AVAILABLE", "AVAILABLE", "AVAILABLE", "REDEEMED", "REVOKED", "POSTPONED"]);
    let people = ["ann@example.com", " Ann@Example.com", "bob@evil.example", "eve@sub.example.org", "nobody", ""];
    let person = prop::sample::select(people.to_vec());
    let group = prop::sample::select(GROUPS.to_vec());
    let groups = prop::collection::vec((group, any::<bool>(), names()), 0..3);
    let roles = (names(), names(), names());
    let object = (word, person, moment(), moment(), roles, groups).prop_map(
        |(word, person, generated, expires, (organization, service, custom), groups)| {
            let bindings = |roles: &[&str]| roles.iter().map(|role| json!({"name": role})).collect::<Vec<_>>();
            let (expanded, bare): (Vec<_>, Vec<_>) = groups.into_iter().partition(|(_, is_expanded, _)| *is_expanded);
            let expanded: Vec<_> = expanded
                .iter()
                .map(|((id, name), _, roles)| json!({"id": id, "displayName": name, "organizationRoles": bindings(roles)}))
                .collect();
            let bare: Vec<_> = bare.iter().map(|((id, _), _, _)| id).collect();
            json!({
                "status": word, "username": person, "generatedAt": generated, "expirationTime": expires,
                "orgRoleNames": organization, "serviceRolesDtos": [{"serviceRoleNames": service}],
                "customRoles": bindings(&custom), "customGroups": expanded, "customGroupsIds": bare,
            })
        },
    );
    prop_oneof![20 => object, 1 => Just(json!(null))]
}

/// One of these words, given as the value of a flag; or no such flag.
fn flag(name: &'static str, values: &[&'static str]) -> impl Strategy<Value = Vec<String>> + use<> {
    let given = prop::sample::select(values.to_vec()).prop_map(move |value| vec![format!("--{name}={value}")]);
    prop_oneof![3 => Just(Vec::new()), 1 => given]
}

fn switch(name: &'static str) -> impl Strategy<Value = Vec<String>> {
    prop_oneof![3 => Just(Vec::new()), 1 => Just(vec![format!("--{name}")])]
}

fn arguments() -> impl Strategy<Value = Vec<String>> {
    let statuses = prop::sample::subsequence(STATUSES.to_vec(), 0..3)
        .prop_map(|statuses| statuses.iter().map(|status| format!("--status={status}")).collect::<Vec<_>>());
    let groups = ["g1", "g2", "g3", "g4", "Admins", "Ärzte"];
    (
        statuses,
        flag("role", &ROLES),
        flag("group", &groups),
        switch("privileged"),
        switch("external"),
        switch("duplicate"),
        switch("lapsed"),
        flag("older-than", &["24h", "3d", "1w", "30d"]),
        flag("expires-within", &["1h", "1d", "72h", "7d"]),
    )
        .prop_map(|(a, b, c, d, e, f, g, h, i)| [a, b, c, d, e, f, g, h, i].concat())
}

/// The flags as the command line reads them; each once, for that takes longer than all the rest.
fn parsed(arguments: &[String]) -> Rc<List> {
    thread_local! {
        static KNOWN: RefCell<HashMap<String, Rc<List>>> = RefCell::default();
    }
    let parse = || {
        let words = ["x", "list"].into_iter().map(OsString::from).chain(arguments.iter().map(OsString::from));
        match crate::cli::parse(words).expect("flags of list") {
            Command::List(list) => Rc::new(list),
            other => panic!("{other:?}"),
        }
    };
    KNOWN.with_borrow_mut(|known| Rc::clone(known.entry(arguments.join("\0")).or_insert_with(parse)))
}

fn invitations(list: &[Value]) -> Vec<Invitation> {
    let mut read = Invitations::new(Arc::new(Criteria::new(&settings())), NOW);
    read.write(&serde_json::to_vec(list).expect("JSON")).expect("a list so far");
    read.finish().expect("a whole list")
}

fn gauges(list: &[Value]) -> Expected {
    reference::count(list, &settings(), NOW.0)
}

/// Whether the gauges of a list that has this element alone count it under every filter, those about people apart: what
/// is a duplicate or lapsed depends on the others.
fn is_counted(element: &Value, flags: &List, whole: &Expected) -> bool {
    let alone = gauges(std::slice::from_ref(element));
    let counts = |row: &reference::Row, status: &str| row.get(status).is_some_and(|count| *count > 0);
    let status = *STATUSES.iter().find(|status| counts(&alone.by_status, status)).expect("it has a status");
    let names: Vec<&str> = flags.statuses().iter().map(|status| status.as_str()).collect();
    let has_role = |role: &String| alone.by_role.keys().any(|(_, carried)| carried == role);
    // What a group is called is a matter of the whole list.
    let has_group = |group: &String| {
        let mut carried = whole.by_group.keys().filter(|(id, _)| alone.by_group.keys().any(|(own, _)| own == id));
        carried.any(|(id, name)| id == group || name == group)
    };
    let hours = |duration: std::time::Duration| i64::try_from(duration.as_secs() / 3600).expect("hours");
    let is_old = |least| {
        let age = alone.times[2].map(|generated| NOW.0 - generated);
        age.is_some_and(|age| age >= hours(least) * Millis::HOUR)
    };
    let ends_soon = |within| match status {
        // The gauge knows the available ones alone.
        "available" => alone.time_left[..=LEFT.iter().position(|hour| *hour == hours(within)).expect("a bound")]
            .iter()
            .any(|count| *count > 0),
        _ => element["expirationTime"].as_i64().is_some_and(|at| {
            let left = at - NOW.0;
            left > 0 && left < hours(within) * Millis::HOUR
        }),
    };
    names.contains(&status)
        && flags.role.as_ref().is_none_or(has_role)
        && flags.group.as_ref().is_none_or(has_group)
        && (!flags.privileged || counts(&alone.privileged, status))
        && (!flags.external || counts(alone.external.as_ref().expect("domains are trusted"), status))
        && flags.older_than.is_none_or(is_old)
        && flags.expires_within.is_none_or(ends_soon)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn any_filters_together_take_what_the_gauges_count(
        list in prop::collection::vec(element(), 0..12),
        arguments in arguments(),
    ) {
        let (flags, whole) = (parsed(&arguments), gauges(&list));
        let filter = Filter::new(&flags, NOW);
        for (element, invitation) in list.iter().zip(invitations(&list)) {
            let about_people = (!flags.duplicate || invitation.is_duplicate) && (!flags.lapsed || invitation.is_lapsed);
            let expected = about_people && is_counted(element, &flags, &whole);
            prop_assert_eq!(filter.takes(&invitation), expected, "{:?}: {}", arguments, element);
        }
    }

    #[test]
    fn each_filter_has_as_many_rows_as_its_gauge_says(list in prop::collection::vec(element(), 0..16)) {
        let (rows, gauges) = (invitations(&list), gauges(&list));
        let number = |arguments: &[&str]| {
            let flags = parsed(&arguments.iter().map(ToString::to_string).collect::<Vec<_>>());
            let filter = Filter::new(&flags, NOW);
            rows.iter().filter(|row| filter.takes(row)).count() as u64
        };
        let sample = |row: &reference::Row, status: &str| row.get(status).copied().unwrap_or_default();
        for status in STATUSES {
            let of = ["--status", status];
            prop_assert_eq!(number(&of), sample(&gauges.by_status, status));
            prop_assert_eq!(number(&[&of[..], &["--privileged"]].concat()), sample(&gauges.privileged, status));
            let external = gauges.external.as_ref().expect("domains are trusted");
            prop_assert_eq!(number(&[&of[..], &["--external"]].concat()), sample(external, status));
            for ((id, _), row) in &gauges.by_group {
                prop_assert_eq!(number(&[&of[..], &["--group", id]].concat()), sample(row, status));
            }
            for role in ROLES {
                // One that carries it as two kinds is one row, and counts under both.
                let kinds: Vec<u64> =
                    gauges.by_role.iter().filter(|((_, name), _)| name == role).map(|(_, row)| sample(row, status)).collect();
                let found = number(&[&of[..], &["--role", role]].concat());
                prop_assert!(found <= kinds.iter().sum() && found >= kinds.iter().copied().max().unwrap_or_default());
                if let [only] = *kinds {
                    prop_assert_eq!(found, only);
                }
            }
        }
        prop_assert_eq!(number(&[]), sample(&gauges.by_status, "available"));
        prop_assert_eq!(number(&["--duplicate"]), gauges.duplicates);
        prop_assert_eq!(number(&["--lapsed"]), gauges.lapsed.iter().sum::<u64>());
        for (index, hours) in AGES.iter().enumerate() {
            let older: u64 = gauges.pending[index + 1..5].iter().sum();
            prop_assert_eq!(number(&["--older-than", &format!("{hours}h")]), older);
        }
        for (index, hours) in LEFT.iter().enumerate() {
            let ending: u64 = gauges.time_left[..=index].iter().sum();
            prop_assert_eq!(number(&["--expires-within", &format!("{hours}h")]), ending);
        }
    }
}
