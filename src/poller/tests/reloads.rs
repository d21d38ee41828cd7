//! What a reload begins, ends and leaves alone.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_what_stays_removes_what_is_gone_and_starts_what_is_new() {
    let script = Script::new(|_, _| good());
    let (poller, latest) = start(vec![organization("a"), organization("b")], &script);
    pass(Duration::from_millis(1)).await;
    let mut changed = (*organization("a")).clone();
    changed.interval = 2 * INTERVAL;
    let source: Arc<dyn Source> = Arc::clone(&script) as _;
    poller.reload(&config(vec![Arc::new(changed), organization("c")]), source);
    assert!(entry(&latest, "b").is_none());
    let a = entry(&latest, "a").expect("a stays");
    assert_eq!((a.up, a.polls, a.organization.interval), (Some(true), 1, 2 * INTERVAL));
    assert_eq!(entry(&latest, "c").expect("c is there").up, None);
    pass(Duration::from_millis(1)).await;
    assert_eq!(entry(&latest, "a").expect("a stays").polls, 2);
    assert_eq!(entry(&latest, "c").expect("c is there").up, Some(true));
    pass(4 * INTERVAL).await;
    assert_eq!(script.polls.lock().iter().filter(|(name, _)| name == "b").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_organization_is_not_disturbed_by_a_reload() {
    let script = Script::new(|_, _| good());
    let begin = Instant::now();
    let a = organization("a");
    let (poller, _) = start(vec![Arc::clone(&a)], &script);
    pass(phase(&a) / 2).await;
    let source: Arc<dyn Source> = Arc::clone(&script) as _;
    poller.reload(&config(vec![organization("a"), organization("b")]), source);
    pass(2 * INTERVAL).await;
    assert_eq!(in_millis(script.starts("a", begin))[..2], in_millis([Duration::ZERO, phase(&a)]));
}
