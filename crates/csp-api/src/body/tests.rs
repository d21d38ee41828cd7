use std::sync::mpsc::{Receiver, Sender, channel};

use futures_util::{StreamExt as _, stream};

use super::*;

const MIB: usize = 1024 * 1024;
/// Long bodies share a few threads: each test has them to itself.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Keeps what it gets; does to each piece what it is told.
struct Kept {
    bytes: Vec<u8>,
    largest: usize,
    also: Box<dyn FnMut(usize) -> Result<(), SinkError> + Send>,
}

impl Kept {
    fn new(also: impl FnMut(usize) -> Result<(), SinkError> + Send + 'static) -> Self {
        Self { bytes: Vec::new(), largest: 0, also: Box::new(also) }
    }
}

impl Sink for Kept {
    type Output = (Vec<u8>, usize);

    fn write(&mut self, chunk: &[u8]) -> Result<(), SinkError> {
        self.bytes.extend_from_slice(chunk);
        self.largest = self.largest.max(chunk.len());
        (self.also)(self.bytes.len())
    }

    fn finish(self) -> Result<Self::Output, SinkError> {
        Ok((self.bytes, self.largest))
    }
}

fn sent(length: usize) -> Vec<u8> {
    (0..length).map(|place| u8::try_from(place % 251).unwrap()).collect()
}

/// An answer that comes in pieces of this size; each is said to `seen` when it is asked for.
fn answer(body: &[u8], piece: usize, seen: Option<Sender<usize>>) -> Response {
    let pieces: Vec<Vec<u8>> = body.chunks(piece).map(<[u8]>::to_vec).collect();
    let pieces = pieces.into_iter().enumerate().map(move |(place, bytes)| {
        if let Some(seen) = &seen {
            let _ = seen.send((place + 1) * piece);
        }
        Ok::<_, io::Error>(bytes)
    });
    http::Response::new(reqwest::Body::wrap_stream(stream::iter(pieces))).into()
}

async fn feed(response: Response, sink: Kept) -> Result<(Vec<u8>, usize), Reason> {
    let mut count = 0;
    let read = read(Operation::Invitations, response, u64::MAX, &mut count, sink).await;
    read.map_err(|failure| failure.error.reason)
}

#[tokio::test]
async fn a_body_of_any_length_comes_whole_and_in_order() {
    let _alone = ALONE.lock().await;
    for length in [0, 1, 65_536, MIB / 2 - 1, MIB / 2, MIB / 2 + 1, 3 * MIB, 3 * MIB + 77] {
        for piece in [1000, 65_536, 300_000] {
            let (bytes, largest) = feed(answer(&sent(length), piece, None), Kept::new(|_| Ok(()))).await.unwrap();
            assert!(bytes == sent(length), "{length} bytes in pieces of {piece}");
            assert!(largest <= 64 * 1024, "{largest}");
        }
    }
}

#[tokio::test]
async fn of_a_long_body_the_next_piece_is_read_while_one_is_worked_on() {
    let _alone = ALONE.lock().await;
    let (saw, seen): (_, Receiver<usize>) = channel();
    let mut read = 0;
    let sink = Kept::new(move |taken| {
        // Ends in time only if somebody else reads on meanwhile.
        while (3 * MIB / 2..5 * MIB / 2).contains(&taken) && read < taken + MIB / 16 {
            read = seen.recv_timeout(Duration::from_secs(20)).expect("somebody reads on");
        }
        Ok(())
    });
    let (bytes, _) = feed(answer(&sent(3 * MIB), 65_536, Some(saw)), sink).await.unwrap();
    assert!(bytes == sent(3 * MIB));
}

