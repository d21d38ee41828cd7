use proptest::prelude::*;

use super::*;

fn ends(text: &str) -> StringEnds {
    let mut ends = StringEnds::default();
    ends.find(text);
    ends
}

fn whole(text: &str) -> Result<usize, Stop> {
    let ends = ends(text);
    let mut cursor = Cursor::new(text, &ends);
    cursor.skip()?;
    Ok(cursor.position())
}

/// What `serde_json` thinks of `text` with one closing blank (so that a number at the end has an end).
fn accepted_by_serde(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

fn accepted_here(text: &str) -> bool {
    let padded = format!("{text} ");
    let ends = ends(&padded);
    let mut cursor = Cursor::new(&padded, &ends);
    cursor.skip().is_ok() && cursor.peek() == Err(Stop::Incomplete)
}

fn decoded(text: &str) -> String {
    let mut texts = Texts::default();
    let ends = ends(text);
    let mut cursor = Cursor::new(text, &ends);
    let Ok(Lenient::Set(span)) = cursor.string(&mut texts) else { panic!("{text}") };
    texts.get(span).to_owned()
}

#[test]
fn every_proper_prefix_of_a_value_is_incomplete() {
    let text = r#"{"a":[1,-2.5e+3,true,false,null,"x\"\\\u00e9\ud83d\ude00",{}],"b":{"c":[]}}"#;
    for end in 0..text.len() {
        assert_eq!(whole(&text[..end]), Err(Stop::Incomplete), "{}", &text[..end]);
    }
    assert_eq!(whole(text), Ok(text.len()));
}

#[test]
fn strings_are_decoded_and_lone_surrogates_are_replaced() {
    assert_eq!(decoded(r#""a\n\u00e9\ud83d\ude00\/""#), "a\né😀/");
    assert_eq!(decoded(r#""\ud800x""#), "\u{fffd}x");
    assert_eq!(decoded(r#""\ud800\u0041""#), "\u{fffd}A");
    assert_eq!(decoded(r#""\udc00""#), "\u{fffd}");
    assert_eq!(decoded(r#""\ud800\ud800\udc00\udbff""#), "\u{fffd}\u{10000}\u{fffd}");
}

#[test]
fn texts_with_lone_surrogates_are_told_apart_by_what_was_sent() {
    let text = r#"["\ud800", "\ud801", "\ud800", "\ufffd", "", "\ud800"]"#;
    let (ends, mut texts, mut sent) = (ends(text), Texts::default(), Vec::new());
    let mut cursor = Cursor::new(text, &ends);
    let result = cursor.array(|cursor| {
        let Lenient::Set(span) = cursor.string(&mut texts)? else { return Err(Stop::Malformed) };
        sent.push(span);
        Ok(())
    });
    assert_eq!(result, Ok(()));
    let digests: Vec<_> = sent.iter().map(|span| texts.sent(*span).surrogates).collect();
    assert!(digests[0].is_some() && digests[1].is_some() && digests[0] != digests[1]);
    assert_eq!(digests[2..], [digests[0], None, None, digests[0]]);
    assert!(sent[..4].iter().all(|span| texts.get(*span) == "\u{fffd}"));
}

#[test]
fn nesting_is_followed_to_its_limit_and_refused_past_it() {
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(whole(&deep(1024)).is_ok());
    assert_eq!(whole(&deep(2000)), Err(Stop::TooDeep));
}

/// Strings whose one escape or error stands anywhere around the bounds of the words that the ends are kept in.
#[test]
fn a_string_is_the_same_wherever_it_lies_among_the_words_of_the_marks() {
    let inner =
        ["", "\\\"", "\\\\", "\\u00e9", "\\ud83d\\ude00", "é", "\\x", "\u{1}", "\n", "\\u00g0", "\u{7f}", "\"\""];
    for before in 0..140 {
        for inner in inner {
            for behind in [0, 1, 62, 63, 64, 65, 130] {
                let text =
                    format!("{}\"{}{inner}{}\"", " ".repeat(before % 70), "a".repeat(before), "b".repeat(behind));
                assert_eq!(accepted_here(&text), accepted_by_serde(&text), "{text:?}");
                if let Ok(expected) = serde_json::from_str::<String>(&text) {
                    assert_eq!(decoded(&text), expected);
                }
            }
        }
    }
}

#[test]
fn every_prefix_of_a_long_string_is_incomplete() {
    let text = format!("{{\"{}\":[\"{}\",\"\"]}}", "k".repeat(100), "\\\"v\\\\".repeat(60));
    for end in 0..text.len() {
        assert_eq!(whole(&text[..end]), Err(Stop::Incomplete), "{end}");
    }
    assert_eq!(whole(&text), Ok(text.len()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn accepts_what_serde_json_accepts(text in r#"[\[\]{},:" \\a-fu0-9tn.eE+\-\x01é]{0,14}"#) {
        prop_assert_eq!(accepted_here(&text), accepted_by_serde(&text), "{}", text);
    }

    #[test]
    fn accepts_what_serde_json_accepts_close_to_json(
        text in r#"(\{("a":)?|\[|"[a\\n"u0]{0,4}|-?[0-9.eE]{1,4}|true|null|,|:|\}|\]| ){1,9}"#
    ) {
        prop_assert_eq!(accepted_here(&text), accepted_by_serde(&text), "{}", text);
    }

    #[test]
    fn accepts_what_serde_json_accepts_in_texts_longer_than_a_word_of_marks(
        text in r#"(\{"[a-z]{0,90}":|\[|"([ -!#-\[\]-~é]{0,90}|\\["\\nu0]|\n){0,3}",?|-?[0-9]{1,20}|null,|\}|\]| ){1,12}"#
    ) {
        prop_assert_eq!(accepted_here(&text), accepted_by_serde(&text), "{}", text);
    }
}
