//! Answers that are made or on their way: how many at once, and how much memory they hold together.
//!
//! A body is in memory until its last byte was written, and a peer decides when that is. So a peer that is slow
//! keeps its place only while nobody else needs it: past [`Deliveries::patience`] it makes room for a new request. And
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
pub(super) struct Deliveries {
    /// What is answered, in the plural.
    what: &'static str,
    places: usize,
    patience: Duration,
    under_way: Mutex<UnderWay>,
}

#[derive(Debug, Default)]
struct UnderWay {
    next: u64,
    /// In the order in which they were admitted.
    deliveries: BTreeMap<u64, Delivery>,
    /// How many deliveries hold each piece: bodies of one snapshot share theirs.
    pieces: HashMap<Piece, usize>,
    /// The length of all pieces.
    bytes: usize,
}

/// Where a piece of a body is in memory, or what it is made from and which part of that it is; and its length.
type Piece = (usize, usize, usize);

#[derive(Debug)]
struct Delivery {
    connection: Connection,
    /// Since when the body is there to be taken.
    ready: Option<Instant>,
    pieces: Vec<Piece>,
}

/// The right to make an answer and to have it delivered; ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub(super) struct Ticket(Arc<Place>);

#[derive(Debug)]
struct Place {
    deliveries: Arc<Deliveries>,
    number: u64,
}

impl Deliveries {
    /// At most `places` at once, 0 is no limit; who takes longer than `patience` makes room.
    pub(super) fn new(what: &'static str, places: usize, patience: Duration) -> Arc<Self> {
        let places = if places == 0 { usize::MAX } else { places };
        Arc::new(Self { what, places, patience, under_way: Mutex::default() })
    }

    /// A place, if need be that of the answer that has been taken for longest.
    ///
    /// # Errors
    /// All places are needed: what to tell the peer.
    pub(super) fn admit(self: &Arc<Self>, connection: Connection) -> Result<Ticket, String> {
        let mut under_way = self.under_way.lock();
        if under_way.deliveries.len() >= self.places {
            let is_slow = |ready: Instant| ready.elapsed() >= self.patience;
            let Some((slowest, _)) = under_way.ready().find(|(_, ready)| is_slow(*ready)) else {
                let Self { what, places, .. } = &**self;
                return Err(format!("limit of {places} {what} at once reached; try again later"));
            };
            under_way.cut(slowest);
        }
        let number = under_way.next;
        under_way.next += 1;
        under_way.deliveries.insert(number, Delivery { connection, ready: None, pieces: Vec::new() });
        Ok(Ticket(Arc::new(Place { deliveries: Arc::clone(self), number })))
    }
}

impl Ticket {
    /// The body is there: from now on it is the peer who takes the time.
    pub(super) fn ready(&self, body: &Body) {
        let Place { deliveries, number } = &*self.0;
        let mut under_way = deliveries.under_way.lock();
        let pieces: Vec<Piece> = body.parts().iter().filter(|part| part.length() > 0).map(piece).collect();
        under_way.hold(&pieces);
        if let Some(delivery) = under_way.deliveries.get_mut(number) {
            delivery.ready = Some(Instant::now());
            delivery.pieces = pieces;
        }
        while under_way.bytes > under_way.allowance() {
            let oldest = under_way.ready().map(|(number, _)| number).find(|other| other != number);
            let Some(oldest) = oldest else { return };
            under_way.cut(oldest);
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

impl Drop for Place {
    fn drop(&mut self) {
        self.deliveries.under_way.lock().end(self.number);
    }
}

impl UnderWay {
    /// Who is being delivered, and since when.
    fn ready(&self) -> impl Iterator<Item = (u64, Instant)> {
        self.deliveries.iter().filter_map(|(number, delivery)| Some((*number, delivery.ready?)))
    }

    fn allowance(&self) -> usize {
        let lengths = self.deliveries.values().map(|delivery| delivery.pieces.iter().map(|(.., length)| length).sum());
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
        if let Some(delivery) = self.end(number) {
            tracing::debug!(peer = %delivery.connection.peer, "an answer that was taken slowly made room for another");
            delivery.connection.close();
        }
    }

    fn end(&mut self, number: u64) -> Option<Delivery> {
        let delivery = self.deliveries.remove(&number)?;
        for piece in &delivery.pieces {
            let Some(holders) = self.pieces.get_mut(piece) else { continue };
            *holders -= 1;
            if *holders == 0 {
                self.pieces.remove(piece);
                self.bytes -= piece.2;
            }
        }
        Some(delivery)
    }
}
