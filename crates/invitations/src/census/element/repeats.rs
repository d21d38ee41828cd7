//! Groups that were read before.
//!
//! A list carries each group once for every invitation to it, expanded the
//! same way each time, byte for byte: most of a long list is repetition. What
//! a text says depends on the text alone, so a group whose bytes equal those
//! of an earlier one is not read again, only compared.

use super::roles_and_groups::Found;
use super::{Cursor, Group, Span};

/// Bytes of groups that are remembered at the most; later ones are read each time.
const ROOM: usize = 1 << 20;
/// Places for remembered groups: a power of two, some times the groups of a large organization.
const PLACES: usize = 1024;
/// How many bytes of a group decide on its place. Shorter groups are quick to read anyway.
const START: usize = 64;

/// The groups that are remembered.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    /// The groups as they stand in the list, one behind the other.
    raw: String,
    /// What was decoded from them.
    text: String,
    roles: Vec<Span>,
    remembered: Vec<Remembered>,
    /// One more than the number in `remembered`, by place. No chain of collisions: the first at a place stays there.
    places: Vec<u16>,
}

/// One group. Spans point into the text that was decoded from this group.
#[derive(Debug, Clone, Copy)]
struct Remembered {
    raw: Span,
    text: Span,
    roles: Span,
    group: Group,
    malformed: u64,
}

/// A place in the list and in the element, before a group is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    place: usize,
    raw: usize,
    text: usize,
    roles: usize,
}

impl Repeats {
    /// Takes the next value from memory, if it is there: returns the group and how many values in it had the wrong
    /// type. Otherwise the mark to remember it by, once it was read; none when it is not to be remembered.
    pub(super) fn recall(&self, cursor: &mut Cursor<'_>, found: &mut Found<'_>) -> Result<(Group, u64), Option<Mark>> {
        let rest = cursor.rest();
        let Some(start) = rest.as_bytes().first_chunk::<START>() else { return Err(None) };
        let place = place_of(start);
        let Some((number, &Remembered { raw, text, roles, group, malformed })) = self.at(place) else {
            let mark = Mark { place, raw: cursor.position(), text: found.texts.len(), roles: found.names.len() };
            return Err((start[0] == b'{').then_some(mark));
        };
        let raw = raw.of(&self.raw);
        if !rest.as_bytes().starts_with(raw.as_bytes()) {
            return Err(None);
        }
        cursor.advance_by(raw.len());
        let base = found.texts.len();
        found.texts.push(text.of(&self.text));
        found.names.extend(self.roles[roles.range()].iter().map(|span| span.moved_behind(base)));
        Ok((Group { repeats: Some(number), ..group.map(|span| span.moved_behind(base)) }, malformed))
    }

    /// Remembers the group that was read since `mark`.
    pub(super) fn remember(
        &mut self,
        mark: Mark,
        cursor: &Cursor<'_>,
        found: &Found<'_>,
        group: Group,
        malformed: u64,
    ) {
        let raw = cursor.since(mark.raw);
        // A text that cannot be told from others by itself is read each time.
        let Some(text) = found.texts.since(mark.text).filter(|_| self.raw.len() + raw.len() <= ROOM) else { return };
        let remembered = Remembered {
            raw: appended(&mut self.raw, raw),
            text: appended(&mut self.text, text),
            roles: Span::new(self.roles.len(), self.roles.len() + found.names.len() - mark.roles),
            group: group.map(|span| span.moved_before(mark.text)),
            malformed,
        };
        self.roles.extend(found.names[mark.roles..].iter().map(|span| span.moved_before(mark.text)));
        self.remembered.push(remembered);
        self.places.resize(PLACES, 0);
        self.places[mark.place] = u16::try_from(self.remembered.len()).unwrap_or(0);
    }

    fn at(&self, place: usize) -> Option<(u16, &Remembered)> {
        let number = self.places.get(place)?.checked_sub(1)?;
        Some((number, self.remembered.get(usize::from(number))?))
    }
}

fn appended(all: &mut String, part: &str) -> Span {
    let start = all.len();
    all.push_str(part);
    Span::new(start, all.len())
}

/// A place for a group that begins like this. Ids differ within the first bytes, whichever field comes first.
fn place_of(start: &[u8; START]) -> usize {
    let (words, _) = start.as_chunks::<8>();
    let mix = |hash: u64, word: &[u8; 8]| {
        (hash.rotate_left(23) ^ u64::from_le_bytes(*word)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    };
    #[expect(clippy::cast_possible_truncation, reason = "the shift leaves as many bits as are wanted")]
    let place = (words.iter().fold(0, mix) >> (u64::BITS - PLACES.ilog2())) as usize;
    place
}
