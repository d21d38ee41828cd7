//! Lists of invitations as chunks of a body, made while they are sent: memory does not grow with their length.

use std::io::Write as _;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use futures_util::stream;
use serde_json::Value;

use super::clock::Moment;
use super::content::Content;
use super::life::Life;
use super::population::Population;
use super::render::{self, Expand};
use super::shape::Shape;

/// A chunk is sent when it is longer than this, in bytes.
const CHUNK: usize = 64 * 1024;

/// Which invitations a list shows, and how.
#[derive(Debug, Clone, Default)]
pub(super) struct Query {
    /// What is expanded.
    pub(super) expand: Expand,
    /// Only invitations that carry this group.
    pub(super) group: Option<String>,
    /// Exactly so many invitations, in place of the usual number.
    pub(super) exactly: Option<u64>,
    /// How it is written.
    pub(super) shape: Shape,
}

/// The list at one moment, chunk by chunk.
#[derive(Debug)]
pub(super) struct List {
    population: Arc<Population>,
    moment: Moment,
    expand: Expand,
    /// The wanted group as bits over the population's groups; `None` wants any.
    groups: Option<u64>,
    complete: bool,
    shape: Shape,
    next: u64,
    slots: u64,
    sent: u64,
    state: Position,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Start,
    First,
    Later,
    End,
}

impl List {
    /// What `query` wants of `population` at `moment`.
    pub(super) fn new(population: Arc<Population>, moment: Moment, query: &Query) -> Self {
        let groups = query
            .group
            .as_ref()
            .map(|wanted| population.groups.iter().position(|group| group.id == *wanted).map_or(0, |place| 1 << place));
        Self {
            moment,
            expand: query.expand,
            groups,
            complete: query.exactly.is_some(),
            shape: query.shape,
            next: 0,
            sent: 0,
            slots: query.exactly.unwrap_or(population.slots),
            state: Position::Start,
            population,
        }
    }

    /// Appends the next invitation; false at the end.
    fn element(&mut self, out: &mut Vec<u8>) -> bool {
        while self.next < self.slots {
            let slot = self.next;
            self.next += 1;
            let Some(life) = Life::shown(&self.population, slot, self.moment.simulated, self.complete) else {
                continue;
            };
            if self.groups.is_some_and(|wanted| Content::of(&self.population, &life).groups & wanted == 0) {
                continue;
            }
            if self.state == Position::Later {
                out.push(b',');
            }
            self.state = Position::Later;
            self.sent += 1;
            let start = out.len();
            render::invitation(out, &self.population, &life, self.moment, self.expand);
            self.shape.give(out, start, life.key);
            return true;
        }
        false
    }

    /// The first `count` invitations, each a JSON object of its own.
    pub(super) fn elements(mut self, count: usize) -> Vec<Vec<u8>> {
        let mut elements = Vec::new();
        while elements.len() < count {
            let mut out = Vec::new();
            self.state = Position::First;
            if !self.element(&mut out) {
                break;
            }
            elements.push(out);
        }
        elements
    }
}

/// Those of a list that was given as a whole that carry a group; what is no JSON array stays as it is.
pub(super) fn carrying(list: &Bytes, group: &str) -> Bytes {
    let Ok(mut elements) = serde_json::from_slice::<Vec<Value>>(list) else { return list.clone() };
    elements.retain(|element| {
        let ids = element["customGroupsIds"].as_array().into_iter().flatten();
        let expanded = element["customGroups"].as_array().into_iter().flatten().map(|group| &group["id"]);
        ids.chain(expanded).any(|id| id == group)
    });
    serde_json::to_vec(&elements).map_or_else(|_| list.clone(), Bytes::from)
}

impl Iterator for List {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.state == Position::End {
            return None;
        }
        let mut out =
            Vec::with_capacity(CHUNK.min(4096 + usize::try_from(self.slots).unwrap_or(CHUNK).saturating_mul(2048)));
        if self.state == Position::Start {
            out.extend_from_slice(self.shape.start());
            self.state = Position::First;
        }
        while out.len() < CHUNK {
            if !self.element(&mut out) {
                out.extend(self.shape.end(self.sent));
                self.state = Position::End;
                break;
            }
        }
        Some(out)
    }
}

/// Chunks, compressed as they come.
struct Gzip<I> {
    plain: I,
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl<I: Iterator<Item = Vec<u8>>> Iterator for Gzip<I> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let encoder = self.encoder.as_mut()?;
            let Some(chunk) = self.plain.next() else { return self.encoder.take()?.finish().ok() };
            // Writing into a vector cannot fail.
            let _ = encoder.write_all(&chunk);
            let out = std::mem::take(encoder.get_mut());
            if !out.is_empty() {
                return Some(out);
            }
        }
    }
}

