use std::sync::mpsc::{Receiver, Sender, channel};

use futures_util::stream;

use super::*;

const MIB: usize = 1024 * 1024;

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
    for length in [0, 1, 65_536, MIB - 1, MIB, MIB + 1, 3 * MIB, 3 * MIB + 77] {
        for piece in [1000, 65_536, 300_000] {
            let (bytes, largest) = feed(answer(&sent(length), piece, None), Kept::new(|_| Ok(()))).await.unwrap();
            assert!(bytes == sent(length), "{length} bytes in pieces of {piece}");
            assert!(largest <= 64 * 1024, "{largest}");
        }
    }
}

#[tokio::test]
async fn of_a_long_body_the_next_piece_is_read_while_one_is_worked_on() {
    let (saw, seen): (_, Receiver<usize>) = channel();
    let mut read = 0;
    let sink = Kept::new(move |taken| {
        // Ends in time only if somebody else reads on meanwhile.
        while (3 * MIB / 2..5 * MIB / 2).contains(&taken) && read < taken + MIB / 16 {
            read = seen.recv_timeout(Duration::from_secs(20)).expect("somebody reads on");
        }
        Ok(())
    });
    let (bytes, _) = feed(answer(&sent(3 * MIB), 10_000, Some(saw)), sink).await.unwrap();
    assert!(bytes == sent(3 * MIB));
}

#[tokio::test]
async fn what_a_sink_says_of_any_piece_is_the_answer() {
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
    let sink = Kept::new(|taken| {
        assert!(taken < 2 * MIB, "a fault in counting");
        Ok(())
    });
    let _ = feed(answer(&sent(3 * MIB), 10_000, None), sink).await;
}
