//! Reads an answer element by element, wherever its list is, without holding more than one.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
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

/// What a value is to the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// An element of the list at its path.
    Element,
    /// Something that stands beside the lists of an object, such as a number of pages.
    Beside,
}

/// Lists that are told apart: an object that names its members after its data can have any number.
const MOST_LISTS: usize = 20;

/// Hands each value of the answer to `each`, with its path: the elements of its list, and where that is wrapped in objects,
/// what stands beside it.
///
/// # Errors
/// After how many bytes, about, the answer is no JSON. The parser's own words could repeat a part of it.
pub(super) fn read(body: &[u8], mut each: impl FnMut(Part, &str, &Value)) -> Result<Root, usize> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut reader = serde_json::Deserializer::from_slice(body);
    let position = |error: &serde_json::Error| offset(body, error.line(), error.column());
    let root = Elements { path: String::new(), each: &mut each }.deserialize(&mut reader);
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
}

impl<F: FnMut(Part, &str, &Value)> Elements<'_, F> {
    fn beside(self, kind: &'static str, value: &Value) -> Root {
        if !self.path.is_empty() {
            (self.each)(Part::Beside, &self.path, value);
        }
        Root::Other(kind)
    }
}

impl<'de, F: FnMut(Part, &str, &Value)> DeserializeSeed<'de> for Elements<'_, F> {
    type Value = Root;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Root, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de, F: FnMut(Part, &str, &Value)> Visitor<'de> for Elements<'_, F> {
    type Value = Root;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Root, A::Error> {
        let path = format!("{}[]", self.path);
        while let Some(element) = list.next_element::<Value>()? {
            (self.each)(Part::Element, &path, &element);
        }
        Ok(Root::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Root, A::Error> {
        let mut lists: Vec<String> = Vec::new();
        while let Some(key) = members.next_key::<String>()? {
            let path = below(&self.path, &key);
            let member = Elements { path: path.clone(), each: &mut *self.each };
            let found = match members.next_value_seed(member)? {
                Root::List => vec![path],
                Root::Wrapped(inner) => inner,
                Root::Other(_) => Vec::new(),
            };
            for list in found {
                if lists.len() < MOST_LISTS && !lists.contains(&list) {
                    lists.push(list);
                }
            }
        }
        Ok(Root::Wrapped(lists))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Root, E> {
        Ok(self.beside("boolean", &value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Root, E> {
        Ok(self.beside("number", &value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Root, E> {
        Ok(self.beside("number", &value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Root, E> {
        Ok(self.beside("number", &value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Root, E> {
        Ok(self.beside("string", &value.into()))
    }

    fn visit_unit<E>(self) -> Result<Root, E> {
        Ok(self.beside("null", &Value::Null))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(body: &str) -> (Result<Root, usize>, Vec<String>) {
        let mut seen = Vec::new();
        let root = read(body.as_bytes(), |part, path, value| seen.push(format!("{part:?} {path} {value}")));
        (root, seen)
    }

    #[test]
    fn a_list_is_found_bare_or_wrapped() {
        assert_eq!(read_all("[1, {}]"), (Ok(Root::List), vec!["Element [] 1".to_owned(), "Element [] {}".to_owned()]));
        let (root, seen) = read_all(r#"{"totalResults": 1, "results": [{"a": 1}], "x": {"y": [2], "next": null}}"#);
        assert_eq!(root, Ok(Root::Wrapped(vec!["results".to_owned(), "x.y".to_owned()])));
        assert_eq!(
            seen,
            ["Beside totalResults 1", r#"Element results[] {"a":1}"#, "Element x.y[] 2", "Beside x.next null"]
        );
        assert_eq!(read_all("null"), (Ok(Root::Other("null")), Vec::new()));
    }

    #[test]
    fn lists_that_are_named_after_data_are_counted_to_a_limit() {
        let members: Vec<String> = (0..100).map(|n| format!(r#""ann{n}@example.com": [1], "k{n}": [2]"#)).collect();
        let (root, seen) = read_all(&format!("{{{}}}", members.join(",")));
        let Ok(Root::Wrapped(lists)) = root else { panic!("{root:?}") };
        assert_eq!((lists.len(), lists[0].as_str(), lists[1].as_str()), (MOST_LISTS, "<masked>", "k0"));
        assert_eq!(seen.len(), 200);
    }

    #[test]
    fn what_is_no_json_is_told_by_its_place_alone() {
        assert_eq!(read_all("<html>").0, Err(1));
        assert_eq!(read_all("[1,\n 2").0, Err(6));
        assert!(read_all("[] x").0.is_err());
    }
}
