//! The gate for text lets no control character and no long text pass, and different names stay different.

use invitations::census::text::clean;

/// A line for each text.
pub(crate) fn holds(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (first, second) = text.split_once('|').unwrap_or((text, ""));
    let cleaned = [first, second].map(clean);
    for (text, cleaned) in [first, second].into_iter().zip(&cleaned) {
        assert!(!cleaned.contains(char::is_control), "{cleaned:?}");
        assert!(cleaned.len() <= 256 + "…".len() + 8, "{} bytes", cleaned.len());
        let is_harmless = text.len() <= 256 && !text.contains(char::is_control);
        assert_eq!(text == cleaned, is_harmless, "{text:?} is {cleaned:?}");
        if text.len() <= 256 && text.chars().filter(|c| c.is_control()).count() == 0 {
            assert_eq!(clean(cleaned), *cleaned);
        }
    }
    // What is cut carries a hash of the whole.
    let is_long = |text: &str| text.replace(char::is_control, "\u{fffd}").len() > 256;
    if first != second && is_long(first) && is_long(second) {
        assert_ne!(cleaned[0], cleaned[1]);
    }
}
