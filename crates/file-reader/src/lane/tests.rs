use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::*;
use crate::tests::{later, soon, stuck};
use crate::{ask, read, read_one_of_many, read_regular};

#[tokio::test]
async fn an_operator_sends_a_few_more_readers_after_one_that_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hangs");
    let started = Arc::new(AtomicUsize::new(0));
    let mut ends = Vec::new();
    for round in 0..6 {
        let (end, hangs) = mpsc::channel();
        ends.push(end);
        assert!(ask(&path, soon(), stuck(&started, hangs)).await.unwrap_err().hangs());
        assert_eq!(started.load(Ordering::SeqCst), 1 + round.min(MOST_AGAIN));
        try_again();
        assert_eq!(lane(&path).turns.available_permits(), 0, "it has not hung for long");
        lane(&path).state.lock().since = std::time::Instant::now().checked_sub(HANGS);
        try_again();
    }
    drop(ends);
    ask(&path, later(), |_| Ok(())).await.unwrap();
    assert_eq!(lane(&path).state.lock().again, 0);
}

#[tokio::test]
async fn files_of_which_there_are_thousands_leave_readers_to_the_few_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "there").unwrap();
    let hanging = READERS_OF_MANY.acquire_many(u32::try_from(MOST_OF_MANY).unwrap()).await.unwrap();
    assert!(read_one_of_many(&path, 1024, soon()).await.unwrap_err().hangs());
    assert_eq!(*read(&path, 1024, later()).await.unwrap(), b"there");
    assert_eq!(*read_regular(&path, 1024, later()).await.unwrap(), b"there");
    drop(hanging);
    assert_eq!(*read_one_of_many(&path, 1024, later()).await.unwrap(), b"there");
}
