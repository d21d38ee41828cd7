//! What is kept, for how long, and who waits for whom.

use std::cell::Cell;

use super::super::pieces::tests::organization;
use super::*;

/// A scrape, and how many times the exporter's own metrics were made for one.
fn scrape(cache: &ScrapeCache, snapshot: &Arc<Snapshot>, own: &Cell<u32>) -> exposition::Body {
    cache.find_or_make(Encoding::Text, false, &|| Arc::clone(snapshot), Steady(0), |_| {
        own.set(own.get() + 1);
        Vec::new()
    })
}

/// So many organizations, of which each has this many roles.
fn snapshot(organizations: usize, roles: usize) -> Arc<Snapshot> {
    let organizations = (0..organizations).map(|number| organization(number, Some(roles), 1)).collect();
    Arc::new(Snapshot { organizations, api_token_expirations: Vec::new() })
}

/// Has what is known be of this moment, however long it took to make it.
fn know(cache: &ScrapeCache, taken: Instant) {
    cache.form(Encoding::Text, false).finished.lock().polled.as_mut().expect("made").taken = taken;
}

#[test]
fn scrapes_now_and_then_show_everything_as_it_is_and_a_flood_costs_a_few() {
    let (cache, snapshot, changed, own) = (ScrapeCache::default(), Arc::default(), Arc::default(), Cell::new(0));
    let find = |snapshot: &Arc<Snapshot>| cache.find(Encoding::Text, false, &|| Arc::clone(snapshot), Steady(0));
    for _ in 0..10 {
        assert!(find(&snapshot).is_none());
        scrape(&cache, &snapshot, &own);
    }
    assert_eq!(own.get(), 10);
    for _ in 0..10_000 {
        scrape(&cache, &snapshot, &own);
    }
    assert!(own.get() < 200, "{} in a flood", own.get());
    assert!(find(&snapshot).is_some());
    assert!(find(&changed).is_none(), "a poll shows at once");
    let before = own.replace(0);
    scrape(&cache, &changed, &own);
    assert_eq!(own.get(), 1, "after {before}");
    cache.forget_own();
    assert!(find(&changed).is_none());
}

#[test]
fn of_many_organizations_a_scrape_shows_what_was_known_a_moment_ago_unless_more_than_polls_has_changed() {
    let (cache, own) = (ScrapeCache::default(), Cell::new(0));
    let length = |snapshot: &Arc<Snapshot>| scrape(&cache, snapshot, &own).concat().len();
    let (few, more) = (snapshot(MANY, 1), snapshot(MANY, 2));
    assert!(length(&few) < length(&more), "of few a poll shows at once");
    cache.forget_own();

    let (before, after) = (snapshot(MANY + 1, 1), snapshot(MANY + 1, 2));
    let first = length(&before);
    know(&cache, Instant::now());
    assert_eq!(length(&after), first);
    cache.prepare(&|| Arc::clone(&after), Steady(0));
    let second = length(&after);
    assert!(second > first);
    cache.forget_own();
    assert_eq!(length(&before), first, "of another configuration nothing is shown");
    know(&cache, Instant::now().checked_sub(RECENT).unwrap());
    assert_eq!(length(&after), second, "nor after a while");
    assert_eq!(own.get(), 7, "the exporter's own part is made each time");
}

#[test]
fn what_was_known_a_moment_ago_is_shown_without_a_look_at_what_is_known_now() {
    let (cache, own) = (ScrapeCache::default(), Cell::new(0));
    scrape(&cache, &snapshot(MANY + 1, 1), &own);
    know(&cache, Instant::now());
    let nobody = || -> Arc<Snapshot> { unreachable!("nobody needs it") };
    assert!(cache.find(Encoding::Text, false, &nobody, Steady(0)).is_none(), "it is no flood");
    assert!(!cache.find_or_make(Encoding::Text, false, &nobody, Steady(0), |_| Vec::new()).concat().is_empty());
}

#[test]
fn a_scrape_waits_for_no_one_who_makes_what_it_need_not_show() {
    let (cache, own) = (ScrapeCache::default(), Cell::new(0));
    let (before, after) = (snapshot(MANY + 1, 1), snapshot(MANY + 1, 2));
    scrape(&cache, &before, &own);
    know(&cache, Instant::now());
    let making = cache.form(Encoding::Text, false).pieces.lock();
    scrape(&cache, &after, &own);
    assert_eq!(own.get(), 2);
    drop(making);
}

#[test]
fn what_the_first_scrape_makes_is_not_forgotten_by_who_prepares_meanwhile() {
    let (cache, snapshot) = (ScrapeCache::default(), snapshot(1, 1));
    let form = cache.form(Encoding::Text, false);
    std::thread::scope(|scope| {
        let snapshots = || {
            // While it is made, as the pieces are held for it.
            if form.pieces.is_locked() {
                scope.spawn(|| cache.prepare(&|| Arc::clone(&snapshot), Steady(0)));
                std::thread::sleep(Duration::from_millis(50));
            }
            Arc::clone(&snapshot)
        };
        cache.find_or_make(Encoding::Text, false, &snapshots, Steady(0), |_| Vec::new());
    });
    assert!(form.pieces.lock().is_some());
}

#[test]
fn only_forms_that_are_asked_for_are_made_and_only_while_they_are() {
    let (cache, before, after, own) = (ScrapeCache::default(), Arc::default(), Arc::default(), Cell::new(0));
    let made = || -> Vec<bool> { cache.0.iter().flatten().map(|form| form.pieces.lock().is_some()).collect() };
    let prepare = |snapshot: &Arc<Snapshot>, now| cache.prepare(&|| Arc::clone(snapshot), now);
    prepare(&before, Steady(0));
    assert_eq!(made(), [false; 6], "nobody has asked");
    scrape(&cache, &before, &own);
    prepare(&after, Steady(0));
    assert_eq!(made(), [true, false, false, false, false, false]);
    let is_true = |snapshot| {
        let finished = cache.form(Encoding::Text, false).finished.lock();
        finished.polled.as_ref().is_some_and(|polled| polled.is_true(snapshot, Steady(0)))
    };
    assert!(is_true(&after), "made before the scrape");
    prepare(&after, Steady(0).after(WANTED_FOR));
    assert_eq!(made(), [false; 6], "nobody asks any more");
    assert!(WANTED_FOR + FORGOTTEN_LATE < Duration::from_secs(5 * 60));
}
