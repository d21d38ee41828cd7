//! How an exposition is put together: family by family, each with the samples of all sources.

use std::collections::HashMap;
use std::sync::Arc;

use exporter_toolkit::exposition::{self, Compressor, Encoding, Member, Piece};

use super::blocks::{Block, Blocks, Digest, digest};
use super::families::FAMILIES;
use super::family::Family;

/// Bytes that are compressed in one go, as long as no single source has more of one family. Twice what deflate looks
/// back over: smaller ones would compress worse, larger ones more often.
const CHUNK: usize = 64 * 1024;

/// Room for the preambles of all families, in bytes.
const PREAMBLES: usize = 16 * 1024;

/// The samples of these sources in one format, in the order of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout<'b> {
    pub(super) encoding: Encoding,
    pub(super) sources: &'b [&'b Blocks],
}

impl<'b> Layout<'b> {
    /// Gives each family that has samples to `each`, as its preamble and the blocks that follow.
    fn families(self, wanted: impl Fn(&Family) -> bool, mut each: impl FnMut(&[Block<'_>])) {
        let mut parts: Vec<Block<'b>> = Vec::new();
        for (position, family) in FAMILIES.iter().enumerate().filter(|(_, family)| wanted(family)) {
            parts.clear();
            parts.extend(self.sources.iter().filter_map(|blocks| blocks.of(position)));
            let length = parts.iter().map(|block| block.bytes.len()).sum();
            if length == 0 {
                continue;
            }
            let preamble = exposition::preamble(self.encoding, &family.header(), length);
            let first = [Block { bytes: &preamble, digest: digest(&preamble) }];
            let all: Vec<Block<'_>> = first.into_iter().chain(parts.iter().copied()).collect();
            each(&all);
        }
    }

    /// The wanted families as they are.
    pub(super) fn plain(self, wanted: impl Fn(&Family) -> bool) -> Vec<u8> {
        let length: usize = self.sources.iter().map(|blocks| blocks.len()).sum();
        let mut out = Vec::with_capacity(length + PREAMBLES);
        self.families(wanted, |parts| parts.iter().for_each(|part| out.extend_from_slice(part.bytes)));
        out
    }
}

/// What was compressed for the newest exposition of one format: most of the next one is the same.
#[derive(Debug, Default)]
pub(super) struct Chunks(HashMap<Digest, Arc<Piece>>);

impl Chunks {
    /// Compresses all families, as far as they were not in the last exposition.
    ///
    /// A chunk is a run of samples of one family: where chunks begin and end depends on nothing before the family,
    /// so that one sample more or less does not make the rest of the exposition new.
    pub(super) fn compress(&mut self, layout: Layout<'_>) -> Member {
        let Self(chunks) = self;
        let known = std::mem::take(chunks);
        let mut compressor = None;
        let mut pieces = Vec::new();
        layout.families(
            |_| true,
            |parts| {
                for chunk in runs(parts) {
                    let key = key(chunk);
                    let piece = known.get(&key).map_or_else(
                        || {
                            let compressor = compressor.get_or_insert_with(Compressor::default);
                            Arc::new(compressor.piece(chunk.iter().map(|part| part.bytes)))
                        },
                        Arc::clone,
                    );
                    chunks.insert(key, Arc::clone(&piece));
                    pieces.push(piece);
                }
            },
        );
        Member::begin(pieces.iter().map(Arc::as_ref))
    }
}

fn key(chunk: &[Block<'_>]) -> Digest {
    let digests: Vec<u8> = chunk.iter().flat_map(|part| part.digest.to_ne_bytes()).collect();
    digest(&digests)
}

/// Cuts parts into runs of [`CHUNK`] bytes and a little more.
fn runs<'p, 'b>(mut parts: &'p [Block<'b>]) -> impl Iterator<Item = &'p [Block<'b>]> {
    std::iter::from_fn(move || {
        let mut length = 0;
        let belongs = |part: &&Block<'b>| {
            let is_short = length < CHUNK;
            length += part.bytes.len();
            is_short
        };
        let count = parts.iter().take_while(belongs).count();
        let (run, rest) = parts.split_at(count);
        parts = rest;
        (!run.is_empty()).then_some(run)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_hold_every_part_once_in_order_and_end_past_the_size() {
        let lengths = [0, 10, CHUNK, 1, CHUNK - 1, 1, 3 * CHUNK, 5, 5];
        let bytes = vec![0; 3 * CHUNK];
        let parts: Vec<_> = lengths.iter().map(|length| Block { bytes: &bytes[..*length], digest: 0 }).collect();
        let runs: Vec<Vec<usize>> = runs(&parts).map(|run| run.iter().map(|part| part.bytes.len()).collect()).collect();
        assert_eq!(runs, [vec![0, 10, CHUNK], vec![1, CHUNK - 1], vec![1, 3 * CHUNK], vec![5, 5]]);
    }
}
