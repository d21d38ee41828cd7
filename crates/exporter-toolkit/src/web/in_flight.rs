//! Answers that are made or on their way: how many at once, and how much memory they hold together.
//!
//! A body is in memory until its last byte was written, and a peer decides when that is. So a peer that is slow
//! keeps its permit only while nobody else needs it: past [`InFlight::patience`] it makes room for a new request. And
//! a peer that reads an outdated body keeps that body alive beside the newest one: when such bodies become too much,
//! the oldest is given up, whoever still reads it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::server::Connection;
use crate::exposition::{Body, Part};

/// Bodies that all answers together may hold, each as large as the largest of them.
const BODIES: usize = 4;
/// What all answers together may hold in any case, in bytes: nobody is cut to save less.
const FLOOR: usize = 4 * 1024 * 1024;

/// The answers of one kind of page.
#[derive(Debug)]
pub(super) struct InFlight {
    /// What is answered, in the plural.
    what: &'static str,
    limit: usize,
    patience: Duration,
    answers: Mutex<Answers>,
}

#[derive(Debug, Default)]
struct Answers {
    next: u64,
    /// In the order in which they were admitted.
    by_number: BTreeMap<u64, Answer>,
    /// How many answers hold each piece: bodies of one snapshot share theirs.
    pieces: HashMap<Piece, usize>,
    /// The length of all pieces.
    bytes: usize,
}

/// Where a piece of a body is in memory, or what it is made from and which part of that it is; and its length.
type Piece = (usize, usize, usize);

#[derive(Debug)]
struct Answer {
    connection: Connection,
    /// Since when the body is there to be taken.
    ready: Option<Instant>,
    pieces: Vec<Piece>,
}

/// The right to make an answer and to have it delivered; ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub(super) struct Permit(Arc<Held>);

#[derive(Debug)]
struct Held {
    in_flight: Arc<InFlight>,
    number: u64,
}

impl InFlight {
    /// At most `limit` at once, 0 is no limit; who takes longer than `patience` makes room.
    pub(super) fn new(what: &'static str, limit: usize, patience: Duration) -> Arc<Self> {
        let limit = if limit == 0 { usize::MAX } else { limit };
        Arc::new(Self { what, limit, patience, answers: Mutex::default() })
    }

    /// A permit, if need be that of the answer that has been taken for longest.
    ///
    /// # Errors
    /// All permits are needed: what to tell the peer.
    pub(super) fn admit(self: &Arc<Self>, connection: Connection) -> Result<Permit, String> {
        let mut answers = self.answers.lock();
        if answers.by_number.len() >= self.limit {
            let is_slow = |ready: Instant| ready.elapsed() >= self.patience;
            let Some((slowest, _)) = answers.ready().find(|(_, ready)| is_slow(*ready)) else {
                let Self { what, limit, .. } = &**self;
                return Err(format!("limit of {limit} {what} at once reached; try again later"));
            };
            answers.cut(slowest);
        }
        let number = answers.next;
        answers.next += 1;
        answers.by_number.insert(number, Answer { connection, ready: None, pieces: Vec::new() });
        Ok(Permit(Arc::new(Held { in_flight: Arc::clone(self), number })))
    }
}

impl Permit {
    /// The body is there: from now on it is the peer who takes the time.
    pub(super) fn ready(&self, body: &Body) {
        let Held { in_flight, number } = &*self.0;
        let mut answers = in_flight.answers.lock();
        let pieces: Vec<Piece> = body.parts().iter().filter(|part| part.length() > 0).map(piece).collect();
        answers.hold(&pieces);
        if let Some(answer) = answers.by_number.get_mut(number) {
            answer.ready = Some(Instant::now());
            answer.pieces = pieces;
        }
        while answers.bytes > answers.allowance() {
            let oldest = answers.ready().map(|(number, _)| number).find(|other| other != number);
            let Some(oldest) = oldest else { return };
            answers.cut(oldest);
        }
    }
}

fn piece(part: &Part) -> Piece {
    match part {
        Part::Made(bytes) => (bytes.as_ptr().addr(), 0, bytes.len()),
        // It is not in memory, but what it is made from is.
        Part::Unmade { maker, index, length } => (Arc::as_ptr(maker).addr(), *index, *length),
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.in_flight.answers.lock().end(self.number);
    }
}

impl Answers {
    /// Who is being delivered, and since when.
    fn ready(&self) -> impl Iterator<Item = (u64, Instant)> {
        self.by_number.iter().filter_map(|(number, answer)| Some((*number, answer.ready?)))
    }

    fn allowance(&self) -> usize {
        let lengths = self.by_number.values().map(|answer| answer.pieces.iter().map(|(.., length)| length).sum());
        lengths.max().map_or(0, |largest: usize| largest.saturating_mul(BODIES)).max(FLOOR)
    }

    fn hold(&mut self, pieces: &[Piece]) {
        for piece in pieces {
            let holders = self.pieces.entry(*piece).or_default();
            if *holders == 0 {
                self.bytes += piece.2;
            }
            *holders += 1;
        }
    }

    /// Its connection is closed; the memory counts as free from now on, although its task takes a moment to end.
    fn cut(&mut self, number: u64) {
        if let Some(answer) = self.end(number) {
            tracing::debug!(peer = %answer.connection.peer, "an answer that was taken slowly made room for another");
            answer.connection.close();
        }
    }

    fn end(&mut self, number: u64) -> Option<Answer> {
        let answer = self.by_number.remove(&number)?;
        for piece in &answer.pieces {
            let Some(holders) = self.pieces.get_mut(piece) else { continue };
            *holders -= 1;
            if *holders == 0 {
                self.pieces.remove(piece);
                self.bytes -= piece.2;
            }
        }
        Some(answer)
    }
}