#[tokio::test]
async fn whoever_reads_waits_for_a_slow_sink_and_hears_what_it_says() {
    let _alone = ALONE.lock().await;
    let (saw, seen): (_, Receiver<usize>) = channel();
    let (go, wait) = channel::<()>();
    let sink = Kept::new(move |taken| {
        if taken < MIB {
            return Ok(());
        }
        wait.recv_timeout(Duration::from_secs(20)).expect("somebody lets it go on");
        Err(SinkError::Decode("not a list".to_owned()))
    });
    let reading = tokio::spawn(feed(answer(&sent(8 * MIB), 65_536, Some(saw)), sink));
    let mut read = 0;
    while read < MIB {
        tokio::time::sleep(Duration::from_millis(10)).await;
        read = seen.try_iter().last().unwrap_or(read);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    read = seen.try_iter().last().unwrap_or(read);
    assert!(read < 2 * MIB, "{read} bytes were read while the sink was at the first MiB");
    go.send(()).unwrap();
    assert_eq!(reading.await.unwrap(), Err(Reason::Decode));
}

#[tokio::test]
async fn what_a_sink_says_of_any_piece_is_the_answer() {
    let _alone = ALONE.lock().await;
    for at in [1, MIB / 2, 2 * MIB, 3 * MIB] {
        let refuse = move |taken| {
            if taken >= at { Err(SinkError::TooLarge("enough".to_owned())) } else { Ok(()) }
        };
        assert_eq!(feed(answer(&sent(3 * MIB), 10_000, None), Kept::new(refuse)).await, Err(Reason::TooLarge), "{at}");
    }
}

#[tokio::test]
#[should_panic(expected = "a fault in counting")]
async fn a_panic_in_a_sink_is_one_of_whoever_reads() {
    let _alone = ALONE.lock().await;
    let sink = Kept::new(|taken| {
        assert!(taken < 2 * MIB, "a fault in counting");
        Ok(())
    });
    let _ = feed(answer(&sent(3 * MIB), 10_000, None), sink).await;
}

/// What becomes of a body after its first bytes.
#[derive(Debug, Clone, Copy)]
enum Then {
    Cut,
    Silence,
    Endless,
}

#[tokio::test]
async fn what_a_sink_says_goes_before_what_becomes_of_the_body_afterwards() {
    let _alone = ALONE.lock().await;
    for (length, then) in [1000, 2 * MIB, 2 * MIB + 1000]
        .into_iter()
        .flat_map(|length| [Then::Cut, Then::Silence, Then::Endless].map(|then| (length, then)))
    {
        let begin = sent(length).chunks(65_536).map(<[u8]>::to_vec).map(Ok).collect::<Vec<_>>();
        let rest = stream::repeat_with(move || match then {
            Then::Cut => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
            Then::Silence | Then::Endless => Ok(vec![0; 65_536]),
        });
        let rest = rest.take(if matches!(then, Then::Silence) { 0 } else { 200 });
        let body = stream::iter(begin).chain(rest).chain(stream::pending());
        let response = http::Response::new(reqwest::Body::wrap_stream(body)).into();
        let sink = Kept::new(move |taken| {
            std::thread::sleep(Duration::from_millis(if taken >= length { 50 } else { 0 }));
            if taken >= length { Err(SinkError::Decode("not a list".to_owned())) } else { Ok(()) }
        });
        let mut count = 0;
        let read = read(Operation::Invitations, response, (length + MIB / 8) as u64, &mut count, sink);
        let read = tokio::time::timeout(Duration::from_secs(10), read).await;
        let reason = read.expect("it has said so already").map_err(|failure| failure.error.reason);
        assert_eq!(reason.map(|_| ()), Err(Reason::Decode), "{length}, then {then:?}");
    }
}

#[test]
fn long_bodies_that_do_not_end_leave_threads_to_others() {
    let _alone = ALONE.blocking_lock();
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(2).max_blocking_threads(6).enable_all().build().unwrap();
    runtime.block_on(async {
        let (saw, seen) = channel();
        for _ in 0..20 {
            let body = stream::iter([Ok::<_, io::Error>(sent(2 * MIB))]).chain(stream::pending());
            let response = http::Response::new(reqwest::Body::wrap_stream(body)).into();
            let saw = saw.clone();
            let sink = Kept::new(move |taken| {
                if taken == 2 * MIB {
                    let _ = saw.send(());
                }
                Ok(())
            });
            tokio::spawn(feed(response, sink));
        }
        let all =
            tokio::task::spawn_blocking(move || (0..20).all(|_| seen.recv_timeout(Duration::from_secs(10)).is_ok()));
        let all = tokio::time::timeout(Duration::from_secs(15), all).await;
        assert!(all.expect("somebody else gets a thread").unwrap(), "each of them is counted as far as it has come");
    });
    // Their threads are free again before the next test.
    drop(runtime);
}
