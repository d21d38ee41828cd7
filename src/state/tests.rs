use invitations::Status::{Available as A, Expired as E, Redeemed as R, Revoked as V, Unknown as U};
use invitations::lifecycle::Ledger;
use invitations::{Event, Status};
use proptest::prelude::*;

use super::*;

const ORG: &str = "0b0a5c3e-1f2d-4e6a-9b8c-7d6e5f4a3b2c";

fn list(lifecycle: &Lifecycle, elements: &[(&str, Status)]) -> Vec<Sighting> {
    let key = lifecycle.identity_key();
    elements
        .iter()
        .map(|(link, status)| Sighting::new(key.identify(Some(link), "", None), *status, None, None))
        .collect()
}

fn observe(lifecycle: &Lifecycle, now: i64, elements: &[(&str, Status)]) -> [u64; 5] {
    lifecycle.observe(ORG, list(lifecycle, elements), Millis(now)).events
}

#[test]
fn the_first_list_is_the_baseline() {
    let lifecycle = Lifecycle::in_memory();
    assert_eq!(lifecycle.tally(ORG), None);
    assert_eq!(observe(&lifecycle, 0, &[("a", A), ("b", R)]), [0; 5]);
    assert_eq!(lifecycle.tally(ORG).unwrap().events, [0; 5]);
    assert_eq!(observe(&lifecycle, 1, &[("a", R), ("b", R), ("c", E)]), [1, 1, 0, 1, 0]);
}

#[test]
fn an_empty_baseline_is_one() {
    let lifecycle = Lifecycle::in_memory();
    observe(&lifecycle, 0, &[]);
    assert_eq!(observe(&lifecycle, 1, &[("a", A)]), [1, 0, 0, 0, 0]);
}

#[test]
fn an_invitation_that_comes_back_appears_again() {
    let lifecycle = Lifecycle::in_memory();
    observe(&lifecycle, 0, &[("a", A)]);
    assert_eq!(observe(&lifecycle, 1, &[]), [0, 0, 0, 0, 1]);
    assert_eq!(observe(&lifecycle, 2, &[("a", V)]), [1, 0, 1, 0, 1]);
}

#[test]
fn of_contradicting_elements_the_most_final_counts() {
    let lifecycle = Lifecycle::in_memory();
    observe(&lifecycle, 0, &[("a", A), ("a", A), ("b", A), ("b", E)]);
    assert_eq!(observe(&lifecycle, 1, &[("a", A), ("a", R), ("a", U), ("b", E)]), [0, 1, 0, 0, 0]);
    assert_eq!(observe(&lifecycle, 2, &[("a", R), ("b", E)]), [0, 1, 0, 0, 0]);
}

#[test]
fn invitations_that_cannot_be_told_apart_are_counted_and_not_mixed_up() {
    let lifecycle = Lifecycle::in_memory();
    let observe = |statuses: &[Status]| {
        let identity = lifecycle.identity_key().identify(None, "twin@example.com", Some(Millis(5)));
        let list = statuses.iter().map(|status| Sighting::new(identity, *status, None, None)).collect();
        lifecycle.observe(ORG, list, Millis(0)).events
    };
    assert_eq!(observe(&[A, A]), [0; 5]);
    assert_eq!(observe(&[A, A]), [0; 5], "two are not one that was there already and a new one");
    assert_eq!(observe(&[A, R]), [0, 1, 0, 0, 0]);
    assert_eq!(observe(&[A]), [0, 1, 0, 0, 0], "the redeemed one was purged");
    assert_eq!(observe(&[E, A, V]), [2, 1, 1, 1, 0]);
}

#[test]
fn redemptions_are_timed_where_both_times_are_known() {
    let lifecycle = Lifecycle::in_memory();
    let redeemed = |link: &str, generated: Option<i64>, at: Option<i64>| {
        let identity = lifecycle.identity_key().identify(Some(link), "", None);
        Sighting::new(identity, R, generated.map(Millis), at.map(Millis))
    };
    lifecycle.observe(ORG, vec![redeemed("before", Some(0), Some(1_000))], Millis(0));
    let list = vec![
        redeemed("before", Some(0), Some(1_000)),
        redeemed("a", Some(0), Some(60_500)),
        redeemed("b", None, Some(60_000)),
        redeemed("c", Some(60_000), Some(0)),
    ];
    let tally = lifecycle.observe(ORG, list, Millis(1));
    assert_eq!(tally.events[Event::Redeemed as usize], 3);
    assert_eq!((tally.redemption.count(), tally.redemption.sum()), (1, 60.5));
}

