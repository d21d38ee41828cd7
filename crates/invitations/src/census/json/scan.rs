//! Strings, byte by byte.

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
