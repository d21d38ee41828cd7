//! Bytes, eight at a time.

/// A word of ones, one in each byte.
const ONES: u64 = u64::from_ne_bytes([0x01; 8]);

/// How many digits stand at the start, as far as they come eight at a time.
///
/// The upper half of a digit's byte is 3, and stays 3 when 6 is added.
#[inline]
pub(super) fn digits_by_eight(bytes: &[u8]) -> usize {
    const UPPER: u64 = ONES * 0xF0;
    const THREES: u64 = ONES * 0x30;
    let (words, _) = bytes.as_chunks::<8>();
    let is_digits = |word: &&[u8; 8]| {
        let word = u64::from_le_bytes(**word);
        word & UPPER == THREES && word.wrapping_add(ONES * 6) & UPPER == THREES
    };
    words.iter().take_while(is_digits).count() * 8
}
