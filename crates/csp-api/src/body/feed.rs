//! Handing a body to its sink, piece by piece.

use std::panic::resume_unwind;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use crate::sink::{Sink, SinkError};

/// So much is read at once, and the runtime's thread is offered to others in between, so that a body never holds it up.
/// However small a packed body is, no more than this of it is unpacked at once.
pub(super) const PIECE: usize = 64 * 1024;

/// Past so many bytes a body is long.
const LONG: u64 = 512 * 1024;

/// So many pieces of a long body wait for the sink at the most, so that it has the next one when it is done with one.
const WAITING: usize = 8;

/// Where [`WAITING`] pieces wait, whoever reads goes on once the sink has taken half of them: to wake it for each costs the sink a
/// tenth of its time.
const HALF: usize = WAITING / 2;

/// So many long bodies have a thread of the runtime's for work that blocks at once, however many there are: one that does not
/// go on keeps its thread until it is given up, and scrapes and files need threads, too. The others are worked on as short
/// ones are.
pub const BODY_THREADS: usize = 4;

static THREADS: Semaphore = Semaphore::const_new(BODY_THREADS);

/// Who takes the pieces of a body.
///
/// **Who waits for whom?** The sink of a short body works where the body is read. That of a long one works on a thread for
/// such work while more is read, if [`THREADS`] has one. It waits there for pieces until the body ends or is given up; who
/// reads waits for it where [`WAITING`] pieces do, and at the end.
pub(super) enum Feed<S> {
    Here(S),
    Beside {
        pieces: Sender<Vec<u8>>,
        /// Of the pieces that it is done with.
        rooms: Receiver<Vec<u8>>,
        sink: JoinHandle<Result<S, SinkError>>,
    },
}

impl<S: Sink> Feed<S> {
    /// Room for a piece.
    pub(super) fn room() -> Vec<u8> {
        Vec::with_capacity(PIECE)
    }

    /// What comes of `reading`.
    ///
    /// # Errors
    /// What the sink says meanwhile of an earlier piece.
    pub(super) async fn meanwhile<T>(&mut self, reading: impl Future<Output = T>) -> Result<T, SinkError> {
        match self {
            Self::Here(_) => Ok(reading.await),
            Self::Beside { sink, .. } => tokio::select! {
                biased;
                outcome = sink => Err(refusal(outcome).await),
                read = reading => Ok(read),
            },
        }
    }

    /// Hands over a piece, with which a body has come to `count` bytes; returns room for the next one.
    ///
    /// # Errors
    /// What the sink says of this piece, or of one before.
    pub(super) async fn write(self, mut piece: Vec<u8>, count: u64) -> Result<(Self, Vec<u8>), SinkError> {
        let feed = match self {
            Self::Here(sink) if count > LONG => Self::beside(sink),
            feed => feed,
        };
        match feed {
            Self::Here(mut sink) => {
                sink.write(&piece)?;
                piece.clear();
                Ok((Self::Here(sink), piece))
            }
            Self::Beside { pieces, mut rooms, sink } => {
                if pieces.capacity() == 0 {
                    // Whether it takes any more is said by the next line.
                    drop(pieces.reserve_many(HALF).await);
                }
                if pieces.send(piece).await.is_err() {
                    return Err(refusal(sink.await).await);
                }
                let room = rooms.try_recv().unwrap_or_else(|_| Self::room());
                Ok((Self::Beside { pieces, rooms, sink }, room))
            }
        }
    }

    /// The sink, once it is done with all that it got.
    ///
    /// # Errors
    /// What it says of that.
    pub(super) async fn done(self) -> Result<S, SinkError> {
        match self {
            Self::Here(sink) => Ok(sink),
            Self::Beside { pieces, rooms: _, sink } => {
                drop(pieces);
                ended(sink.await).await
            }
        }
    }

    /// The sink on a thread of its own, where there is one.
    fn beside(mut sink: S) -> Self {
        let Ok(thread) = THREADS.try_acquire() else { return Self::Here(sink) };
        let (pieces, mut given) = channel::<Vec<u8>>(WAITING);
        let (back, rooms) = channel(WAITING + 2);
        let sink = spawn_blocking(move || {
            let _thread = thread;
            while let Some(mut piece) = given.blocking_recv() {
                sink.write(&piece)?;
                piece.clear();
                // Whoever reads makes room where none is left.
                let _ = back.try_send(piece);
            }
            Ok(sink)
        });
        Self::Beside { pieces, rooms, sink }
    }
}

/// The sink, which takes no more.
async fn ended<S>(outcome: Result<Result<S, SinkError>, JoinError>) -> Result<S, SinkError> {
    match outcome {
        Ok(outcome) => outcome,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        // The runtime is ending, and nobody waits for this any more.
        Err(_) => std::future::pending().await,
    }
}

/// Why a sink takes no more before the end.
async fn refusal<S>(outcome: Result<Result<S, SinkError>, JoinError>) -> SinkError {
    let Err(why) = ended(outcome).await else { unreachable!("it takes pieces until one is wrong") };
    why
}