/// A body of `chunks`, compressed if `gzip` says so.
pub(super) fn body(chunks: impl Iterator<Item = Vec<u8>> + Send + 'static, gzip: bool) -> Body {
    fn stream(chunks: impl Iterator<Item = Vec<u8>> + Send + 'static) -> Body {
        Body::from_stream(stream::iter(chunks.map(|chunk| Ok::<_, std::convert::Infallible>(Bytes::from(chunk)))))
    }
    if gzip {
        let encoder = Some(GzEncoder::new(Vec::new(), Compression::fast()));
        stream(Gzip { plain: chunks, encoder })
    } else {
        stream(chunks)
    }
}

#[cfg(test)]
mod tests {

    use super::super::clock::Clock;
    use super::*;
    use crate::clock::DAY;

    fn moment() -> Moment {
        Clock::new(1_790_000_000_000, 0.0).now()
    }

    fn list(invitations: u64, query: &Query) -> Vec<Value> {
        let population = Arc::new(Population::new(4, 1, invitations));
        let bytes: Vec<u8> = List::new(population, moment(), query).flatten().collect();
        serde_json::from_slice(&bytes).expect("a JSON array")
    }

    fn expanded(roles: bool, groups: bool) -> Query {
        Query { expand: Expand { roles, groups }, ..Query::default() }
    }

    #[test]
    fn a_list_is_valid_json_of_any_length_in_each_form() {
        for invitations in [0, 1, 500] {
            for (roles, groups) in [(false, false), (true, false), (false, true), (true, true)] {
                let length = list(invitations, &expanded(roles, groups)).len() as u64;
                assert!(length.abs_diff(invitations) <= invitations / 10 + 1, "{length} of {invitations}");
            }
        }
        assert_eq!(list(10, &Query { exactly: Some(1234), ..Query::default() }).len(), 1234);
    }

    #[test]
    fn chunks_do_not_grow_with_the_list() {
        let population = Arc::new(Population::new(4, 1, 3000));
        let chunks: Vec<_> = List::new(population, moment(), &expanded(true, true)).map(|chunk| chunk.len()).collect();
        assert!(chunks.len() > 30);
        assert!(chunks.iter().all(|&length| length < CHUNK + 65_536));
    }

    #[test]
    fn the_filter_leaves_the_invitations_that_carry_the_group() {
        let all = list(500, &Query::default());
        let group = Population::new(4, 1, 500).groups[2].id.clone();
        let carries =
            |value: &Value| value["customGroupsIds"].as_array().unwrap().contains(&Value::from(group.as_str()));
        let some = list(500, &Query { group: Some(group.clone()), ..Query::default() });
        assert!(!some.is_empty() && some.len() < all.len());
        assert_eq!(some.len(), all.iter().filter(|value| carries(value)).count());
        assert!(some.iter().all(carries));
        assert!(list(500, &Query { group: Some("no such group".to_owned()), ..Query::default() }).is_empty());
    }

    #[test]
    fn expansion_adds_bindings_and_groups_and_leaves_names_as_they_are() {
        let (short, long) = (list(300, &expanded(false, false)), list(300, &expanded(true, true)));
        assert_eq!(short.len(), long.len());
        let mut most_groups = 0;
        for (short, long) in short.iter().zip(&long) {
            assert_eq!(short["refLink"], long["refLink"]);
            let names: Vec<_> =
                long["organizationRoles"].as_array().unwrap().iter().map(|role| &role["name"]).collect();
            assert_eq!(short["orgRoleNames"].as_array().unwrap().iter().collect::<Vec<_>>(), names);
            assert!(short.get("organizationRoles").is_none() && short["customGroups"].is_null());
            let ids: Vec<_> = long["customGroups"].as_array().unwrap().iter().map(|group| &group["id"]).collect();
            assert_eq!(long["customGroupsIds"].as_array().unwrap().iter().collect::<Vec<_>>(), ids);
            most_groups = most_groups.max(ids.len());
        }
        assert!((4..=15).contains(&most_groups), "{most_groups}");
    }

    #[test]
    fn times_are_milliseconds_and_expirations_of_role_bindings_seconds() {
        let now = moment().real;
        let list = list(300, &expanded(true, true));
        let mut bindings = 0;
        for invitation in &list {
            let generated = invitation["generatedAt"].as_i64().unwrap();
            assert!(generated <= now + 1000 && generated > now - 100 * DAY);
            let all = invitation["organizationRoles"].as_array().unwrap().iter();
            for expires in all.filter_map(|binding| binding["expiresAt"].as_i64()) {
                assert!((now / 1000 - 100 * 86_400..now / 1000 + 200 * 86_400).contains(&expires));
                bindings += 1;
            }
        }
        assert!(bindings > 0);
        let missing = |form: fn(&Value) -> bool| list.iter().filter(|&value| form(value)).count();
        assert!(missing(|value| value["redeemedAt"] == 0) > 0);
        assert!(missing(|value| value.get("redeemedAt").is_some_and(Value::is_null)) > 0);
        assert!(missing(|value| value.get("redeemedAt").is_none()) > 0);
    }
}
