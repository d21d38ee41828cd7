//! Each distinct value once, known by a small number.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::text::Sent;

/// A set of texts that have passed the gate, numbered in the order of their first occurrence.
///
/// All texts stand in one buffer: a hostile list of a million distinct names
/// costs their length and a few words each, not an allocation each.
#[derive(Debug)]
pub(super) struct Interner {
    text: String,
    entries: Vec<Entry>,
    table: HashTable<u32>,
    hasher: RandomState,
    /// The number last found for each [`glance`]. Most lists repeat few values: those are found here, by one
    /// comparison; the others are found by a hash whose collisions nobody can foresee.
    recent: Vec<u32>,
}

/// One text.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Where it ends in the buffer.
    end: usize,
    /// Whether the service sent it like this, too: others were changed by the gate.
    is_plain: bool,
    /// Whether the filter lets what the service sent pass. A text of either kind has an entry of its own.
    is_allowed: bool,
}

/// How many values are found at a glance: a power of two.
const RECENT: usize = 128;

impl Default for Interner {
    fn default() -> Self {
        Self {
            text: String::new(),
            entries: Vec::new(),
            table: HashTable::new(),
            hasher: RandomState::new(),
            recent: vec![u32::MAX; RECENT],
        }
    }
}

impl Interner {
    /// The number of what the service sent, if it was seen before and needed no change.
    pub(super) fn find(&mut self, sent: Sent<'_>) -> Option<u32> {
        let Self { text, entries, table, hasher, recent } = self;
        if !sent.is_short() {
            return None;
        }
        let recent = &mut recent[glance(sent.text.as_bytes())];
        if (*recent as usize) < entries.len() && slice(text, entries, *recent) == sent.text {
            return Some(*recent);
        }
        let is_it = |&id: &u32| entries[id as usize].is_plain && slice(text, entries, id) == sent.text;
        let id = *table.find(hasher.hash_one(sent.text), is_it)?;
        *recent = id;
        Some(id)
    }

    /// The number of a text that [`Self::find`] did not find; a new one if it is new. `clean` is what the gate made
    /// of it, `is_plain` whether it left it as it was: texts that become the same are one.
    pub(super) fn add(&mut self, clean: &str, is_plain: bool, is_allowed: bool) -> u32 {
        let Self { text, entries, table, hasher, .. } = self;
        let hash = hasher.hash_one(clean);
        let is_it = |&id: &u32| entries[id as usize].is_allowed == is_allowed && slice(text, entries, id) == clean;
        if let Some(&id) = table.find(hash, is_it) {
            entries[id as usize].is_plain |= is_plain;
            return id;
        }
        let id = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        text.push_str(clean);
        entries.push(Entry { end: text.len(), is_plain, is_allowed });
        table.insert_unique(hash, id, |&id| hasher.hash_one(slice(text, entries, id)));
        id
    }

    /// The text behind a number.
    pub(super) fn get(&self, id: u32) -> &str {
        slice(&self.text, &self.entries, id)
    }

    /// Whether the text behind a number passes the filter.
    pub(super) fn is_allowed(&self, id: u32) -> bool {
        self.entries[id as usize].is_allowed
    }

    /// How many distinct texts there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes in use, roughly.
    pub(super) fn footprint(&self) -> usize {
        self.text.len() + self.entries.len() * (size_of::<Entry>() + 2 * size_of::<u32>())
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

fn slice<'t>(text: &'t str, entries: &[Entry], id: u32) -> &'t str {
    let id = id as usize;
    let start = id.checked_sub(1).map_or(0, |before| entries[before].end);
    &text[start..entries[id].end]
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::super::text::Gate;
    use super::*;

    fn intern(interner: &mut Interner, text: &str, is_allowed: bool) -> u32 {
        let sent = Sent { text, surrogates: None };
        let clean = Gate::default().pass(sent);
        let is_plain = matches!(clean, Cow::Borrowed(_));
        interner.find(sent).unwrap_or_else(|| interner.add(&clean, is_plain, is_allowed))
    }

    #[test]
    fn equal_texts_have_one_number_and_different_texts_have_different_ones() {
        let mut interner = Interner::default();
        let values = ["a", "", "b", "ab", "a", "b", "", "ab"];
        let ids: Vec<u32> = values.iter().map(|value| intern(&mut interner, value, true)).collect();
        assert_eq!(ids, [0, 1, 2, 3, 0, 2, 1, 3]);
        for (value, id) in values.iter().zip(ids) {
            assert_eq!(interner.get(id), *value);
        }
        assert_eq!(interner.len(), 4);
    }

    #[test]
    fn texts_that_become_the_same_have_one_number_unless_only_one_passes_the_filter() {
        let mut interner = Interner::default();
        let values = [("a\u{1}", true), ("a\u{2}", false), ("a\u{fffd}", false), ("a\u{3}", true), ("a\u{2}", false)];
        let ids: Vec<u32> = values.iter().map(|(value, allowed)| intern(&mut interner, value, *allowed)).collect();
        assert_eq!(ids, [0, 1, 1, 0, 1]);
        assert_eq!((interner.get(0), interner.get(1)), ("a\u{fffd}", "a\u{fffd}"));
        assert_eq!((interner.is_allowed(0), interner.is_allowed(1)), (true, false));
        // Found at once from now on, and it is the one that does not pass.
        assert_eq!(interner.find(Sent { text: "a\u{fffd}", surrogates: None }), Some(1));
    }
}
