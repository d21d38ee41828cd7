//! Each distinct value once, known by a small number.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

/// A set of texts, numbered in the order of their first occurrence.
///
/// All texts stand in one buffer: a hostile list of a million distinct names
/// costs their length and a few words each, not an allocation each.
#[derive(Debug)]
pub(super) struct Interner {
    text: String,
    ends: Vec<usize>,
    table: HashTable<u32>,
    hasher: RandomState,
    /// The number last found for each [`glance`]. Most lists repeat few values: those are found here, by one
    /// comparison; the others are found by a hash whose collisions nobody can foresee.
    recent: Vec<u32>,
}

/// How many values are found at a glance: a power of two.
const RECENT: usize = 128;

impl Default for Interner {
    fn default() -> Self {
        Self {
            text: String::new(),
            ends: Vec::new(),
            table: HashTable::new(),
            hasher: RandomState::new(),
            recent: vec![u32::MAX; RECENT],
        }
    }
}

impl Interner {
    /// The number of `value`; a new one if it was never seen.
    pub(super) fn intern(&mut self, value: &str) -> u32 {
        let Self { text, ends, table, hasher, recent } = self;
        let recent = &mut recent[glance(value.as_bytes())];
        if (*recent as usize) < ends.len() && slice(text, ends, *recent) == value {
            return *recent;
        }
        let hash = hasher.hash_one(value);
        if let Some(&id) = table.find(hash, |&id| slice(text, ends, id) == value) {
            *recent = id;
            return id;
        }
        let id = u32::try_from(ends.len()).unwrap_or(u32::MAX);
        text.push_str(value);
        ends.push(text.len());
        table.insert_unique(hash, id, |&id| hasher.hash_one(slice(text, ends, id)));
        *recent = id;
        id
    }

    /// The text behind a number that [`Self::intern`] gave out.
    pub(super) fn get(&self, id: u32) -> &str {
        slice(&self.text, &self.ends, id)
    }

    /// How many distinct texts there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes in use, roughly.
    pub(super) fn footprint(&self) -> usize {
        self.text.len() + self.ends.len() * (size_of::<usize>() + 2 * size_of::<u32>())
    }
}

/// A place among [`RECENT`], from the length and both ends of a value.
fn glance(value: &[u8]) -> usize {
    let start = value.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let end = match value.last_chunk() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => value.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    };
    let mixed = (start ^ end.rotate_left(29) ^ value.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    #[expect(clippy::cast_possible_truncation, reason = "the shift leaves as many bits as are wanted")]
    let place = (mixed >> (u64::BITS - RECENT.ilog2())) as usize;
    place
}

fn slice<'t>(text: &'t str, ends: &[usize], id: u32) -> &'t str {
    let id = id as usize;
    let start = id.checked_sub(1).map_or(0, |before| ends[before]);
    &text[start..ends[id]]
}

#[cfg(test)]
mod tests {
    use super::Interner;

    #[test]
    fn equal_texts_have_one_number_and_different_texts_have_different_ones() {
        let mut interner = Interner::default();
        let values = ["a", "", "b", "ab", "a", "b", "", "ab"];
        let ids: Vec<u32> = values.iter().map(|value| interner.intern(value)).collect();
        assert_eq!(ids, [0, 1, 2, 3, 0, 2, 1, 3]);
        for (value, id) in values.iter().zip(ids) {
            assert_eq!(interner.get(id), *value);
        }
        assert_eq!(interner.len(), 4);
    }
}
