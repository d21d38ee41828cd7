//! How keys and names are shown, and which known one was probably meant.

/// The longest part of a key or name that is repeated in a problem.
const SHOWN: usize = 40;

/// `key` as it may be repeated in a problem: short, on one line, and cut at the first colon or blank.
///
/// The cut matters: in `{api_token:abc}` YAML sees a single key, whose second half is a secret.
#[must_use]
pub fn shown(key: &str) -> String {
    let mut shown: String = key
        .chars()
        .take_while(|c| !c.is_control() && !c.is_whitespace() && !matches!(c, ':' | '='))
        .take(SHOWN)
        .collect();
    if shown.len() < key.len() || shown.is_empty() {
        shown.push('…');
    }
    shown
}

/// The candidate that `word` is probably a slip of, if one is near enough.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A long word can be no slip of a key, and the distance costs its length.
    if word.len() > 2 * SHOWN {
        return None;
    }
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::levenshtein(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance * 3 <= candidate.chars().count().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
