use invitations::Status::{Available as A, Expired as E, Redeemed as R, Revoked as V, Unknown as U};
use invitations::lifecycle::Ledger;
use invitations::{Event, Identity, Millis, Status};
use proptest::prelude::*;

use super::*;
use crate::clock::Steady;

mod damage;
mod disk;
mod faults;
mod formats;
mod late;

const ORG: &str = "0b0a5c3e-1f2d-4e6a-9b8c-7d6e5f4a3b2c";

/// A moment at which both clocks say the same.
fn at(millis: i64) -> Reading {
    Reading { wall: Millis(millis), steady: Steady(millis) }
}

/// The state, read however long that takes.
fn start(path: &std::path::Path, now: Reading) -> Result<Lifecycle, OpenError> {
    Lifecycle::open_with(path, now, Box::new(Real), disk::CALM)
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn list(elements: &[(&str, Status)]) -> Vec<Sighting> {
    elements
        .iter()
        .map(|(link, status)| Sighting::new(Identity::of(Some(link), "", None), *status, None, None))
        .collect()
}

/// A poll of `id`, and what can be seen after it.
fn poll(lifecycle: &Lifecycle, id: &str, list: Vec<Sighting>, now: i64) -> Option<Arc<Tally>> {
    block_on(lifecycle.observe(id, list, None, at(now)).settled()).tally()
}

fn observe(lifecycle: &Lifecycle, now: i64, elements: &[(&str, Status)]) -> [u64; 5] {
    poll(lifecycle, ORG, list(elements), now).unwrap().events
}

/// Observes this many invitations and returns how many were counted as generated.
fn observe_many(lifecycle: &Lifecycle, id: &str, invitations: u32, now: i64) -> Option<u64> {
    let identity = |n| Identity::of(Some(&format!("canary-link-{n}")), "canary-name", None);
    let list = (0..invitations).map(|n| Sighting::new(identity(n), A, None, None));
    Some(poll(lifecycle, id, list.collect(), now)?.events[0])
}

fn generated(lifecycle: &Lifecycle, id: &str) -> Option<u64> {
    lifecycle.tally(id).map(|tally| tally.events[0])
}

/// A folder with a state of two organizations in it, with 300 invitations each.
fn populated() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let lifecycle = start(dir.path(), at(0)).unwrap();
    for id in ["a", "b"] {
        observe_many(&lifecycle, id, 0, 0);
        observe_many(&lifecycle, id, 300, 0);
    }
    lifecycle.close(at(0));
    dir
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
        let identity = Identity::of(None, "twin@example.com", Some(Millis(5)));
        let list = statuses.iter().map(|status| Sighting::new(identity, *status, None, None)).collect();
        poll(&lifecycle, ORG, list, 0).unwrap().events
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
        let identity = Identity::of(Some(link), "", None);
        Sighting::new(identity, R, generated.map(Millis), at.map(Millis))
    };
    poll(&lifecycle, ORG, vec![redeemed("before", Some(0), Some(1_000))], 0).unwrap();
    let list = vec![
        redeemed("before", Some(0), Some(1_000)),
        redeemed("a", Some(0), Some(60_500)),
        redeemed("b", None, Some(60_000)),
        redeemed("c", Some(60_000), Some(0)),
    ];
    let tally = poll(&lifecycle, ORG, list, 1).unwrap();
    assert_eq!(tally.events[Event::Redeemed as usize], 3);
    assert_eq!((tally.redemption.count(), tally.redemption.sum()), (1, 60.5));
}

#[test]
fn an_organization_away_for_a_day_continues_and_later_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    for lifecycle in [Lifecycle::in_memory(), start(dir.path(), at(0)).unwrap()] {
        lifecycle.keep(&[ORG], at(0));
        observe(&lifecycle, 0, &[]);
        assert_eq!(observe(&lifecycle, 1, &[("a", A)]), [1, 0, 0, 0, 0]);
        lifecycle.keep::<&str>(&[], at(10));
        lifecycle.keep(&[ORG], at(10 + Millis::DAY));
        assert_eq!(observe(&lifecycle, 2, &[("a", A), ("b", A)]), [2, 0, 0, 0, 0]);
        lifecycle.keep::<&str>(&[], at(10));
        lifecycle.keep(&[ORG], at(11 + Millis::DAY));
        assert_eq!(lifecycle.tally(ORG), None);
        assert_eq!(observe(&lifecycle, 2, &[("a", A), ("b", A), ("c", A)]), [0; 5]);
        assert_ne!(lifecycle.durable(), Some(false));
    }
}

