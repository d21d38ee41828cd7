//! JSON as it was written: whatever a poll reads, with numbers of any length and of any size.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A little more than a poll follows.
const DEEPEST: usize = 1100;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Boolean,
    /// As it was written.
    Number(String),
    Text(String),
    List(Vec<Json>),
    /// Of a key that is there more than once the last value counts.
    Object(BTreeMap<String, Json>),
}

/// A value, and what is in it as it was written.
#[derive(Debug)]
pub(super) enum Raw<'b> {
    List(Vec<&'b RawValue>),
    Object(Vec<(String, &'b RawValue)>),
    /// Anything else.
    Simple(Json),
}

impl<'b> Raw<'b> {
    /// # Errors
    /// None for what has been parsed once, in practice.
    pub(super) fn of(value: &'b RawValue) -> serde_json::Result<Self> {
        let text = value.get();
        Ok(match text.as_bytes().first() {
            Some(b'[') => Self::List(serde_json::from_str(text)?),
            Some(b'{') => Self::Object(serde_json::from_str::<Members<'_>>(text)?.0),
            Some(b'"') => Self::Simple(Json::Text(serde_json::from_str::<Text>(text)?.0)),
            Some(b'n') => Self::Simple(Json::Null),
            Some(b't' | b'f') => Self::Simple(Json::Boolean),
            _ => Self::Simple(Json::Number(text.to_owned())),
        })
    }
}

impl Json {
    /// # Errors
    /// When it nests deeper than a poll follows.
    pub(super) fn of(value: &RawValue) -> serde_json::Result<Self> {
        Self::within(value, DEEPEST)
    }

    fn within(value: &RawValue, levels: usize) -> serde_json::Result<Self> {
        let Some(levels) = levels.checked_sub(1) else { return Err(serde_json::Error::custom("it nests too deep")) };
        // Plain loops: each level of an iterator's closures takes stack, too.
        match Raw::of(value)? {
            Raw::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    list.push(Self::within(item, levels)?);
                }
                Ok(Self::List(list))
            }
            Raw::Object(members) => {
                let mut object = BTreeMap::new();
                for (key, member) in members {
                    object.insert(key, Self::within(member, levels)?);
                }
                Ok(Self::Object(object))
            }
            Raw::Simple(value) => Ok(value),
        }
    }

    /// A member of an object.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        if let Self::Object(members) = self { members.get(key) } else { None }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// A number, as exactly as a computer has it.
    pub(super) fn as_f64(&self) -> Option<f64> {
        if let Self::Number(number) = self { number.parse().ok() } else { None }
    }
}

/// The members of an object, in their order.
struct Members<'b>(Vec<(String, &'b RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Members<'de>, A::Error> {
                let mut all = Vec::new();
                while let Some((Text(key), value)) = members.next_entry()? {
                    all.push((key, value));
                }
                Ok(Members(all))
            }
        }
        reader.deserialize_map(All)
    }
}

/// Text, where a lone surrogate is a replacement character.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Lossy;
        impl Visitor<'_> for Lossy {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Text, E> {
                Ok(Text(String::from_utf8_lossy(bytes).into_owned()))
            }
        }
        // As bytes, a lone surrogate is none of serde_json's errors.
        reader.deserialize_bytes(Lossy)
    }
}

#[cfg(test)]
impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        let text = serde_json::value::to_raw_value(&value).expect("JSON");
        Self::of(&text).expect("JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> serde_json::Result<Json> {
        Json::of(serde_json::from_str(text)?)
    }

    #[test]
    fn what_a_poll_reads_is_read_as_it_was_written() {
        let Ok(Json::Object(members)) = read(
            r#"{"n": 1e400, "m": -12345678901234567890123, "t": "\ud800x", "\udc00": null, "d": 1, "d": [true], "e": "a\nb"}"#,
        ) else {
            panic!("an object")
        };
        let number = |text: &str| Json::Number(text.to_owned());
        let text = |text: &str| Json::Text(text.to_owned());
        let mut texts = members.values().filter_map(Json::as_str).collect::<Vec<_>>();
        texts.sort_unstable();
        assert!(texts[1].ends_with('x') && texts[1].starts_with('\u{fffd}'), "{texts:?}");
        assert_eq!((&members["n"], &members["m"]), (&number("1e400"), &number("-12345678901234567890123")));
        assert_eq!((&members["d"], &members["e"]), (&Json::List(vec![Json::Boolean]), &text("a\nb")));
        assert_eq!(members.len(), 6);
    }

    #[test]
    fn it_is_followed_as_deep_as_a_poll_follows_it_and_no_deeper() {
        let nested = |levels| read(&format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
        assert!(nested(1024).is_ok());
        assert!(nested(200_000).is_err());
    }
}
