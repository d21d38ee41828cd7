//! An answer on its way to the peer, in portions whose taking is watched.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::{Buf, Bytes};
use http::Extensions;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::Protocol;
use super::connection_state::Running;

/// A body that is handed over in portions.
///
/// Its request is under way until the last portion was written, not merely handed over: a peer that does not read
/// would otherwise seem idle while a part of its answer waits in memory.
pub(super) struct Answered {
    body: Body,
    /// What the body gave and no portion holds yet.
    rest: Bytes,
    portion: usize,
    under_way: Arc<UnderWay>,
}

/// What ends with the last portion.
struct UnderWay {
    running: Running,
    /// What the page wants to hold for as long as its answer is in memory.
    _held: Extensions,
}

impl Answered {
    pub(super) fn new(body: Body, protocol: Protocol, running: Running, held: Extensions) -> Self {
        let portion = match protocol {
            // The more at once, the fewer calls of the system; past this it makes no difference any more.
            Protocol::Http1 => 1024 * 1024,
            // The largest frame that every peer takes.
            Protocol::Http2 => 16 * 1024,
        };
        if protocol == Protocol::Http2 {
            running.offer();
        }
        Self { body, rest: Bytes::new(), portion, under_way: Arc::new(UnderWay { running, _held: held }) }
    }
}

impl HttpBody for Answered {
    type Data = Portion;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let Self { body, rest, portion, under_way } = self.get_mut();
        let (mut pieces, mut length) = (VecDeque::new(), 0);
        while length < *portion {
            if rest.is_empty() {
                match Pin::new(&mut *body).poll_frame(cx) {
                    // No page has trailers.
                    Poll::Ready(Some(Ok(frame))) => *rest = frame.into_data().unwrap_or_default(),
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                    Poll::Ready(None) if length == 0 => return Poll::Ready(None),
                    Poll::Pending if length == 0 => return Poll::Pending,
                    Poll::Ready(None) | Poll::Pending => break,
                }
                continue;
            }
            let piece = rest.split_to(rest.len().min(*portion - length));
            length += piece.len();
            pieces.push_back(piece);
        }
        Poll::Ready(Some(Ok(Frame::data(Portion { pieces, length, under_way: Arc::clone(under_way) }))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // Asked before the first portion, when nothing is in `rest`.
        self.body.size_hint()
    }
}

/// A part of an answer: pieces that are written together without being copied together.
pub(super) struct Portion {
    pieces: VecDeque<Bytes>,
    length: usize,
    under_way: Arc<UnderWay>,
}

impl Buf for Portion {
    fn remaining(&self) -> usize {
        self.length
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&[], Bytes::as_ref)
    }

    fn chunks_vectored<'a>(&'a self, destination: &mut [IoSlice<'a>]) -> usize {
        let places = destination.iter_mut().zip(&self.pieces);
        places.map(|(place, piece)| *place = IoSlice::new(piece)).count()
    }

    fn advance(&mut self, mut count: usize) {
        self.length -= count;
        self.under_way.running.taken();
        while let Some(first) = self.pieces.front_mut() {
            if count < first.len() {
                first.advance(count);
                return;
            }
            count -= first.len();
            self.pieces.pop_front();
        }
    }
}
