//! The byte-level parts of the cursor.

use super::Stop;

/// Which containers are open around a value, one bit per level: set for an object.
#[derive(Debug, Default)]
pub(super) struct Nesting {
    levels: [u64; Self::WORDS],
    depth: usize,
}

impl Nesting {
    const WORDS: usize = 16;

    pub(super) fn push(&mut self, object: bool) -> Result<(), Stop> {
        let Some(word) = self.levels.get_mut(self.depth / 64) else { return Err(Stop::Malformed) };
        let bit = 1 << (self.depth % 64);
        if object {
            *word |= bit;
        } else {
            *word &= !bit;
        }
        self.depth += 1;
        Ok(())
    }

    pub(super) fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Whether the innermost container is an object; `None` outside of all.
    pub(super) fn top(&self) -> Option<bool> {
        let level = self.depth.checked_sub(1)?;
        Some(self.levels[level / 64] & (1 << (level % 64)) != 0)
    }
}

/// Length of the prefix without quote, backslash or control character.
///
/// Eight bytes at a time: in each byte of the word the top bit is set where
/// the byte is one of the three ("Bit Twiddling Hacks", determine if a word
/// has a zero byte / a byte less than n). A false hit can only follow a true
/// one in the same word, so the lowest hit is exact.
pub(super) fn plain_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);
    let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word;
    let mut words = bytes.chunks_exact(8);
    let mut at = 0;
    for chunk in words.by_ref() {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        let word = u64::from_le_bytes(word);
        let quotes = zero_bytes(word ^ (ONES * u64::from(b'"')));
        let backslashes = zero_bytes(word ^ (ONES * u64::from(b'\\')));
        let controls = word.wrapping_sub(ONES * 0x20) & !word;
        let hits = (quotes | backslashes | controls) & TOPS;
        if hits != 0 {
            return at + hits.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = words.remainder();
    at + rest.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20).unwrap_or(rest.len())
}

/// Appends the decoded form of a string whose escapes have been checked.
pub(super) fn unescape(raw: &str, out: &mut String) {
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let (decoded, length) = escape(&rest[at..]);
        out.push(decoded);
        rest = &rest[at + length..];
    }
    out.push_str(rest);
}

/// The character that the escape at the start of `text` stands for, and the escape's length.
fn escape(text: &str) -> (char, usize) {
    let short = match text.as_bytes()[1] {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode_escape(text),
        other => char::from(other),
    };
    (short, 2)
}

fn unicode_escape(text: &str) -> (char, usize) {
    let Some(first) = unit(text) else { return (char::REPLACEMENT_CHARACTER, 6) };
    if let Some(character) = char::from_u32(first) {
        return (character, 6);
    }
    let pair = unit(&text[6..]).and_then(|second| {
        let is_pair = (0xD800..0xDC00).contains(&first) && (0xDC00..0xE000).contains(&second);
        is_pair.then(|| 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)).and_then(char::from_u32)
    });
    pair.map_or((char::REPLACEMENT_CHARACTER, 6), |character| (character, 12))
}

/// The UTF-16 unit of the `\uXXXX` at the start of `text`.
fn unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u32::from_str_radix(digits, 16).ok()
}
