//! What happens to connections and to time, whatever is spoken.

use std::time::Duration;

use super::{Cases, JSON, LISTED, Promise, SECOND, Site, list};
use crate::script::{Step, announced, body};
use crate::upstream::Door;

pub(super) fn time_and_cuts(cases: &mut Cases) {
    let good = list(LISTED);
    let half = || body(list(LISTED)[..200].to_owned());
    let timeout: &[&str] = &["timeout"];
    cases.list("silence after the request", timeout, vec![Step::Hang]);
    cases.list("silence after the head", timeout, vec![announced(200, JSON, 900), Step::Hang]);
    cases.list("silence in the body", timeout, vec![announced(200, JSON, 900), half(), Step::Hang]);
    cases.list(
        "a body of a byte a second",
        timeout,
        vec![announced(200, JSON, 900), Step::Body("[".into(), 900, SECOND)],
    );
    cases.list(
        "a length that is too great, and silence",
        timeout,
        vec![announced(200, JSON, good.len() + 9), body(good.clone()), Step::Hang],
    );
    cases.odd("a body in small pieces, in time", LISTED, {
        let piece = |at: usize| {
            Step::Body(
                list(LISTED).into_bytes()[at..(at + 100).min(list(LISTED).len())].to_vec().into(),
                1,
                Duration::from_millis(20),
            )
        };
        let pieces = (0..good.len()).step_by(100).map(piece);
        [announced(200, JSON, good.len())].into_iter().chain(pieces).chain([Step::End]).collect()
    });
    for (word, end) in [("closed", Step::Close), ("cut", Step::Cut), ("reset", Step::Reset)] {
        // A reset can overtake what was sent before it.
        let reasons: &[_] = if word == "reset" { &["body", "connect"] } else { &["body"] };
        cases.list(&format!("{word} in place of an answer"), &["connect"], vec![end.clone()]);
        cases.list(&format!("{word} after the head"), reasons, vec![announced(200, JSON, 900), end.clone()]);
        cases.list(&format!("{word} in the body"), reasons, vec![announced(200, JSON, 900), half(), end]);
    }
}

pub(super) fn doors(cases: &mut Cases) {
    let mut add = |name: &str, reason: &'static [&'static str], site| cases.add(name, site, Promise::Fails(reason));
    let (connect, timeout, tls): (&[_], &[_], &[_]) = (&["connect"], &["timeout"], &["tls"]);
    add("a name that does not exist", connect, Site::Name("none"));
    add("a name server that fails", connect, Site::Name("again"));
    add("a name server that does not answer", timeout, Site::Name("hang"));
    add("a name that leads elsewhere, where nobody listens", connect, Site::Name("flip"));
    add("silence instead of TLS", timeout, Site::Door(Door::Silent));
    add("silence in the TLS handshake", timeout, Site::Door(Door::SilentAfterHello));
    add("closed instead of TLS", connect, Site::Door(Door::Closed));
    add("closed in the TLS handshake", connect, Site::Door(Door::ClosedAfterHello));
    add("reset instead of TLS", connect, Site::Door(Door::Reset));
    add("reset in the TLS handshake", connect, Site::Door(Door::ResetAfterHello));
    add(
        "plain HTTP instead of TLS",
        tls,
        Site::Door(Door::Says(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")),
    );
    add("another protocol instead of TLS", tls, Site::Door(Door::Says(b"SSH-2.0-OpenSSH_9.2\r\n")));
    add("a TLS alert", tls, Site::Door(Door::Says(b"\x15\x03\x03\x00\x02\x02\x28")));
    add("a certificate that has expired", tls, Site::Door(Door::Expired));
    add("a certificate for another name", tls, Site::Door(Door::OtherName));
    add("a certificate of a stranger", tls, Site::Door(Door::Stranger));
}