#[test]
fn an_organization_away_for_a_day_continues_and_later_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    for lifecycle in [Lifecycle::in_memory(), Lifecycle::open(dir.path(), Millis(0)).unwrap()] {
        lifecycle.keep(&[ORG], Millis(0));
        observe(&lifecycle, 0, &[]);
        assert_eq!(observe(&lifecycle, 1, &[("a", A)]), [1, 0, 0, 0, 0]);
        lifecycle.keep::<&str>(&[], Millis(10));
        lifecycle.keep(&[ORG], Millis(10 + Millis::DAY));
        assert_eq!(observe(&lifecycle, 2, &[("a", A), ("b", A)]), [2, 0, 0, 0, 0]);
        lifecycle.keep::<&str>(&[], Millis(10));
        lifecycle.keep(&[ORG], Millis(11 + Millis::DAY));
        assert_eq!(lifecycle.tally(ORG), None);
        assert_eq!(observe(&lifecycle, 2, &[("a", A), ("b", A), ("c", A)]), [0; 5]);
        assert_ne!(lifecycle.durable(), Some(false));
    }
}

#[test]
fn an_organization_that_was_dropped_is_gone_from_the_disk_and_one_that_stayed_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let other = "ffffffff-1f2d-4e6a-9b8c-7d6e5f4a3b2c";
    let lifecycle = Lifecycle::open(dir.path(), Millis(0)).unwrap();
    observe(&lifecycle, 0, &[("a", A)]);
    lifecycle.observe(other, list(&lifecycle, &[]), Millis(0));
    lifecycle.observe(other, list(&lifecycle, &[("a", A)]), Millis(0));
    lifecycle.close(Millis(1_000));
    drop(lifecycle);

    // The exporter itself was down for a month: that is no absence from the configuration.
    let later = 30 * Millis::DAY;
    let lifecycle = Lifecycle::open(dir.path(), Millis(later)).unwrap();
    lifecycle.keep(&[other], Millis(later));
    assert_eq!(lifecycle.tally(ORG), None);
    assert_eq!(lifecycle.tally(other).unwrap().events, [1, 0, 0, 0, 0]);
    drop(lifecycle);
    let lifecycle = Lifecycle::open(dir.path(), Millis(later)).unwrap();
    assert_eq!(lifecycle.tally(ORG), None);
    assert_eq!(lifecycle.tally(other).unwrap().events, [1, 0, 0, 0, 0]);
    assert!(!lifecycle.state_was_reset());
}

#[test]
fn organizations_polled_at_once_share_commits_and_none_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let lifecycle = Lifecycle::open(dir.path(), Millis(0)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let lifecycle = &lifecycle;
            scope.spawn(move || {
                for poll in 0..20u64 {
                    let links: Vec<String> = (0..poll).map(|n| n.to_string()).collect();
                    let elements: Vec<_> = links.iter().map(|link| (link.as_str(), A)).collect();
                    let id = format!("org-{thread}");
                    assert_eq!(lifecycle.observe(&id, list(lifecycle, &elements), Millis(0)).events[0], poll);
                    if poll % 7 == thread {
                        lifecycle.keep(&["org-1", "org-2"], Millis(1));
                    }
                }
            });
        }
    });
    drop(lifecycle);
    let lifecycle = Lifecycle::open(dir.path(), Millis(0)).unwrap();
    for thread in 0..8 {
        assert_eq!(lifecycle.tally(&format!("org-{thread}")).unwrap().events[0], 19);
    }
}

/// An element of a list: the first is the reference, `None` for an invitation without one.
type Element = (Option<u8>, Status, u16);

fn element() -> impl Strategy<Value = Element> {
    let status = prop::sample::select(Status::ALL.to_vec());
    (prop::option::weighted(0.8, 0u8..12), status, 0u16..3)
}

proptest! {
    #[test]
    fn the_order_of_a_list_does_not_matter(
        lists in prop::collection::vec(prop::collection::vec(element(), 0..20), 1..6),
        seed in any::<u64>(),
    ) {
        let key = IdentityKey::random();
        let (mut one, mut two) = (Ledger::default(), Ledger::default());
        for list in lists {
            let mut list: Vec<_> = list.into_iter().map(|(link, status, after)| {
                let link = link.map(|link| link.to_string());
                let identity = key.identify(link.as_deref(), "someone", Some(Millis(7)));
                Sighting::new(identity, status, Some(Millis(7)), Some(Millis(7 + i64::from(after))))
            }).collect();
            let first = one.observe(list.clone());
            list.sort_by_key(|s| blake3::hash(format!("{seed}{s:?}").as_bytes()).as_bytes().to_owned());
            prop_assert_eq!(first, two.observe(list.clone()));
            prop_assert_eq!(one.tally(), two.tally());
            prop_assert_eq!(one.known(), two.known());
            let sum = one.tally().clone();
            prop_assert!(one.observe(list).is_empty(), "the same list again changes nothing");
            prop_assert_eq!(one.tally(), &sum);
        }
    }
}
