use proptest::prelude::*;

use super::scan::plain_prefix;
use super::*;

fn whole(text: &str) -> Result<usize, Stop> {
    let mut cursor = Cursor::new(text);
    cursor.skip()?;
    Ok(cursor.position())
}

/// What `serde_json` thinks of `text` with one closing blank (so that a number at the end has an end).
fn accepted_by_serde(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

fn accepted_here(text: &str) -> bool {
    let padded = format!("{text} ");
    let mut cursor = Cursor::new(&padded);
    cursor.skip().is_ok() && cursor.peek() == Err(Stop::Incomplete)
}

fn decoded(text: &str) -> String {
    let mut out = String::new();
    let mut cursor = Cursor::new(text);
    assert!(matches!(cursor.string(&mut out), Ok(Lenient::Set(_))), "{text}");
    out
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
}

#[test]
fn nesting_is_followed_to_its_limit_and_refused_past_it() {
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(whole(&deep(1024)).is_ok());
    assert_eq!(whole(&deep(2000)), Err(Stop::Malformed));
}

#[test]
fn the_plain_prefix_ends_at_the_first_special_byte_wherever_it_is() {
    for length in 0..40 {
        for at in 0..=length {
            for special in [b'"', b'\\', 0, 0x1f, b'\n'] {
                let mut bytes = vec![0xC3; length];
                bytes.insert(at, special);
                assert_eq!(plain_prefix(&bytes), at);
            }
        }
        assert_eq!(plain_prefix(&vec![0x20; length]), length);
    }
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
}
