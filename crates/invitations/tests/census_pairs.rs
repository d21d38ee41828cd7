//! Lists with more pairs of a role and a group than are counted at once.

#![allow(clippy::unwrap_used, reason = "a test: the panic is the report")]

#[path = "common/reference.rs"]
mod reference;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use invitations::Millis;
use invitations::census::view::Pairs;
use invitations::census::{CensusBuilder, CompleteList, Criteria, ListError, View};
use invitations::settings::Metrics;
use reference::STATUSES;
use serde_json::{Value, json};

const NOW: i64 = 1_795_000_000_000;

fn whole(body: &[u8], settings: &Metrics) -> Result<CompleteList, ListError> {
    let mut builder = CensusBuilder::new(Arc::new(Criteria::new(settings)), Millis(NOW));
    for chunk in body.chunks(64 << 10) {
        builder.write(chunk)?;
    }
    builder.finish()
}

fn names(kind: &str, numbers: impl Iterator<Item = u64>) -> Vec<String> {
    numbers.map(|number| format!("{kind}-{number}")).collect()
}

/// So many invitations, each with 15 of 900 groups and 20 of 900 roles: nearly every pair is a new one.
fn varied(invitations: u64) -> Vec<Value> {
    let spread = |n: u64, i: u64| (n * 7919 + i * i * 104_729 + i * 31) % 900;
    let invitation = |n| {
        let status =
            ["AVAILABLE", "REDEEMED", "REVOKED", "odd"].into_iter().cycle().nth(usize::try_from(n % 4).unwrap());
        json!({
            "status": status,
            "orgRoleNames": names("role", (0..20).map(|i| spread(n, i))),
            "customGroupsIds": names("group", (0..15).map(|i| spread(n + 3, i))),
        })
    };
    (0..invitations).map(invitation).collect()
}

fn pairs(view: &View) -> BTreeMap<[String; 4], reference::Row> {
    let rows = view.by_role_and_group.iter().flat_map(Pairs::rows);
    rows.map(|row| {
        let labels = [row.role_kind, row.role, row.group, row.group_id].map(str::to_owned);
        let counts = STATUSES.iter().copied().zip(row.counts).filter(|(_, count)| *count > 0).collect();
        (labels, counts)
    })
    .collect()
}

#[test]
fn the_most_frequent_of_very_many_pairs_are_kept_as_if_all_were_counted_at_once() {
    let list = varied(600);
    let body = serde_json::to_vec(&list).unwrap();
    for max_pairs in [0, 7, 200] {
        let settings = Metrics { max_pairs, ..Metrics::default() };
        let view = whole(&body, &settings).unwrap().census().view;
        let expected = reference::count(&list, &settings, NOW).by_pair.unwrap();
        assert_eq!(expected.len(), max_pairs + 1, "there are more, and they are folded");
        assert_eq!(pairs(&view), expected);
    }
}

#[test]
fn a_pair_is_kept_in_a_few_bytes_however_long_its_names_are() {
    let list: Vec<Value> = (0..300)
        .map(|n| {
            let long = |kind, numbers: std::ops::Range<u64>| names(&format!("{kind}{}", "x".repeat(100)), numbers);
            json!({"orgRoleNames": long("role", n % 40..n % 40 + 20), "customGroupsIds": long("group", n % 60..n % 60 + 15)})
        })
        .collect();
    let body = serde_json::to_vec(&list).unwrap();
    let kept = |joint| {
        let (mut view, settings) = (None, Metrics { max_pairs: 10_000, joint, ..Metrics::default() });
        let used = allocation_counter::measure(|| view = Some(whole(&body, &settings).unwrap().census().view));
        (used.bytes_current, view.unwrap())
    };
    let ((bytes, view), (without, _)) = (kept(true), kept(false));
    let pairs = i64::try_from(pairs(&view).len()).unwrap();
    assert!(pairs > 3_000 && bytes - without < 35 * pairs, "{} bytes for {pairs} pairs", bytes - without);
}

#[test]
fn many_pairs_take_no_more_memory_than_a_part_of_them() {
    let body = serde_json::to_vec(&varied(4000)).unwrap();
    let used = allocation_counter::measure(|| {
        assert_eq!(whole(&body, &Metrics::default()).unwrap().census().view.by_status.iter().sum::<u64>(), 4000);
    });
    // A hundred thousands of pairs would take some forty bytes each, twice while their table grows.
    assert!(used.bytes_max < 8 << 20, "{} bytes", used.bytes_max);
}

