//! Handing a body to its sink, piece by piece.

use std::panic::resume_unwind;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::sink::{Sink, SinkError};

/// So much is read at once, and the runtime's thread is offered to others in between, so that a body never holds it up.
/// However small a packed body is, no more than this of it is unpacked at once.
pub(super) const PIECE: usize = 64 * 1024;

/// Past so many bytes a body is long.
const LONG: u64 = 512 * 1024;

/// So many pieces of a long body wait for the sink, so that it has the next one when it is done with one.
const WAITING: usize = 2;

/// Who takes the pieces of a body.
///
/// **Who waits for whom?** The sink of a short body works where the body is read. That of a long one works on a thread for
/// such work while more is read. It waits there for pieces until the body ends or is given up; who reads waits for it where
/// [`WAITING`] pieces do.
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

    /// Whether to hand over a piece, with which a body has come to `count` bytes, and not to wait for more. HTTP/2 and
    /// gzip bring a long body in crumbs.
    pub(super) fn is_worth_it(piece: &[u8], count: u64) -> bool {
        count <= LONG || piece.len() >= PIECE / 2
    }

    /// Hands over a piece, with which a body has come to `count` bytes; returns room for the next one.
    ///
    /// # Errors
    /// What the sink says of this piece, or of one before.
    pub(super) async fn write(self, mut piece: Vec<u8>, count: u64) -> Result<(Self, Vec<u8>), SinkError> {
        if piece.is_empty() {
            return Ok((self, piece));
        }
        match self {
            Self::Here(mut sink) if count <= LONG => {
                sink.write(&piece)?;
                piece.clear();
                Ok((Self::Here(sink), piece))
            }
            Self::Here(sink) => Box::pin(Self::beside(sink).write(piece, count)).await,
            Self::Beside { pieces, mut rooms, sink } => {
                if pieces.send(piece).await.is_err() {
                    let Err(why) = ended(sink).await else { unreachable!("it takes pieces until one is wrong") };
                    return Err(why);
                }
                let room = rooms.try_recv().unwrap_or_else(|_| Self::room());
                Ok((Self::Beside { pieces, rooms, sink }, room))
            }
        }
    }

    /// Ends the body.
    ///
    /// # Errors
    /// What the sink says of the last pieces, or of the whole.
    pub(super) async fn finish(self) -> Result<S::Output, SinkError> {
        match self {
            Self::Here(sink) => sink.finish(),
            Self::Beside { pieces, rooms: _, sink } => {
                drop(pieces);
                ended(sink).await?.finish()
            }
        }
    }

    fn beside(mut sink: S) -> Self {
        let (pieces, mut given) = channel::<Vec<u8>>(WAITING);
        let (back, rooms) = channel(WAITING + 2);
        let sink = spawn_blocking(move || {
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

/// The sink, once it takes no more.
async fn ended<S>(sink: JoinHandle<Result<S, SinkError>>) -> Result<S, SinkError> {
    match sink.await {
        Ok(outcome) => outcome,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        // The runtime is ending, and nobody waits for this any more.
        Err(_) => std::future::pending().await,
    }
}
