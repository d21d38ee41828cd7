//! Encoded samples, cut by family.

use std::ops::Range;

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::MetricFamily;

use super::exposition::{self, Encoding};
use super::families;

/// The samples of one source in one format.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    bytes: Vec<u8>,
    /// By the family's position in the table; families without samples may be left out at the end.
    ranges: Vec<Range<usize>>,
}

impl Blocks {
    /// Encodes the samples of these families; one that is not in the table is left out.
    pub(super) fn encode(encoding: Encoding, families: &[MetricFamily]) -> Self {
        let mut blocks = Self { bytes: Vec::new(), ranges: vec![0..0; families::FAMILIES.len()] };
        for family in families {
            let Some(range) = families::position(&family.name).and_then(|position| blocks.ranges.get_mut(position))
            else {
                debug_assert!(false, "{} is not in the table", family.name);
                continue;
            };
            let start = blocks.bytes.len();
            exposition::encode_samples(encoding, family, &mut blocks.bytes);
            *range = start..blocks.bytes.len();
        }
        blocks
    }

    /// The samples of the family at this position.
    pub(super) fn of(&self, position: usize) -> &[u8] {
        self.ranges.get(position).and_then(|range| self.bytes.get(range.clone())).unwrap_or_default()
    }

    /// All samples, in bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}
