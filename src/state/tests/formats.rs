//! States that earlier versions wrote.

use std::io::Read;
use std::path::Path;

use super::disk::{CALM, Faults, copy, open};
use super::*;

const LINKS: &str = "/csp/gateway/am/api/orgs/o/invitations";
const GENERATED: Millis = Millis(1_700_000_000_000);

/// What version 0.1.0 wrote after two polls: `a` and `b` were open, then `a` was redeemed after a minute, and `c`
/// appeared, and twice an invitation of `ann@example.com` without a reference.
fn first_format() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let packed: &[u8] = include_bytes!("state-format-1.redb.gz");
    let mut state = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut state).unwrap();
    std::fs::write(dir.path().join("state.redb"), state).unwrap();
    dir
}

/// A poll as the exporter does it: hashed with the key that the state asks for. An empty name is Ann without reference.
fn poll_hashed(lifecycle: &Lifecycle, asked: bool, elements: &[(&str, Status)]) -> Option<Arc<Tally>> {
    let key = lifecycle.former_key(ORG).filter(|_| asked);
    let (mut sightings, mut former) = (Vec::new(), key.as_ref().map(|_| Vec::new()));
    for (name, status) in elements {
        let link = (!name.is_empty()).then(|| format!("{LINKS}/{name}"));
        let (link, user) = (link.as_deref(), if name.is_empty() { "ann@example.com" } else { "somebody" });
        let identity = Identity::of(link, user, Some(GENERATED));
        if let (Some(key), Some(former)) = (&key, &mut former) {
            let before = key.former(link, user, Some(GENERATED)).prefix();
            former.push(Former { former: before, current: identity.prefix() });
        }
        let redeemed = (*status == R).then_some(Millis(GENERATED.0 + 120_000));
        sightings.push(Sighting::new(identity, *status, Some(GENERATED), redeemed));
    }
    block_on(lifecycle.observe(ORG, sightings, former, at(0)).settled()).tally()
}

fn assert_goes_on(path: &Path) {
    let (_dir, copy) = copy(path);
    assert_eq!(copy.former_key(ORG), None, "the state is of the new format now");
    let tally = poll_hashed(&copy, true, &[("b", V), ("c", A), ("", A), ("d", A)]).unwrap();
    assert_eq!(tally.events, [4, 2, 1, 0, 1]);
}

#[test]
fn a_state_of_the_first_format_goes_on_and_becomes_one_of_the_second() {
    let dir = first_format();
    let lifecycle = start(dir.path(), at(0)).unwrap();
    assert_eq!((lifecycle.resets(), lifecycle.durable()), (Some(0), Some(true)));
    assert_eq!(lifecycle.tally(ORG).unwrap().events, [3, 1, 0, 0, 0]);
    // A poll that began before anybody knew: it tells nothing yet.
    assert_eq!(poll_hashed(&lifecycle, false, &[("b", A), ("c", A), ("", A)]).unwrap().events, [3, 1, 0, 0, 0]);
    let tally = poll_hashed(&lifecycle, true, &[("b", V), ("c", R), ("", A)]).unwrap();
    // One of Ann's twins is gone, a was purged.
    assert_eq!(tally.events, [3, 2, 1, 0, 1]);
    assert_eq!((tally.redemption.count(), tally.redemption.sum()), (2, 180.0));
    let (_dir, copy) = copy(dir.path());
    assert_eq!(copy.former_key(ORG), None, "the state is of the new format now");
    assert_eq!(poll_hashed(&copy, true, &[("b", V), ("c", R)]).unwrap().events, [3, 2, 1, 0, 2]);
}

#[test]
fn an_organization_that_is_not_polled_keeps_its_former_identities() {
    let dir = first_format();
    let lifecycle = start(dir.path(), at(0)).unwrap();
    lifecycle.keep::<&str>(&[], at(0));
    assert_eq!(observe_many(&lifecycle, "other", 1, 0), Some(0));
    drop(lifecycle);
    let lifecycle = start(dir.path(), at(0)).unwrap();
    lifecycle.keep(&[ORG], at(0));
    let tally = poll_hashed(&lifecycle, true, &[("a", R), ("b", A), ("c", R), ("", A), ("", A)]).unwrap();
    assert_eq!(tally.events, [3, 2, 0, 0, 0]);
    assert_goes_on(dir.path());
}

#[test]
fn a_state_of_the_first_format_that_is_read_late_goes_on_all_the_same() {
    let (dir, faults) = (first_format(), Arc::new(Faults::default()));
    faults.locked.store(true, std::sync::atomic::Ordering::Relaxed);
    let lifecycle = open(dir.path(), &faults, CALM);
    assert_eq!(poll_hashed(&lifecycle, true, &[("a", R), ("b", A), ("c", A), ("", A), ("", A), ("d", A)]), None);
    assert_eq!(poll_hashed(&lifecycle, true, &[("a", R), ("b", A), ("c", A), ("", A), ("", A)]), None);
    faults.mend();
    assert_eq!(lifecycle.flush(at(0)), Some(true));
    assert_eq!(lifecycle.tally(ORG).unwrap().events, [3, 1, 0, 0, 0]);
    let tally = poll_hashed(&lifecycle, true, &[("a", R), ("b", A), ("c", R), ("", A), ("", A)]).unwrap();
    assert_eq!(tally.events, [4, 2, 0, 0, 1], "d came and went while the state could not be read");
}
