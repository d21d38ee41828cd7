//! Counting against the naive reference, on hostile lists cut into chunks anywhere.

#[path = "common/lists.rs"]
mod lists;
#[path = "common/observed.rs"]
mod observed;
#[path = "common/reference.rs"]
mod reference;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use invitations::census::{CarriedGroup, Criteria, Invitation, Invitations, text};
use invitations::{Millis, RoleKind, Status};
use lists::{DAY, NOW, any_settings, count_list, element, pieces, settings};
use observed::observed;
use proptest::prelude::*;
use reference::{Expected, Row};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn counts_equal_the_reference_for_any_list_cut_anywhere(
        list in prop::collection::vec(element(), 0..14),
        settings in any_settings(),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
        pretty in any::<bool>(),
    ) {
        let body = if pretty { serde_json::to_vec_pretty(&list) } else { serde_json::to_vec(&list) }.expect("JSON");
        let view = count_list(&body, &settings, &cuts).expect("a whole list");
        prop_assert_eq!(observed(&view), reference::count(&list, &settings, NOW));
        prop_assert_eq!(view.by_status.iter().sum::<u64>(), list.len() as u64);
    }

    #[test]
    fn a_list_that_is_cut_off_is_never_counted(list in prop::collection::vec(element(), 1..4), cut in any::<usize>()) {
        let body = serde_json::to_vec(&list).expect("JSON");
        let end = cut % body.len();
        prop_assert!(count_list(&body[..end], &settings(), &[]).is_err());
    }
}

/// The name of a group, unless its id is one of several that become the same: these share one name in the gauges.
fn named(group: &CarriedGroup) -> String {
    if text::clean(&group.id) == group.id { text::clean(&group.name).into_owned() } else { String::new() }
}

/// The sums that the rows of `list` make, where nothing is folded.
fn summed(invitations: &[Invitation]) -> Expected {
    let mut sums = Expected { external: Some(Row::new()), ..Expected::default() };
    let add = |row: &mut Row, status: Status| *row.entry(status.as_str()).or_default() += 1;
    for invitation in invitations {
        let status = invitation.status;
        add(&mut sums.by_status, status);
        // Rows have the names as they were sent, gauges as they passed the gate.
        for (kind, names) in RoleKind::ALL.iter().zip(&invitation.roles) {
            for role in names.iter().map(|role| text::clean(role).into_owned()).collect::<BTreeSet<_>>() {
                add(sums.by_role.entry((kind.as_str().to_owned(), role)).or_default(), status);
            }
        }
        let groups = invitation.groups.iter().map(|group| (text::clean(&group.id).into_owned(), named(group)));
        for group in groups.collect::<BTreeSet<_>>() {
            add(sums.by_group.entry(group).or_default(), status);
        }
        if invitation.is_privileged {
            add(&mut sums.privileged, status);
        }
        if invitation.is_external {
            add(sums.external.as_mut().expect("domains are trusted"), status);
        }
        sums.duplicates += u64::from(invitation.is_duplicate);
        sums.lapsed[0] += u64::from(invitation.is_lapsed);
    }
    sums
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn the_rows_of_a_list_sum_up_to_its_gauges(
        list in prop::collection::vec(element(), 0..14),
        cuts in prop::collection::vec(any::<usize>(), 0..4),
    ) {
        let body = serde_json::to_vec(&list).expect("JSON");
        let mut rows = Invitations::new(Arc::new(Criteria::new(&settings())), Millis(NOW));
        for piece in pieces(&body, &cuts) {
            rows.write(piece).expect("a list so far");
        }
        let rows = rows.finish().expect("a whole list");
        let expected = reference::count(&list, &settings(), NOW);
        let sums = summed(&rows);
        prop_assert_eq!(&sums.by_status, &expected.by_status);
        prop_assert_eq!(&sums.by_role, &expected.by_role);
        let mut by_group = BTreeMap::new();
        for ((id, name), row) in expected.by_group {
            let is_shared = id.contains('\u{fffd}');
            by_group.insert((id, if is_shared { String::new() } else { name }), row);
        }
        prop_assert_eq!(&sums.by_group, &by_group);
        prop_assert_eq!(&sums.privileged, &expected.privileged);
        prop_assert_eq!(&sums.external, &expected.external);
        prop_assert_eq!(sums.duplicates, expected.duplicates);
        prop_assert_eq!(sums.lapsed[0], expected.lapsed.iter().sum::<u64>());
        let pending = || rows.iter().filter(|row| row.status == Status::Available);
        let older = pending().filter(|row| row.generated.is_some_and(|at| NOW - at.0 >= 3 * DAY)).count();
        prop_assert_eq!(older as u64, expected.pending[2..5].iter().sum::<u64>());
        let ending = pending().filter(|row| row.expires.is_some_and(|at| at.0 - NOW < DAY)).count();
        prop_assert_eq!(ending as u64, expected.time_left[..2].iter().sum::<u64>());
    }
}
