//! Every fault, and what the exporter promises to make of it.

mod answers;
mod http1;
mod http2;
mod tokens;
mod wire;

use std::io::Write as _;
use std::time::Duration;

pub(crate) use http1::http1_floods;
pub(crate) use http2::http2_floods;

use crate::script::{Step, frames, http1_head, json, whole};
use crate::upstream::{Door, Http};

/// Invitations in the list that an organization has while nothing is wrong.
pub(crate) const LISTED: usize = 12;
/// Answers are cut off at this size by the configuration of the matrix.
pub(crate) const MAX_RESPONSE: &str = "2MiB";

/// Where it goes wrong.
#[derive(Debug, Clone)]
pub(crate) enum Site {
    /// The answer to the question for the list.
    List(Vec<Step>),
    /// The answer to the exchange of the credential.
    Token(Vec<Step>),
    /// The first answer to each poll's question for the list, and a good one to the next.
    FirstList(Vec<Step>),
    /// The answers to what no poll depends on.
    Questions(Vec<Step>),
    /// The connection, of whoever asks this host.
    Door(Door),
    /// The name of the host: a word that `preload/faults.c` knows.
    Name(&'static str),
}

/// What is promised.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Promise {
    /// Polls fail, for one of these reasons. More than one where the contract says less than the wire: a broken frame of
    /// HTTP/2 can end a stream before its answer is known to be none.
    Fails(&'static [&'static str]),
    /// Nothing is wrong with it: so many invitations are counted.
    Counts(usize),
}

/// One fault.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) site: Site,
    pub(crate) promise: Promise,
}

/// The body of a list with so many invitations.
pub(crate) fn list(count: usize) -> String {
    let element = |n: usize| {
        format!(
            r#"{{"username":"u{n}@example.com","status":"REDEEMED","refLink":"/{n}","orgRoleNames":["org_member"]}}"#
        )
    };
    format!("[{}]", (0..count).map(element).collect::<Vec<_>>().join(","))
}

/// The usual list with something more in each of its elements, or in front.
fn with(field: &str) -> Vec<u8> {
    list(LISTED).replace(r#""status""#, &format!(r#"{field},"status""#)).into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn packed(coding: &str, bytes: Vec<u8>) -> Vec<Step> {
    whole(200, &[("content-encoding", coding)], bytes)
}

/// Cases of both kinds of HTTP, and of this one alone.
pub(crate) fn all(http: Http) -> Vec<Case> {
    let mut cases = Cases::default();
    answers::statuses(&mut cases);
    answers::bodies(&mut cases);
    answers::packing(&mut cases);
    wire::time_and_cuts(&mut cases);
    wire::doors(&mut cases);
    tokens::tokens(&mut cases);
    match http {
        Http::One => http1::http1(&mut cases),
        Http::Two => http2::http2(&mut cases),
    }
    cases.0
}

#[derive(Default)]
struct Cases(Vec<Case>);

impl Cases {
    fn add(&mut self, name: &str, site: Site, promise: Promise) {
        self.0.push(Case { name: name.to_owned(), site, promise });
    }

    fn list(&mut self, name: &str, reasons: &'static [&'static str], steps: Vec<Step>) {
        self.add(name, Site::List(steps), Promise::Fails(reasons));
    }

    fn token(&mut self, name: &str, reasons: &'static [&'static str], steps: Vec<Step>) {
        self.add(&format!("token: {name}"), Site::Token(steps), Promise::Fails(reasons));
    }

    /// Odd, and good.
    fn odd(&mut self, name: &str, count: usize, steps: Vec<Step>) {
        self.add(name, Site::List(steps), Promise::Counts(count));
    }
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const PAGE: &str = "<!DOCTYPE html><html><body>The requested URL was rejected.</body></html>";
const SECOND: Duration = Duration::from_secs(1);

/// An answer that is cut off at each of `count` places, spread over all of its bytes.
pub(crate) fn cuts(http: Http, count: usize) -> Vec<Case> {
    let content = list(LISTED);
    let steps = json(content.clone());
    let Step::Head(status, headers) = &steps[0] else { unreachable!() };
    let (head, rest) = match http {
        Http::One => (http1_head(*status, headers).len(), content.len()),
        // Two frames more: that of the body and that of its end.
        Http::Two => (frames::head(1, *status, headers).len(), content.len() + 2 * 9),
    };
    let cut = |number: usize| {
        let at = number * (head + rest) / count;
        let reasons: &[_] = if at < head { &["connect"] } else { &["body"] };
        Case {
            name: format!("cut after {at} of {} bytes", head + rest),
            site: Site::List([&steps[..], &[Step::CutAfter(at)]].concat()),
            promise: Promise::Fails(reasons),
        }
    };
    (0..count).map(cut).collect()
}
