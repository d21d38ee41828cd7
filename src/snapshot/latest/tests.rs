//! Whatever polls, reloads and scrapes do in whatever order, each scrape sees all of an update or nothing of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::config::{Credential, CredentialKind, Secret};

fn organization(name: &str) -> Arc<Organization> {
    let kind = CredentialKind::ApiToken { token: Secret::File("/nowhere".into()) };
    Arc::new(Organization {
        id: name.to_owned(),
        custom_group_id: None,
        name: name.to_owned(),
        credential: Arc::new(Credential { name: "c".to_owned(), kind, url: None }),
        interval: Duration::from_secs(60),
        deadline: Duration::from_secs(48),
        stale_after: Duration::from_secs(240),
    })
}

/// What a poll leaves, all of which belongs together.
fn poll(latest: &Latest, organization: &Organization) {
    latest.update(organization, |entry| {
        entry.polls += 1;
        entry.failures[0] += 1;
        entry.display_name = Some(entry.polls.to_string());
    });
}

/// How often each organization was polled, by name.
type Polls = Vec<(String, u64)>;

/// What a snapshot says of it; the parts of each entry have to agree.
fn polls(snapshot: &Snapshot) -> Polls {
    let polls = |entry: &Arc<OrganizationSnapshot>| {
        let OrganizationSnapshot { polls, failures, display_name, organization, .. } = &**entry;
        assert_eq!((failures[0], display_name.clone().unwrap_or_else(|| "0".to_owned())), (*polls, polls.to_string()));
        (organization.name.clone(), *polls)
    };
    snapshot.organizations.iter().map(polls).collect()
}

#[test]
fn in_any_order_a_snapshot_is_what_was_left_before_it_and_stays_so() {
    let all = ["a", "b", "c", "d"].map(organization);
    for seed in 0..2000 {
        let (mut lots, latest) = (StdRng::seed_from_u64(seed), Latest::default());
        let mut expected = Polls::new();
        let mut seen: Vec<(Arc<Snapshot>, Polls)> = Vec::new();
        let (mut is_changed, mut is_heard) = (true, true);
        for _ in 0..60 {
            let place = lots.random_range(0..all.len());
            match lots.random_range(0..9) {
                0 => {
                    let set = lots.random_range(0..1 << all.len());
                    let chosen: Vec<_> = all
                        .iter()
                        .enumerate()
                        .filter(|(at, _)| set >> at & 1 == 1)
                        .map(|(_, one)| Arc::clone(one))
                        .collect();
                    latest.arrange(&chosen, |_| None);
                    let known =
                        |name: &str| expected.iter().find(|(one, _)| one == name).map_or(0, |(_, polls)| *polls);
                    expected = chosen.iter().map(|one| (one.name.clone(), known(&one.name))).collect();
                    (is_changed, is_heard) = (true, false);
                }
                1 => {
                    latest.recount(|_| Some(Arc::default()));
                    (is_changed, is_heard) = (true, false);
                }
                2..=4 => {
                    poll(&latest, &all[place]);
                    expected.iter_mut().filter(|(name, _)| *name == all[place].name).for_each(|(_, polls)| *polls += 1);
                    (is_changed, is_heard) = (true, false);
                }
                5 => {
                    let is_told = latest.changed().now_or_never().is_some();
                    assert_eq!(
                        is_told,
                        !std::mem::replace(&mut is_heard, true),
                        "seed {seed}: each change is heard of, once"
                    );
                }
                _ => {
                    let snapshot = latest.snapshot();
                    assert_eq!(polls(&snapshot), expected, "seed {seed}");
                    let is_another = seen.last().is_none_or(|(last, _)| !Arc::ptr_eq(last, &snapshot));
                    assert_eq!(
                        is_another, is_changed,
                        "seed {seed}: what is at hand lasts until the next change, and no longer"
                    );
                    is_changed = false;
                    seen.push((snapshot, expected.clone()));
                }
            }
        }
        assert!(
            seen.iter().all(|(snapshot, expected)| polls(snapshot) == *expected),
            "seed {seed}: a snapshot changed"
        );
    }
}

#[test]
fn threads_that_poll_reload_and_scrape_at_once_tear_nothing_and_lose_nothing() {
    const POLLS: u64 = 1500;
    let (latest, all, is_over) = (Latest::default(), ["a", "b", "c"].map(organization), AtomicBool::new(false));
    latest.arrange(&all, |_| None);
    let last = std::thread::scope(|scope| {
        let scrape = || {
            let mut before = vec![("a".to_owned(), 0), ("b".to_owned(), 0), ("c".to_owned(), 0)];
            while !is_over.load(Ordering::SeqCst) {
                let now = polls(&latest.snapshot());
                assert!(
                    before.iter().zip(&now).all(|(before, now)| before.0 == now.0 && before.1 <= now.1),
                    "{before:?}, then {now:?}"
                );
                before = now;
            }
        };
        // Who waits for changes sees the last one, too.
        let follow = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let last = async {
                while polls(&latest.snapshot()).iter().any(|(_, polls)| *polls < POLLS) {
                    latest.changed().await;
                }
            };
            runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), last).await.unwrap() });
        };
        let work: Vec<_> = all.iter().map(|one| scope.spawn(|| (0..POLLS).for_each(|_| poll(&latest, one)))).collect();
        let reloads = scope.spawn(|| (0..POLLS / 4).for_each(|_| latest.arrange(&all, |_| None)));
        let (first, second, follower) = (scope.spawn(scrape), scope.spawn(scrape), scope.spawn(follow));
        let ended: Vec<_> =
            work.into_iter().chain([reloads, follower]).map(std::thread::ScopedJoinHandle::join).collect();
        is_over.store(true, Ordering::SeqCst);
        ended.into_iter().chain([first.join(), second.join()]).for_each(Result::unwrap);
        polls(&latest.snapshot())
    });
    assert!(last.iter().all(|(_, polls)| *polls == POLLS), "{last:?}");
}
