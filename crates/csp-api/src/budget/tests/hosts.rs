//! What one host costs the others.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_host_that_pauses_or_is_slow_holds_no_other_back() {
    let (budget, one) = host(Some(0.001), 1);
    let other = budget.host(&url("https://other"));
    let start = Instant::now();
    drop(turn(&one, &poll()).await.unwrap());
    let order = Arc::default();
    let _waiting: Vec<_> = (0..20).map(|_| queue(&one, &order, "slow", poll())).collect();
    let port = budget.host(&url("https://one:8443"));
    port.pause(HOUR);
    sleep(SECOND).await;
    drop(turn(&other, &poll()).await.unwrap());
    assert_eq!(start.elapsed(), SECOND);
    assert!(Arc::ptr_eq(&one, &budget.host(&url("https://one:443/with/a/path"))));
}

#[tokio::test(start_paused = true)]
async fn hosts_share_the_places() {
    let (budget, one) = host(None, 1);
    let other = budget.host(&url("https://other"));
    let place = turn(&one, &poll()).await.unwrap();
    assert_eq!(turn(&other, &begun(SECOND)).await.unwrap_err(), Denied::Deadline);
    drop(place);
    assert!(turn(&other, &begun(SECOND)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_host_that_does_not_answer_leaves_a_place_to_each_other() {
    let urls = ["https://one", "https://other", "https://third", "https://fourth", "https://fifth"].map(url);
    let budget = Budget::new(None, 8, names(urls[..3].iter()));
    let [one, other, third, fourth, _] = urls.each_ref().map(|url| budget.host(url));
    // The first two hold whatever they get.
    let mut held = Vec::new();
    for host in [&one, &other] {
        while let Ok(turn) = turn(host, &begun(SECOND)).await {
            held.push(turn);
        }
    }
    assert_eq!(held.len(), 7, "one is left");
    let start = Instant::now();
    for _ in 0..100 {
        drop(turn(&third, &poll()).await.unwrap());
    }
    assert_eq!(start.elapsed(), Duration::ZERO, "one after the other, without waiting");
    let _place = turn(&third, &poll()).await.unwrap();
    assert_eq!(turn(&third, &begun(SECOND)).await.unwrap_err(), Denied::Deadline, "never more than 8 at once");

    // Another host in the place of one of them has one of its own, too, and that one then has none.
    budget.set_limits(None, 8, names(urls[1..4].iter()));
    sleep(SECOND).await;
    let mut held = Vec::new();
    for host in [&other, &one] {
        while let Ok(turn) = turn(host, &begun(SECOND)).await {
            held.push(turn);
        }
    }
    assert_eq!(held.len(), 6, "one is left to each of the two others");
    let _place = turn(&fourth, &begun(SECOND)).await.unwrap();
    assert!(turn(&third, &begun(SECOND)).await.is_ok());

    // Of no more places than hosts each has one, and no second. Without a place for each, and alone, nobody has one of its own.
    for (places, hosts, taken) in [(4, 3, 2), (3, 3, 1), (2, 2, 1), (2, 5, 2), (1, 2, 1), (4, 1, 4)] {
        budget.set_limits(None, places, names(urls[..hosts].iter()));
        // Whoever serves a queue learns of it.
        sleep(SECOND).await;
        let mut held = Vec::new();
        while let Ok(turn) = turn(&one, &begun(SECOND)).await {
            held.push(turn);
        }
        assert_eq!(held.len(), taken, "{places} places, {hosts} hosts");
        assert_eq!(
            turn(&other, &begun(SECOND)).await.is_ok(),
            (2..=places).contains(&hosts),
            "{places} places, {hosts} hosts"
        );
    }

    // Where none is shared, one that is not configured any more still has its turn.
    budget.set_limits(None, 2, names(urls[1..3].iter()));
    sleep(SECOND).await;
    assert!(turn(&one, &begun(SECOND)).await.is_ok());
}
