//! Reads an answer element by element, wherever its list is, without holding more than one.

use serde_json::value::RawValue;

use super::json::{Json, Raw};
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
/// Objects in objects that a list is looked for in.
const MOST_WRAPPERS: usize = 100;

/// Why an answer is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is no JSON after so many bytes, about. The parser's own words could repeat a part of it.
    NotJson(usize),
    /// It nests deeper than a poll follows.
    TooDeep,
}

/// Hands each value of the answer to `each`, with its path: the elements of its list, and where that is wrapped in objects,
/// what stands beside it.
///
/// # Errors
/// See [`Flaw`].
pub(super) fn read(body: &[u8], mut each: impl FnMut(Part, &str, &Json)) -> Result<Root, Flaw> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let whole: &RawValue =
        serde_json::from_slice(body).map_err(|error| Flaw::NotJson(offset(body, error.line(), error.column())))?;
    walk(whole, "", 0, &mut each)
}

fn offset(body: &[u8], line: usize, column: usize) -> usize {
    let before: usize = body.split_inclusive(|&b| b == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    before + column
}

fn walk(value: &RawValue, path: &str, level: usize, each: &mut impl FnMut(Part, &str, &Json)) -> Result<Root, Flaw> {
    if level > MOST_WRAPPERS {
        return Err(Flaw::TooDeep);
    }
    let members = match Raw::of(value).map_err(|_| Flaw::TooDeep)? {
        Raw::Object(members) => members,
        Raw::List(elements) => {
            let path = format!("{path}[]");
            for element in elements {
                each(Part::Element, &path, &Json::of(element).map_err(|_| Flaw::TooDeep)?);
            }
            return Ok(Root::List);
        }
        Raw::Simple(value) => {
            if !path.is_empty() {
                each(Part::Beside, path, &value);
            }
            return Ok(Root::Other(match value {
                Json::Boolean => "boolean",
                Json::Number(_) => "number",
                Json::Text(_) => "string",
                Json::Null | Json::List(_) | Json::Object(_) => "null",
            }));
        }
    };
    let mut lists: Vec<String> = Vec::new();
    for (key, member) in members {
        let path = below(path, &key);
        let found = match walk(member, &path, level + 1, each)? {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(body: &str) -> (Result<Root, Flaw>, Vec<String>) {
        let mut seen = Vec::new();
        let root = read(body.as_bytes(), |part, path, value| seen.push(format!("{part:?} {path} {value:?}")));
        (root, seen)
    }

    #[test]
    fn a_list_is_found_bare_or_wrapped() {
        assert_eq!(
            read_all("[1, {}]"),
            (Ok(Root::List), vec![r#"Element [] Number("1")"#.to_owned(), "Element [] Object({})".to_owned()])
        );
        let (root, seen) = read_all(r#"{"totalResults": 1, "results": [{"a": 1}], "x": {"y": [2], "next": null}}"#);
        assert_eq!(root, Ok(Root::Wrapped(vec!["results".to_owned(), "x.y".to_owned()])));
        assert_eq!(
            seen,
            [
                r#"Beside totalResults Number("1")"#,
                r#"Element results[] Object({"a": Number("1")})"#,
                r#"Element x.y[] Number("2")"#,
                "Beside x.next Null"
            ]
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
        assert_eq!(read_all("<html>").0, Err(Flaw::NotJson(1)));
        assert_eq!(read_all("[1,\n 2").0, Err(Flaw::NotJson(6)));
        assert!(read_all("[] x").0.is_err());
    }

    #[test]
    fn what_nests_too_deep_ends_the_report_and_not_the_process() {
        let nested = |start: &str, end: &str| format!("{}1{}", start.repeat(100_000), end.repeat(100_000));
        for body in [nested("[", "]"), nested(r#"{"a":"#, "}")] {
            assert_eq!(read_all(&body).0, Err(Flaw::TooDeep));
        }
    }
}
