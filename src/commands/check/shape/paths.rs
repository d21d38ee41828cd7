//! Which paths a JSON value has, and what stands there; never a value.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use super::json::Json;

/// Paths that are told apart; a service that names its keys after its data has no shape to report.
const MOST_PATHS: usize = 1000;
/// What stands for a key that could be data.
pub(super) const MASKED: &str = "<masked>";

/// What was found at one path.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) present: u64,
    pub(super) null: u64,
    /// Zero, `""`, `[]`, `{}`.
    pub(super) empty: u64,
    texts: u64,
    numbers: u64,
    booleans: u64,
    lists: u64,
    objects: u64,
    /// Fewest and most digits of its numbers.
    digits: Option<(usize, usize)>,
    /// Numbers that are not whole.
    fractions: u64,
}

/// The paths of everything that was added.
#[derive(Debug, Default)]
pub(super) struct Paths {
    found: BTreeMap<String, Found>,
    pub(super) beyond: u64,
}

impl Paths {
    /// Adds a value that stands at `path`, with all that is in it.
    pub(super) fn add(&mut self, path: &str, value: &Json) {
        self.take(path, value);
        match value {
            Json::List(items) => {
                let below = format!("{path}[]");
                for item in items {
                    self.add(&below, item);
                }
            }
            Json::Object(members) => {
                for (key, member) in members {
                    self.add(&below(path, key), member);
                }
            }
            Json::Null | Json::Boolean | Json::Number(_) | Json::Text(_) => {}
        }
    }

    fn take(&mut self, path: &str, value: &Json) {
        if !self.found.contains_key(path) && self.found.len() >= MOST_PATHS {
            self.beyond += 1;
            return;
        }
        let found = self.found.entry(path.to_owned()).or_default();
        found.present += 1;
        match value {
            Json::Null => found.null += 1,
            Json::Boolean => found.booleans += 1,
            Json::Number(number) => found.take_number(number),
            Json::Text(text) => {
                found.texts += 1;
                found.empty += u64::from(text.is_empty());
            }
            Json::List(items) => {
                found.lists += 1;
                found.empty += u64::from(items.is_empty());
            }
            Json::Object(members) => {
                found.objects += 1;
                found.empty += u64::from(members.is_empty());
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Found)> {
        self.found.iter().map(|(path, found)| (path.as_str(), found))
    }
}

/// The path of a member.
pub(super) fn below(path: &str, key: &str) -> String {
    let key = if is_name(key) { key } else { MASKED };
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Whether a key is one that a program would choose. Anything else may be data: a mail address, an id, a name.
fn is_name(key: &str) -> bool {
    let mut bytes = key.bytes();
    key.len() <= 64
        && bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl Found {
    /// Takes in a number as it was written.
    fn take_number(&mut self, number: &str) {
        self.numbers += 1;
        let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
        let whole = mantissa.split('.').next().unwrap_or_default();
        self.empty += u64::from(!mantissa.bytes().any(|b| matches!(b, b'1'..=b'9')));
        self.fractions += u64::from(whole.len() < number.len());
        let digits = whole.bytes().filter(u8::is_ascii_digit).count();
        let (least, most) = self.digits.unwrap_or((digits, digits));
        self.digits = Some((least.min(digits), most.max(digits)));
    }

    /// How often something was there that is not null, zero or empty.
    pub(super) fn set(&self) -> u64 {
        self.present - self.null - self.empty
    }

    /// How often text was there.
    pub(super) fn texts(&self) -> u64 {
        self.texts
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { present, null, empty, texts, numbers, booleans, lists, objects, digits, fractions } = self;
        write!(f, "{present}")?;
        let mut details = String::new();
        for (count, what) in [(null, "null"), (empty, "zero or empty")] {
            if *count > 0 {
                write!(details, ", {count} {what}")?;
            }
        }
        f.write_str(&details)?;
        f.write_str(":")?;
        let kinds = [
            (texts, "string"),
            (numbers, "number"),
            (booleans, "boolean"),
            (lists, "array"),
            (objects, "object"),
            (null, "null"),
        ];
        let seen: Vec<&str> = kinds.into_iter().filter(|(count, _)| **count > 0).map(|(_, kind)| kind).collect();
        write!(f, " {}", seen.join(" or "))?;
        if let Some((least, most)) = digits {
            if least == most {
                write!(f, " of {least} digits")?;
            } else {
                write!(f, " of {least} to {most} digits")?;
            }
            if *fractions > 0 {
                write!(f, ", {fractions} with a fraction or exponent")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_tells_kinds_and_digits_and_no_value() {
        let mut paths = Paths::default();
        paths.add("[]", &json!({"a": 12, "b": [{"c": "secret"}, {"c": null}], "ann@example.com": {"x": ""}}).into());
        paths.add("[]", &json!({"a": 12345.5, "b": [], "a b": 0}).into());
        let lines: Vec<String> = paths.iter().map(|(path, found)| format!("{path} {found}")).collect();
        assert_eq!(
            lines,
            [
                "[] 2: object",
                "[].<masked> 2, 1 zero or empty: number or object of 1 digits",
                "[].<masked>.x 1, 1 zero or empty: string",
                "[].a 2: number of 2 to 5 digits, 1 with a fraction or exponent",
                "[].b 2, 1 zero or empty: array",
                "[].b[] 2: object",
                "[].b[].c 2, 1 null: string or null",
            ]
        );
    }

    #[test]
    fn the_digits_of_a_number_are_those_that_were_written() {
        for (number, told) in [
            ("0", "1, 1 zero or empty: number of 1 digits"),
            ("-0", "1, 1 zero or empty: number of 1 digits"),
            ("0.00E9", "1, 1 zero or empty: number of 1 digits, 1 with a fraction or exponent"),
            ("123456789012345678901234567890", "1: number of 30 digits"),
            ("-9223372036854775809", "1: number of 19 digits"),
            ("18446744073709551616", "1: number of 20 digits"),
            ("1e400", "1: number of 1 digits, 1 with a fraction or exponent"),
            ("1700000000000.0", "1: number of 13 digits, 1 with a fraction or exponent"),
        ] {
            let mut found = Paths::default();
            found.add("x", &Json::Number(number.to_owned()));
            assert_eq!(found.iter().next().unwrap().1.to_string(), told, "{number}");
        }
    }

    #[test]
    fn keys_that_could_be_data_are_masked() {
        for key in ["ann@example.com", "", "1a", "a-b", "a b", "é", &"x".repeat(65), "a.b", "a\n"] {
            assert_eq!(below("", key), MASKED, "{key}");
        }
        for key in ["a", "_id", "customGroups", "A9_"] {
            assert_eq!(below("[]", key), format!("[].{key}"));
        }
    }

    #[test]
    fn paths_are_bounded() {
        let mut paths = Paths::default();
        (0..3000).for_each(|n| paths.add("", &json!({ format!("k{n}"): n }).into()));
        assert_eq!((paths.iter().count(), paths.beyond), (MOST_PATHS, 2001));
    }
}