#[test]
fn an_organization_that_was_dropped_is_gone_from_the_disk_and_one_that_stayed_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let other = "ffffffff-1f2d-4e6a-9b8c-7d6e5f4a3b2c";
    let lifecycle = start(dir.path(), at(0)).unwrap();
    observe(&lifecycle, 0, &[("a", A)]);
    poll(&lifecycle, other, list(&[]), 0);
    poll(&lifecycle, other, list(&[("a", A)]), 0);
    lifecycle.close(at(1_000));
    drop(lifecycle);

    // The exporter itself was down for a month: that is no absence from the configuration.
    let later = 30 * Millis::DAY;
    let lifecycle = start(dir.path(), at(later)).unwrap();
    lifecycle.keep(&[other], at(later));
    assert_eq!(lifecycle.tally(ORG), None);
    assert_eq!(lifecycle.tally(other).unwrap().events, [1, 0, 0, 0, 0]);
    drop(lifecycle);
    let lifecycle = start(dir.path(), at(later)).unwrap();
    assert_eq!(lifecycle.tally(ORG), None);
    assert_eq!(lifecycle.tally(other).unwrap().events, [1, 0, 0, 0, 0]);
    assert_eq!(lifecycle.resets(), Some(0));
}

#[test]
fn organizations_polled_at_once_share_commits_and_none_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let lifecycle = start(dir.path(), at(0)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let lifecycle = &lifecycle;
            scope.spawn(move || {
                for number in 0..20u64 {
                    let links: Vec<String> = (0..number).map(|n| n.to_string()).collect();
                    let elements: Vec<_> = links.iter().map(|link| (link.as_str(), A)).collect();
                    let id = format!("org-{thread}");
                    assert_eq!(poll(lifecycle, &id, list(&elements), 0).unwrap().events[0], number);
                    if number % 7 == thread {
                        lifecycle.keep(&["org-1", "org-2"], at(1));
                    }
                }
            });
        }
    });
    drop(lifecycle);
    let lifecycle = start(dir.path(), at(0)).unwrap();
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
        let (mut one, mut two) = (Ledger::default(), Ledger::default());
        for list in lists {
            let mut list: Vec<_> = list.into_iter().map(|(link, status, after)| {
                let link = link.map(|link| link.to_string());
                let identity = Identity::of(link.as_deref(), "someone", Some(Millis(7)));
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

#[test]
fn a_folder_has_one_owner_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let first = start(dir.path(), at(0)).unwrap();
    let error = start(dir.path(), at(0)).unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)), "{error:?}");
    assert!(error.to_string().contains("in use by another process"), "{error}");
    first.close(at(0));
    start(dir.path(), at(0)).unwrap();
}

#[test]
fn a_file_in_place_of_the_folder_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = start(file.path(), at(0)).unwrap_err();
    assert!(matches!(error, OpenError::NotAFolder(_)), "{error:?}");
}

#[test]
fn the_folder_is_created_and_nobody_else_may_read_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("not/there/yet");
    drop(start(&path, at(0)).unwrap());
    assert_eq!(disk::names(&path), ["lock", "state.redb"]);
    let mode = std::fs::metadata(path.join("state.redb")).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
}

#[test]
fn nothing_of_a_person_is_in_the_file() {
    let dir = populated();
    let bytes = std::fs::read(dir.path().join("state.redb")).unwrap();
    assert!(bytes.windows(8).any(|window| window == b"alive_at"), "the search finds what is there");
    assert!(!bytes.windows(6).any(|window| window == b"canary"));
    // What memory knows an invitation by could be guessed: the file has it sealed.
    let known = Identity::of(Some("canary-link-7"), "canary-name", None);
    assert!(!bytes.windows(15).any(|window| window == &known.as_bytes()[..15]));
}

#[test]
fn the_removal_of_an_organization_spares_the_one_that_took_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let lifecycle = start(dir.path(), at(0)).unwrap();
    for (id, invitations) in [("a", 5), ("b", 7)] {
        observe_many(&lifecycle, id, 0, 0);
        observe_many(&lifecycle, id, invitations, 0);
    }
    lifecycle.keep(&["b"], at(0));
    lifecycle.keep(&["a", "b"], at(Millis::DAY + 1));
    observe_many(&lifecycle, "a", 2, 0);
    observe_many(&lifecycle, "a", 3, 0);
    drop(lifecycle);
    let lifecycle = start(dir.path(), at(0)).unwrap();
    assert_eq!(["a", "b"].map(|id| generated(&lifecycle, id)), [Some(1), Some(7)]);
    assert_eq!(["a", "b"].map(|id| observe_many(&lifecycle, id, 8, 0)), [Some(6), Some(8)]);
}

#[test]
fn an_away_time_is_counted_by_the_clock_that_only_goes_forward() {
    let lifecycle = Lifecycle::in_memory();
    lifecycle.keep(&[ORG], at(0));
    observe(&lifecycle, 0, &[]);
    assert_eq!(observe(&lifecycle, 0, &[("a", A)]), [1, 0, 0, 0, 0]);
    lifecycle.keep::<&str>(&[], at(10));
    let set_forward = Reading { wall: Millis(3 * Millis::DAY), steady: Steady(20) };
    lifecycle.keep(&[ORG], set_forward);
    assert_eq!(observe(&lifecycle, 30, &[("a", A), ("b", A)]), [2, 0, 0, 0, 0]);
    lifecycle.keep::<&str>(&[], set_forward);
    let set_back = Reading { wall: Millis(0), steady: Steady(21 + Millis::DAY) };
    lifecycle.keep(&[ORG], set_back);
    assert_eq!(lifecycle.tally(ORG), None, "more than a day, whatever the wall clock says");
}
