//! Text from the service, and the one gate that it passes before anything of it is stored or shown.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write as _;

/// Longest text that stays as it is, in bytes.
const LONGEST: usize = 256;

/// A hash of a text as the service sent it; the same in every process, so that all instances show the same names.
pub(super) type Digest = [u8; 16];

pub(super) fn digest(text: &[u8]) -> Digest {
    let mut digest = Digest::default();
    digest.copy_from_slice(&blake3::hash(text).as_bytes()[..size_of::<Digest>()]);
    digest
}

/// A text of the service as a label value, a log field or a row of a page may hold it.
///
/// Control characters become U+FFFD. What is then longer than 256 bytes keeps at most so many, up to a whole
/// character, and gets `…` and eight digits of a hash of the whole: different names stay different, and none makes
/// a scrape long.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    Sent { text, surrogates: None }.clean()
}

/// A text as the service sent it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent<'t> {
    /// The text, with U+FFFD for each lone surrogate: what filters compare.
    pub(super) text: &'t str,
    /// Where there are lone surrogates: tells texts apart that differ in nothing else.
    pub(super) surrogates: Option<Digest>,
}

impl<'t> Sent<'t> {
    /// Whether it may be a text that stays as it is: quick to ask, and true of nearly all.
    pub(super) fn is_short(self) -> bool {
        self.text.len() <= LONGEST && self.surrogates.is_none()
    }

    /// Borrowed when nothing had to be changed.
    fn clean(self) -> Cow<'t, str> {
        let Self { text, surrogates } = self;
        let has_controls = text.chars().any(char::is_control);
        if self.is_short() && !has_controls {
            return Cow::Borrowed(text);
        }
        let mut clean = text.replace(char::is_control, "\u{fffd}");
        if clean.len() > LONGEST {
            let end = (0..=LONGEST).rfind(|&at| clean.is_char_boundary(at));
            clean.truncate(end.unwrap_or(0));
            let [a, b, c, d, ..] = surrogates.unwrap_or_else(|| digest(text.as_bytes()));
            // Writing into a string cannot fail.
            let _ = write!(clean, "…{a:02x}{b:02x}{c:02x}{d:02x}");
        }
        Cow::Owned(clean)
    }
}

/// The gate of one list, which remembers what it had to change.
#[derive(Debug, Default)]
pub(super) struct Gate {
    changed: HashSet<Digest>,
}

impl Gate {
    /// The text as it may be stored: borrowed when nothing had to be changed.
    pub(super) fn pass<'t>(&mut self, sent: Sent<'t>) -> Cow<'t, str> {
        let clean = sent.clean();
        if matches!(clean, Cow::Owned(_)) {
            self.changed.insert(sent.surrogates.unwrap_or_else(|| digest(sent.text.as_bytes())));
        }
        clean
    }

    /// How many distinct texts were changed.
    pub(super) fn changed(&self) -> u64 {
        self.changed.len() as u64
    }

    /// Bytes in use, roughly.
    pub(super) fn footprint(&self) -> usize {
        self.changed.capacity() * (size_of::<Digest>() + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_characters_are_replaced_and_nothing_else() {
        assert_eq!(
            clean("a\u{0}\u{1f}\n\t\u{7f}\u{80}\u{9f}b"),
            "a\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}b"
        );
        for same in ["", "Grüße 😀", "\u{fffd}", "\u{a0}\u{ad}\u{200b}\u{202e}\u{feff}", " ~"] {
            assert!(matches!(clean(same), Cow::Borrowed(text) if text == same), "{same:?}");
        }
    }

    #[test]
    fn a_long_text_is_cut_at_a_whole_character_and_told_apart_by_a_hash_of_the_whole() {
        let long = |end: &str| format!("{}{end}", "x".repeat(255));
        assert_eq!(clean(&long("y")), long("y"), "256 bytes may stay");
        let (one, two) = (long("éé"), long("éè"));
        let (one, two) = (clean(&one), clean(&two));
        let (start, hash) = one.split_once('…').expect("a cut text");
        assert_eq!(start, "x".repeat(255), "é has two bytes");
        assert!(hash.len() == 8 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{hash}");
        assert_ne!(one, two);
        // The same in every version and on every machine: series must not change their names.
        assert_eq!(
            clean(&"x".repeat(300)),
            format!("{}…{}", "x".repeat(256), &blake3::hash(&[b'x'; 300]).to_hex()[..8])
        );
        // Only after control characters have become longer.
        assert!(clean(&"\n".repeat(86)).contains('…') && !clean(&"\n".repeat(85)).contains('…'));
    }

    #[test]
    fn distinct_texts_that_are_changed_are_counted_once_each() {
        let mut gate = Gate::default();
        let surrogates = |end: &[u8]| Sent { text: "a\u{fffd}", surrogates: Some(digest(end)) };
        for text in ["a", "a\u{1}", "a\u{1}", "a\u{2}", "a\u{fffd}"] {
            gate.pass(Sent { text, surrogates: None });
        }
        assert_eq!(gate.changed(), 2);
        for sent in [surrogates(b"1"), surrogates(b"2"), surrogates(b"1")] {
            assert_eq!(gate.pass(sent), "a\u{fffd}");
        }
        assert_eq!(gate.changed(), 4);
    }

    proptest! {
        #[test]
        fn what_has_passed_has_no_control_character_and_is_short(text in "(\\PC|\\p{Cc}|é){0,400}") {
            let clean = clean(&text);
            prop_assert!(clean.len() <= 256 + '…'.len_utf8() + 8);
            prop_assert!(!clean.chars().any(char::is_control));
            prop_assert_eq!(matches!(clean, Cow::Borrowed(_)), *clean == *text);
        }
    }
}
