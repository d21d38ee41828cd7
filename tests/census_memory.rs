//! What counting a long list allocates.

#[path = "common/lists.rs"]
mod lists;
#[path = "common/stream.rs"]
mod stream;

use std::sync::Arc;

use csp_invitations_exporter::config::Metrics;
use invitations::Millis;
use invitations::census::{Census, CensusBuilder, Criteria};

use stream::Stream;

/// Folds so many rounds of `stream` in chunks as they come from a socket.
fn count_list(stream: &mut Stream, rounds: usize) -> Census {
    let criteria = Arc::new(Criteria::new(&Metrics::default()));
    let mut builder = CensusBuilder::new(criteria, Millis::from(std::time::SystemTime::now()));
    builder.write(b"[").expect("a list so far");
    for _ in 0..rounds {
        for chunk in stream.next_round().chunks(64 << 10) {
            builder.write(chunk).expect("a list so far");
        }
    }
    builder.write(b"null]").expect("a list");
    builder.finish().expect("a whole list").census()
}

#[test]
fn an_invitation_more_allocates_nothing() {
    let mut stream = Stream::of(&lists::list(300, true));
    let mut allocations = |rounds| {
        allocation_counter::measure(|| assert!(!count_list(&mut stream, rounds).sightings.is_empty())).count_total
    };
    let (few, many) = (allocations(2), allocations(20));
    // What is left is the doubling of a few buffers.
    assert!(many <= few + 40, "{few} allocations for two rounds, {many} for twenty");
}

#[test]
fn a_list_is_held_in_a_hundred_bytes_an_invitation() {
    let mut stream = Stream::of(&lists::list(300, true));
    let rounds = 60;
    let invitations = stream.invitations() * rounds;
    let used =
        allocation_counter::measure(|| assert_eq!(count_list(&mut stream, rounds).sightings.len(), invitations + 1));
    // Buffers double, so up to twice of some sixty bytes; beside them, a few elements and what repeats.
    let allowed = (2 << 20) + 128 * invitations as u64;
    assert!(used.bytes_max <= allowed, "{} bytes for {invitations} invitations, {allowed} allowed", used.bytes_max);
}
