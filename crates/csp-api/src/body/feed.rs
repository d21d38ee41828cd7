//! Handing a body to its sink, piece by piece.

use std::panic::resume_unwind;

use tokio::task::{JoinHandle, spawn_blocking};

use crate::sink::{Sink, SinkError};

/// So much is read at once, and the runtime's thread is offered to others in between, so that a body never holds it up.
/// However small a packed body is, no more than this of it is unpacked at once.
pub(super) const SLICE: usize = 64 * 1024;

/// Past so many bytes a body is long.
const LONG: u64 = 1024 * 1024;

/// Of a long body a sink gets so much at once: waking a thread takes a tenth of the time of counting it.
const LONG_PIECE: usize = 4 * SLICE;

/// Who takes the pieces of a body.
///
/// **Who waits for whom?** The sink of a short body works where the body is read. That of a long one works on a thread for
/// such work while the next piece is read, and whoever reads waits for it before handing that over. A sink that nobody
/// waits for any more ends with the piece that it has.
pub(super) enum Feed<S> {
    /// Free.
    Here(S),
    /// At work on a piece.
    Beside(JoinHandle<(S, Vec<u8>, Result<(), SinkError>)>),
}

impl<S: Sink> Feed<S> {
    /// Room for the first piece.
    pub(super) fn room() -> Vec<u8> {
        Vec::with_capacity(SLICE)
    }

    /// Whether a piece may wait for more, once its body has come to `count` bytes.
    pub(super) fn has_room(piece: &Vec<u8>, count: u64) -> bool {
        count > LONG && piece.capacity() - piece.len() >= SLICE
    }

    /// Hands over a piece; returns room for the next one.
    ///
    /// # Errors
    /// What the sink says of this piece, or of the one before.
    pub(super) async fn write(self, mut piece: Vec<u8>, count: u64) -> Result<(Self, Vec<u8>), SinkError> {
        if piece.is_empty() {
            return Ok((self, piece));
        }
        let (mut sink, mut room) = self.free().await?;
        if count <= LONG {
            sink.write(&piece)?;
            piece.clear();
            return Ok((Self::Here(sink), piece));
        }
        let busy = spawn_blocking(move || {
            let outcome = sink.write(&piece);
            piece.clear();
            (sink, piece, outcome)
        });
        room.reserve_exact(LONG_PIECE);
        Ok((Self::Beside(busy), room))
    }

    /// Ends the body.
    ///
    /// # Errors
    /// What the sink says of the last piece, or of the whole.
    pub(super) async fn finish(self) -> Result<S::Output, SinkError> {
        self.free().await?.0.finish()
    }

    /// Waits for the sink; with it comes the room of the piece that it had.
    async fn free(self) -> Result<(S, Vec<u8>), SinkError> {
        match self {
            Self::Here(sink) => Ok((sink, Vec::new())),
            Self::Beside(busy) => match busy.await {
                Ok((sink, room, outcome)) => outcome.map(|()| (sink, room)),
                Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                // The runtime is ending, and nobody waits for this any more.
                Err(_) => std::future::pending().await,
            },
        }
    }
}
