//! Reads an answer element by element, wherever its list is, without holding more than one.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::paths::below;

/// Where the list was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Root {
    /// The answer is the list, as promised.
    List,
    /// The answer is an object; lists among its members, by their paths.
    Wrapped(Vec<String>),
    /// Something else.
    Other(&'static str),
}

/// Hands each element of the answer to `each`, with the path of its list.
///
/// # Errors
/// After how many bytes, about, the answer is no JSON. The parser's own words could repeat a part of it.
pub(super) fn read(body: &[u8], mut each: impl FnMut(&str, &Value)) -> Result<Root, usize> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut reader = serde_json::Deserializer::from_slice(body);
    let position = |error: &serde_json::Error| offset(body, error.line(), error.column());
    let root = Elements { path: String::new(), each: &mut each, is_root: true }.deserialize(&mut reader);
    let root = root.map_err(|error| position(&error))?;
    reader.end().map_err(|error| position(&error))?;
    Ok(root)
}

fn offset(body: &[u8], line: usize, column: usize) -> usize {
    let before: usize = body.split_inclusive(|&b| b == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    before + column
}

struct Elements<'e, F> {
    path: String,
    each: &'e mut F,
    is_root: bool,
}

impl<'de, F: FnMut(&str, &Value)> DeserializeSeed<'de> for Elements<'_, F> {
    type Value = Root;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Root, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de, F: FnMut(&str, &Value)> Visitor<'de> for Elements<'_, F> {
    type Value = Root;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Root, A::Error> {
        let path = format!("{}[]", self.path);
        while let Some(element) = list.next_element::<Value>()? {
            (self.each)(&path, &element);
        }
        Ok(Root::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Root, A::Error> {
        if !self.is_root {
            while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Root::Other("object"));
        }
        let mut lists = Vec::new();
        while let Some(key) = members.next_key::<String>()? {
            let path = below(&self.path, &key);
            let member = Elements { path: path.clone(), each: &mut *self.each, is_root: false };
            if members.next_value_seed(member)? == Root::List {
                lists.push(path);
            }
        }
        Ok(Root::Wrapped(lists))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Root, E> {
        Ok(Root::Other("boolean"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Root, E> {
        Ok(Root::Other("number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Root, E> {
        Ok(Root::Other("number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Root, E> {
        Ok(Root::Other("number"))
    }

    fn visit_str<E>(self, _: &str) -> Result<Root, E> {
        Ok(Root::Other("string"))
    }

    fn visit_unit<E>(self) -> Result<Root, E> {
        Ok(Root::Other("null"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(body: &str) -> (Result<Root, usize>, Vec<String>) {
        let mut seen = Vec::new();
        let root = read(body.as_bytes(), |path, element| seen.push(format!("{path} {element}")));
        (root, seen)
    }

    #[test]
    fn a_list_is_found_bare_or_wrapped() {
        assert_eq!(read_all("[1, {}]"), (Ok(Root::List), vec!["[] 1".to_owned(), "[] {}".to_owned()]));
        let (root, seen) = read_all(r#"{"totalResults": 1, "results": [{"a": 1}], "x": {"y": [2]}}"#);
        assert_eq!(root, Ok(Root::Wrapped(vec!["results".to_owned()])));
        assert_eq!(seen, [r#"results[] {"a":1}"#]);
        assert_eq!(read_all("null").0, Ok(Root::Other("null")));
    }

    #[test]
    fn what_is_no_json_is_told_by_its_place_alone() {
        assert_eq!(read_all("<html>").0, Err(1));
        assert_eq!(read_all("[1,\n 2").0, Err(6));
        assert!(read_all("[] x").0.is_err());
    }
}
