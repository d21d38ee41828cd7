//! Who goes before whom.

use super::*;

#[tokio::test(start_paused = true)]
async fn begun_polls_go_before_first_requests_and_these_before_questions() {
    let (_budget, host) = host(Some(1.0), 8);
    drop(turn(&host, &poll()).await.unwrap());
    let order = Arc::default();
    let mut waiting = Vec::new();
    for (name, deadline) in [
        ("question", Deadline::of_question(HOUR)),
        ("first", poll()),
        ("second", poll()),
        ("begun", begun(HOUR)),
        ("third", poll()),
    ] {
        waiting.push(queue(&host, &order, name, deadline));
        tokio::task::yield_now().await;
    }
    // Comes in the middle, and goes before who waits.
    sleep(Duration::from_millis(1500)).await;
    waiting.push(queue(&host, &order, "late begun", begun(HOUR)));
    for task in waiting {
        task.await.unwrap();
    }
    assert_eq!(*order.lock(), ["begun", "late begun", "first", "second", "third", "question"]);
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_is_begun_anew_keeps_its_place() {
    let (_budget, host) = host(Some(1.0), 8);
    drop(turn(&host, &poll()).await.unwrap());
    let (order, deadlines) = (Arc::default(), [poll(), poll(), poll()]);
    let mut waiting = Vec::new();
    for (name, deadline) in ["first", "second", "third"].into_iter().zip(&deadlines) {
        waiting.push(queue(&host, &order, name, deadline.clone()));
        tokio::task::yield_now().await;
    }
    for place in [1, 0] {
        waiting[place].abort();
        waiting[place] = queue(&host, &order, ["first again", "second again"][place], deadlines[place].clone());
        tokio::task::yield_now().await;
    }
    for task in waiting {
        task.await.unwrap();
    }
    assert_eq!(*order.lock(), ["first again", "second again", "third"]);
}

#[tokio::test(start_paused = true)]
async fn requests_that_go_by_one_deadline_all_get_their_turn() {
    let (_budget, host) = host(Some(1.0), 8);
    drop(turn(&host, &poll()).await.unwrap());
    let (order, deadline) = (Arc::default(), poll());
    let mut waiting = Vec::new();
    for name in ["first", "second", "third"] {
        waiting.push(queue(&host, &order, name, deadline.clone()));
        tokio::task::yield_now().await;
    }
    for task in waiting {
        task.await.unwrap();
    }
    assert_eq!(*order.lock(), ["first", "second", "third"]);
}

#[tokio::test(start_paused = true)]
async fn a_poll_goes_before_a_question_that_came_long_before() {
    let (_budget, host) = host(Some(0.01), 8);
    drop(turn(&host, &poll()).await.unwrap());
    let order = Arc::default();
    let question = queue(&host, &order, "question", Deadline::of_question(HOUR));
    sleep(99 * SECOND).await;
    let poll = queue(&host, &order, "poll", poll());
    poll.await.unwrap();
    question.await.unwrap();
    assert_eq!(*order.lock(), ["poll", "question"]);
}

#[tokio::test(start_paused = true)]
async fn questions_go_one_at_a_time_so_that_a_poll_finds_a_place() {
    let (_budget, host) = host(None, 2);
    let question = turn(&host, &Deadline::of_question(HOUR)).await.unwrap();
    let order = Arc::default();
    let other = queue(&host, &order, "other question", Deadline::of_question(HOUR));
    tokio::task::yield_now().await;
    let start = Instant::now();
    drop(turn(&host, &poll()).await.unwrap());
    assert_eq!(start.elapsed(), Duration::ZERO);
    sleep(SECOND).await;
    assert!(order.lock().is_empty());
    drop(question);
    other.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn other_limits_hold_at_once_and_who_waits_keeps_its_place() {
    let (budget, host) = host(Some(0.001), 1);
    drop(turn(&host, &poll()).await.unwrap());
    let order = Arc::default();
    let first = queue(&host, &order, "first", poll());
    sleep(SECOND).await;
    let second = queue(&host, &order, "second", poll());
    sleep(SECOND).await;
    let start = Instant::now();
    budget.set_limits(Some(1.0), 1, HashSet::new());
    second.await.unwrap();
    first.await.unwrap();
    assert_eq!(*order.lock(), ["first", "second"]);
    assert!(start.elapsed() <= 2 * SECOND, "{:?}", start.elapsed());

    let _place = turn(&host, &poll()).await.unwrap();
    let third = queue(&host, &order, "third", poll());
    sleep(SECOND).await;
    assert_eq!(order.lock().len(), 2, "the only place is taken");
    budget.set_limits(Some(1.0), 2, HashSet::new());
    third.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_costs_the_others_nothing() {
    let (_budget, host) = host(Some(1.0), 1);
    drop(turn(&host, &poll()).await.unwrap());
    let order = Arc::default();
    let gone: Vec<_> = (0..5).map(|_| queue(&host, &order, "gone", poll())).collect();
    tokio::task::yield_now().await;
    let waiting = queue(&host, &order, "waiting", poll());
    tokio::task::yield_now().await;
    gone.iter().for_each(JoinHandle::abort);
    let start = Instant::now();
    waiting.await.unwrap();
    assert!(start.elapsed() <= SECOND, "{:?}", start.elapsed());
}
