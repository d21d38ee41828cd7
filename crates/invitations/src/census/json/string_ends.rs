//! Where strings may end, found for a whole text at once.

use wide::u8x16;

/// Bytes that one word of bits stands for.
const BLOCK: usize = 64;

/// One bit for each byte of a text: set for quotes, backslashes and control characters.
///
/// Finding them in a pass of its own takes no decision per string, and vector
/// instructions do most of it; the end of a string is then a shift and a count
/// of zeros away. The buffer is there to be used again for the next text.
///
/// Comparing blocks of bytes in plain Rust took 1.7 to 2.2 times as long: the compiler makes no bit mask of that. Vectors
/// wider than every processor has would need `unsafe`, for half of the 6 % that this takes.
#[derive(Debug, Default)]
pub(crate) struct StringEnds {
    words: Vec<u64>,
    length: usize,
}

impl StringEnds {
    /// Finds the ends in this text instead of the former one.
    pub(crate) fn find(&mut self, text: &str) {
        let Self { words, length } = self;
        *length = text.len();
        let (blocks, rest) = text.as_bytes().as_chunks::<BLOCK>();
        words.clear();
        words.extend(blocks.iter().map(specials));
        let mut last = [b' '; BLOCK];
        last[..rest.len()].copy_from_slice(rest);
        // One word more, so that each place has a word behind its own.
        words.extend([specials(&last), 0]);
    }

    /// The first place with a mark at or behind `at`; the length of the text when there is none.
    #[inline]
    pub(super) fn next(&self, at: usize) -> usize {
        let (block, bit) = (at / BLOCK, at % BLOCK);
        let Some(&[here, behind]) = self.words.get(block..).and_then(<[u64]>::first_chunk) else { return self.length };
        // The ends of the 64 bytes from `at` on: most strings end in them, wherever they begin.
        let ends = here >> bit | behind << 1 << (BLOCK - 1 - bit);
        if ends == 0 { self.next_far(block + 1) } else { at + ends.trailing_zeros() as usize }
    }

    /// The first place with a mark in this block or a later one.
    #[inline(never)]
    fn next_far(&self, block: usize) -> usize {
        let words = self.words.get(block..).unwrap_or_default();
        let place = |at: usize| (block + at) * BLOCK + words[at].trailing_zeros() as usize;
        words.iter().position(|word| *word != 0).map_or(self.length, place)
    }
}

/// The ends of one block.
///
/// Flipping bit 1 puts the quote (0x22) at 0x20, right behind the control
/// characters, and moves nothing else across that line, so one comparison
/// finds both.
#[inline]
fn specials(block: &[u8; BLOCK]) -> u64 {
    let (quarters, _) = block.as_chunks::<16>();
    quarters.iter().rev().fold(0, |word, quarter| {
        let bytes = u8x16::new(*quarter);
        let flipped = bytes ^ u8x16::splat(0x02);
        let quotes_and_controls = flipped.min(u8x16::splat(0x20)).simd_eq(flipped);
        let backslashes = bytes.simd_eq(u8x16::splat(b'\\'));
        word << 16 | u64::from((quotes_and_controls | backslashes).to_bitmask())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_special(byte: u8) -> bool {
        byte == b'"' || byte == b'\\' || byte < 0x20
    }

    fn assert_marked(ends: &StringEnds, text: &str) {
        for at in 0..=text.len() {
            let next = text.bytes().skip(at).position(is_special).map_or(text.len(), |distance| at + distance);
            assert_eq!(ends.next(at), next, "from {at} in {text:?}");
        }
    }

    #[test]
    fn quotes_backslashes_and_control_characters_are_marked_and_nothing_else() {
        let mut ends = StringEnds::default();
        for byte in 0..0x80_u8 {
            let text = format!("x{}é", char::from(byte));
            ends.find(&text);
            assert_eq!(ends.next(0), if is_special(byte) { 1 } else { text.len() }, "{byte:#x}");
        }
        ends.find("\u{80}\u{a2}\u{dc}\u{2022}\u{ffff}\u{10ffff}");
        assert_eq!(ends.next(0), 16);
    }

    #[test]
    fn a_mark_is_found_from_any_place_before_it_however_far() {
        let mut ends = StringEnds::default();
        for length in [0, 1, 63, 64, 65, 127, 128, 129, 191, 192, 193, 300] {
            for special in (0..length).step_by(7).chain([62, 63, 64, 65, 126, 127, 128]).filter(|at| *at < length) {
                let mut text = " ".repeat(length);
                text.replace_range(special..=special, "\"");
                ends.find(&text);
                assert_marked(&ends, &text);
            }
        }
        // A shorter text after a longer one: nothing of the former is left.
        ends.find("no mark");
        assert_marked(&ends, "no mark");
    }

    proptest! {
        #[test]
        fn marks_are_what_a_look_at_each_byte_finds(text in r#"([ -~é€😀]{0,80}["\\\n\x00-\x1f]{0,3}){0,6}"#) {
            let mut ends = StringEnds::default();
            ends.find(&text);
            assert_marked(&ends, &text);
        }
    }
}
