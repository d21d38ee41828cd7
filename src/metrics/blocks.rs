//! Encoded samples, cut by family.

use std::hash::BuildHasher;
use std::sync::LazyLock;

use exporter_toolkit::exposition::{self, Encoding};
use hashbrown::DefaultHashBuilder;
use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::MetricFamily;

use super::families::{self, FAMILIES};
use super::family::Family;

/// What bytes are, in short: others have the same digest once in 2⁶⁴ times. Good within this process.
pub(super) type Digest = u64;

/// The digest of these bytes.
pub(super) fn digest(bytes: &[u8]) -> Digest {
    static KEY: LazyLock<DefaultHashBuilder> = LazyLock::new(DefaultHashBuilder::default);
    KEY.hash_one(bytes)
}

/// The samples of one source in one format.
#[derive(Debug)]
pub(super) struct Blocks {
    bytes: Box<[u8]>,
    /// Where the samples of each family end, by the family's position in the table, and what they are.
    blocks: Box<[(usize, Digest)]>,
}

/// The samples of one family and one source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'b> {
    pub(super) bytes: &'b [u8],
    pub(super) digest: Digest,
}

impl Blocks {
    /// Encodes the samples of these families; one that is not in the table is left out.
    pub(super) fn encode(encoding: Encoding, families: &[MetricFamily]) -> Self {
        let mut by_position = vec![None; families::FAMILIES.len()];
        for family in families {
            match families::position(&family.name).and_then(|position| by_position.get_mut(position)) {
                Some(place) => *place = Some(family),
                None => debug_assert!(false, "{} is not in the table", family.name),
            }
        }
        let mut by_position = by_position.into_iter();
        Self::write(|_, out| {
            if let Some(family) = by_position.next().flatten() {
                exposition::encode_samples(encoding, family, out);
            }
        })
    }

    /// What `each` writes for each family of the table, in its order.
    pub(super) fn write(mut each: impl FnMut(&Family, &mut Vec<u8>)) -> Self {
        let mut bytes = Vec::new();
        let block = |family: &&'static Family| {
            let start = bytes.len();
            each(family, &mut bytes);
            (bytes.len(), digest(&bytes[start..]))
        };
        let blocks = FAMILIES.iter().map(block).collect();
        Self { bytes: bytes.into(), blocks }
    }

    /// All samples, in bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The samples of the family at this position.
    pub(super) fn of(&self, position: usize) -> Option<Block<'_>> {
        let (end, digest) = self.blocks.get(position)?;
        let start = position.checked_sub(1).and_then(|before| self.blocks.get(before)).map_or(0, |(end, _)| *end);
        let bytes = self.bytes.get(start..*end)?;
        (!bytes.is_empty()).then_some(Block { bytes, digest: *digest })
    }
}
