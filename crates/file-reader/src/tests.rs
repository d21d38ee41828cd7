use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use futures_util::FutureExt as _;
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use super::*;

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_millis(300)
}

pub(crate) fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn pipe(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[tokio::test]
async fn a_file_is_read_whole_up_to_its_limit_and_what_is_no_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, [7; 1024]).unwrap();
    assert_eq!(*read(&path, 1024, later()).await.unwrap(), [7; 1024]);
    let refused = async |path: &Path| read(path, 1023, later()).await.unwrap_err().to_string();
    assert_eq!(refused(&path).await, "it is larger than 0 KiB");
    assert!(refused(folder.path()).await.contains("folder"));
    assert!(refused("/dev/zero".as_ref()).await.contains("neither a regular file nor a pipe"));
    let error = read_regular(&pipe(&folder), 1024, later()).await.unwrap_err().to_string();
    assert!(error.contains("it is a pipe"), "{error}");
    assert!(refused(&folder.path().join("missing")).await.contains("No such file"));
}

#[tokio::test]
async fn a_pipe_is_read_to_its_end_or_given_up() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [silent, path] = folders.each_ref().map(pipe);
    let error = read(&silent, 1024, soon()).await.unwrap_err();
    assert!(error.hangs() && error.to_string().contains("nobody writes into the pipe"), "{error}");

    let reading = tokio::spawn({
        let path = path.clone();
        async move { read(&path, 1 << 20, later()).await }
    });
    spawn_blocking(move || {
        let mut pipe = OpenOptions::new().write(true).open(path).unwrap();
        pipe.write_all(&vec![1; 100_000]).unwrap();
        pipe.write_all(&vec![2; 100_000]).unwrap();
    })
    .await
    .unwrap();
    assert_eq!(*reading.await.unwrap().unwrap(), [vec![1; 100_000], vec![2; 100_000]].concat());
}

#[tokio::test]
async fn a_pipe_without_a_writer_that_is_replaced_by_a_file_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = pipe(&folder);
    let reading = tokio::spawn({
        let path = path.clone();
        async move { read(&path, 1024, later()).await }
    });
    let file = folder.path().join("file");
    std::fs::write(&file, "there").unwrap();
    std::fs::rename(file, path).unwrap();
    assert_eq!(*reading.await.unwrap().unwrap(), b"there");
}

/// What ends at once.
fn over() -> mpsc::Receiver<()> {
    mpsc::channel().1
}

/// A reader that hangs until it is told to go on.
pub(crate) fn stuck(
    started: &Arc<AtomicUsize>,
    end: mpsc::Receiver<()>,
) -> impl FnOnce(std::time::Instant) -> Result<usize, ReadError> + Send + 'static {
    let started = Arc::clone(started);
    move |_| {
        let count = started.fetch_add(1, Ordering::SeqCst) + 1;
        let _ = end.recv();
        Ok(count)
    }
}

#[tokio::test]
async fn however_many_ask_for_a_file_that_hangs_one_thread_waits_for_it_and_other_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hangs");
    let started = Arc::new(AtomicUsize::new(0));
    let (end, hangs) = mpsc::channel();
    let mut waiting = vec![tokio::spawn({
        let (path, job) = (path.clone(), stuck(&started, hangs));
        async move { ask(&path, soon(), job).await }
    })];
    for _ in 0..300 {
        let (path, job) = (path.clone(), stuck(&started, over()));
        waiting.push(tokio::spawn(async move { ask(&path, soon(), job).await }));
    }
    for one in waiting {
        assert!(one.await.unwrap().unwrap_err().hangs());
    }
    assert_eq!(started.load(Ordering::SeqCst), 1);
    let other = folder.path().join("other");
    std::fs::write(&other, "x").unwrap();
    assert_eq!(*read(&other, 1024, later()).await.unwrap(), b"x");

    // It answers again: the next one is not given what was read for the first.
    drop(end);
    assert_eq!(ask(&path, later(), stuck(&started, over())).await.unwrap(), 2);
}

#[tokio::test]
async fn one_read_serves_all_who_wait_for_it_and_none_is_given_what_was_read_before_it_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = pipe(&folder);
    let started = Arc::new(AtomicUsize::new(0));
    let (end, hangs) = mpsc::channel();
    let first = tokio::spawn({
        let (path, job) = (path.clone(), stuck(&started, hangs));
        async move { ask(&path, later(), job).await }
    });
    while started.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    // Somebody who gives up, at first or on the way, is no loss to the others.
    assert!(read(&path, 1024, soon()).await.unwrap_err().hangs());
    let read_it = |deadline: Instant| {
        let path = path.clone();
        async move { read(&path, 1024, deadline).await }
    };
    let mut waiting: Vec<_> = (0..300).map(|_| Box::pin(read_it(later()))).collect();
    for one in &mut waiting {
        assert!(one.now_or_never().is_none());
    }
    drop(waiting.remove(0));
    let waiting: Vec<_> = waiting.into_iter().map(tokio::spawn).collect();
    drop(end);
    assert_eq!(first.await.unwrap().unwrap(), 1);
    // A pipe gives what it holds to one reader alone.
    let write = |text: &'static str| {
        let path = path.clone();
        spawn_blocking(move || std::fs::write(path, text).unwrap())
    };
    write("first").await.unwrap();
    for one in waiting {
        assert_eq!(*one.await.unwrap().unwrap(), b"first");
    }
    let next = tokio::spawn(read_it(later()));
    write("second").await.unwrap();
    assert_eq!(*next.await.unwrap().unwrap(), b"second");
}

#[tokio::test]
async fn a_mount_whose_files_all_hang_leaves_readers_to_those_of_other_mounts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "there").unwrap();
    // A regular file on a mount that every Linux has.
    let elsewhere = Path::new("/proc/sys/kernel/ostype");
    let all = u32::try_from(MOST_OF_A_MOUNT).unwrap();
    let hanging = mount::readers(&path).acquire_many_owned(all).await.unwrap();
    assert!(read_one_of_many(&path, 1024, soon()).await.unwrap_err().hangs());
    assert_eq!(*read_one_of_many(elsewhere, 1024, later()).await.unwrap(), b"Linux\n");
    assert_eq!(*read(&path, 1024, later()).await.unwrap(), b"there");
    drop(hanging);
    assert_eq!(*read_one_of_many(&path, 1024, later()).await.unwrap(), b"there");
}