/// Pairs in a few hundred roles and more groups than are counted at once, and the other way round.
#[test]
fn a_role_with_very_many_groups_and_a_group_with_very_many_roles_are_counted_in_parts() {
    for swap in [false, true] {
        let invitation = |n: u64| {
            let many = names("many", (0..300).map(|i| n * 300 + i));
            let few = if n.is_multiple_of(10) { Vec::new() } else { names("few", (0..n % 5).map(|i| i + n % 3)) };
            let (roles, groups) = if swap { (many, few) } else { (few, many) };
            json!({"status": "REVOKED", "orgRoleNames": roles, "customGroupsIds": groups})
        };
        let mut list: Vec<Value> = (0..230).map(invitation).collect();
        list.extend((0..30).map(invitation));
        let body = serde_json::to_vec(&list).unwrap();
        let settings = Metrics { max_pairs: 50, ..Metrics::default() };
        let view = whole(&body, &settings).unwrap().census().view;
        assert_eq!(pairs(&view), reference::count(&list, &settings, NOW).by_pair.unwrap());
    }
}

/// 256 roles and 255 groups in each of several hundred invitations, as one hostile list had them in thousands.
#[test]
fn many_roles_times_many_groups_are_counted_at_a_step_for_each() {
    let list: Vec<Value> = (0..300)
        .map(|_| json!({"orgRoleNames": names("role", 0..256), "customGroupsIds": names("group", 0..255)}))
        .collect();
    let body = serde_json::to_vec(&list).unwrap();
    let settings = Metrics { max_pairs: 3, ..Metrics::default() };
    let view = whole(&body, &settings).unwrap().census().view;
    let rows = pairs(&view);
    assert_eq!(rows.len(), 4);
    assert!(rows.values().all(|row| row["unknown"] == 300), "{rows:?}");
}

#[test]
fn counting_asks_for_leave_in_each_of_its_passes() {
    let body = serde_json::to_vec(&varied(3000)).unwrap();
    for settings in [Metrics::default(), Metrics { max_roles: 1, max_groups: 1, joint: false, ..Metrics::default() }] {
        let mut leave = 0;
        // One more leave each time, until it gets to its end.
        loop {
            let mut asked = 0;
            let ended = whole(&body, &settings).unwrap().census_unless(|| {
                asked += 1;
                if asked > leave { Err(()) } else { Ok(()) }
            });
            if ended.is_ok() {
                break;
            }
            assert_eq!(asked, leave + 1, "it goes no further");
            leave += 1;
        }
        assert!(leave > if settings.joint { 12 } else { 2 }, "asked {leave} times");
    }
}

#[test]
fn a_list_with_more_pairs_than_can_be_counted_in_seconds_is_refused() {
    let joint = Criteria::new(&Metrics::default());
    let mut builder = CensusBuilder::new(Arc::new(joint), Millis(NOW));
    builder.write(b"[").unwrap();
    // A million pairs each, all the same.
    let of = |kind| names(kind, 0..1000);
    let element = format!("{},", json!({"orgRoleNames": of("role"), "customGroupsIds": of("group")}));
    let error = (0..2000).find_map(|n| builder.write(element.as_bytes()).err().map(|error| (n, error)));
    assert_eq!(error, Some((1074, ListError::TooVaried)));
}

#[test]
fn drawing_the_sums_ends_when_it_is_told_to() {
    let body = serde_json::to_vec(&varied(3000)).unwrap();
    let whole = || whole(&body, &Metrics::default()).unwrap();
    let mut asked = 0;
    let ended = whole().census_unless(|| {
        asked += 1;
        if asked < 3 { Ok(()) } else { Err("late") }
    });
    assert_eq!(ended.err(), Some("late"));
    assert_eq!(asked, 3, "it goes on as long as it may, and then no further");
    let Ok(census) = whole().census_unless(|| Ok::<(), Infallible>(()));
    assert_eq!(census.sightings.len(), 3000);
}

#[test]
fn one_invitation_with_a_million_pairs_is_too_much_unless_nobody_counts_them() {
    let list = |count| {
        let of = |kind| names(kind, 0..count);
        serde_json::to_vec(&json!([{"orgRoleNames": of("role"), "customGroupsIds": of("group")}])).unwrap()
    };
    let joint = Metrics::default();
    assert!(whole(&list(1000), &joint).is_ok());
    assert_eq!(whole(&list(1100), &joint).err(), Some(ListError::TooVaried));
    // In two pieces, of which the second is too short to try again before the end.
    let mut builder = CensusBuilder::new(Arc::new(Criteria::new(&joint)), Millis(NOW));
    let body = list(1100);
    let (first, second) = body.split_at(body.len() * 2 / 3);
    builder.write(first).unwrap();
    assert_eq!(builder.write(second).and_then(|()| builder.finish().map(drop)).err(), Some(ListError::TooVaried));
    let apart = Metrics { joint: false, ..Metrics::default() };
    assert_eq!(whole(&list(1100), &apart).map(|whole| whole.len()).ok(), Some(1));
}
