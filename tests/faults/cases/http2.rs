//! Faults of HTTP/2 alone.

use std::time::Duration;

use super::{Case, Cases, JSON, LISTED, list};
use crate::script::frames::{self, frame};
use crate::script::{ENDLESS, NO_PAUSE, Step, announced, body, head, raw};

pub(super) fn http2(cases: &mut Cases) {
    let decode: &[&str] = &["decode"];
    let connect: &[&str] = &["connect"];
    // The library does not tell headers that are too many from headers that are none.
    let headers: &[&str] = &["decode", "too_large"];
    let good = list(LISTED);
    cases.list(
        "a length that is too small",
        &["body", "decode"],
        vec![
            announced(200, JSON, 100),
            body(good.clone()),
            Step::Raw(|id| frame(frames::DATA, frames::END_STREAM, id, b""), 1, NO_PAUSE),
        ],
    );
    cases.list(
        "a length that is too great",
        &["body"],
        vec![
            announced(200, JSON, good.len() + 9),
            body(good),
            Step::Raw(|id| frame(frames::DATA, frames::END_STREAM, id, b""), 1, NO_PAUSE),
        ],
    );
    cases.list("RST_STREAM with INTERNAL_ERROR", connect, vec![raw(|id| frames::reset(id, 2))]);
    cases.list("RST_STREAM with REFUSED_STREAM", connect, vec![raw(|id| frames::reset(id, 7))]);
    cases.list("RST_STREAM with CANCEL", connect, vec![raw(|id| frames::reset(id, 8))]);
    cases.list("RST_STREAM with NO_ERROR", connect, vec![raw(|id| frames::reset(id, 0))]);
    cases.list("RST_STREAM with ENHANCE_YOUR_CALM", &["rate_limited"], vec![raw(|id| frames::reset(id, 11))]);
    cases.list("RST_STREAM with HTTP_1_1_REQUIRED", connect, vec![raw(|id| frames::reset(id, 13))]);
    cases.list("RST_STREAM with an unknown code", connect, vec![raw(|id| frames::reset(id, 0xdead_beef))]);
    cases.list("RST_STREAM after the head", &["body"], vec![announced(200, JSON, 900), raw(|id| frames::reset(id, 2))]);
    cases.list(
        "RST_STREAM with NO_ERROR in the body",
        &["body"],
        vec![announced(200, JSON, 900), body("["), raw(|id| frames::reset(id, 0))],
    );
    cases.list("GOAWAY that takes the request back", connect, vec![raw(|_| frames::go_away(0, 0)), Step::Close]);
    cases.list(
        "GOAWAY that keeps the request, and closed",
        connect,
        vec![raw(|_| frames::go_away(0x7fff_ffff, 0)), Step::Close],
    );
    cases.list("GOAWAY with PROTOCOL_ERROR", connect, vec![raw(|_| frames::go_away(0, 1)), Step::Close]);
    cases.list("GOAWAY with ENHANCE_YOUR_CALM", &["rate_limited"], vec![raw(|_| frames::go_away(0, 11)), Step::Close]);
    cases.list(
        "GOAWAY in the body, and closed",
        &["body"],
        vec![announced(200, JSON, 900), body("["), raw(|id| frames::go_away(id, 0)), Step::Close],
    );
    cases.list(
        "SETTINGS that allow no stream",
        &["timeout"],
        vec![Step::Raw(|_| frame(frames::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 0]), 2, NO_PAUSE), Step::Hang],
    );
    cases.list(
        "no frames at all",
        decode,
        vec![raw(|_| b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_vec()), Step::Hang],
    );
    cases.list(
        "a frame that is too large",
        decode,
        vec![raw(|id| frame(frames::DATA, 0, id, &vec![0; 1 << 20])), Step::Hang],
    );
    cases.list("data before the head", decode, vec![raw(|id| frame(frames::DATA, 0, id, b"[]")), Step::Hang]);
    cases.list("data on stream 0", decode, vec![raw(|_| frame(frames::DATA, 0, 0, b"[]")), Step::Hang]);
    cases.list(
        "a head for a stream that nobody opened",
        decode,
        vec![raw(|id| frames::head(id + 100, 200, &[])), Step::Hang],
    );
    cases.list(
        "a push",
        decode,
        vec![
            raw(|id| {
                frame(
                    frames::PUSH_PROMISE,
                    frames::END_HEADERS,
                    id,
                    &[&[0, 0, 0, 2][..], &frames::field(":path", "/")].concat(),
                )
            }),
            Step::Hang,
        ],
    );
    cases.list(
        "SETTINGS of a length that is none",
        decode,
        vec![raw(|_| frame(frames::SETTINGS, 0, 0, &[0; 5])), Step::Hang],
    );
    cases.list(
        "a window beyond 31 bits",
        decode,
        vec![raw(|_| frame(frames::WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes()).repeat(2)), Step::Hang],
    );
    cases.list(
        "headers without a status",
        headers,
        vec![raw(|id| frame(frames::HEADERS, frames::END_HEADERS, id, &frames::field("x", "y"))), Step::Hang],
    );
    cases.list(
        "a name of a header in capitals",
        headers,
        vec![
            raw(|id| {
                frame(
                    frames::HEADERS,
                    frames::END_HEADERS,
                    id,
                    &[frames::field(":status", "200"), frames::field("X-Capital", "y")].concat(),
                )
            }),
            Step::Hang,
        ],
    );
    cases.list(
        "headers whose packing is broken",
        headers,
        vec![raw(|id| frame(frames::HEADERS, frames::END_HEADERS, id, &[0xff; 40])), Step::Hang],
    );
    cases.list(
        "400 header lines",
        &["too_large"],
        vec![
            raw(|id| {
                let lines: Vec<u8> = (0..400).flat_map(|n| frames::field(&format!("x-{n}"), "v")).collect();
                frame(frames::HEADERS, frames::END_HEADERS, id, &[frames::block(200, &[]), lines].concat())
            }),
            raw(|id| frame(frames::DATA, frames::END_STREAM, id, b"[]")),
        ],
    );
    cases.list(
        "10 MB of headers",
        headers,
        vec![
            raw(|id| {
                let large = frames::field("x", &"v".repeat(16_000));
                let more = frame(frames::CONTINUATION, 0, id, &large).repeat(650);
                let last = frame(frames::CONTINUATION, frames::END_HEADERS, id, &large);
                [frame(frames::HEADERS, 0, id, &frames::block(200, &[])), more, last].concat()
            }),
            Step::Hang,
        ],
    );
    cases.list(
        "interim answers without end",
        &["timeout", "decode", "too_large"],
        vec![Step::Raw(|id| frames::head(id, 103, &[]), ENDLESS, Duration::from_millis(5))],
    );
}

/// What keeps the exporter busy reading, in HTTP/2.
pub(crate) fn http2_floods() -> Vec<Case> {
    let mut cases = Cases::default();
    // No answer comes in time, or the library has had enough of it first.
    let flood: &[&str] = &["timeout", "decode", "body"];
    let headers: &[&str] = &["decode", "too_large"];
    cases.list(
        "headers without end",
        headers,
        vec![
            raw(|id| frame(frames::HEADERS, 0, id, &frames::block(200, &[]))),
            Step::Raw(|id| frame(frames::CONTINUATION, 0, id, &frames::field("x", "v")), ENDLESS, NO_PAUSE),
        ],
    );
    cases.list(
        "empty CONTINUATION frames without end",
        headers,
        vec![
            raw(|id| frame(frames::HEADERS, 0, id, &frames::block(200, &[]))),
            Step::Raw(|id| frame(frames::CONTINUATION, 0, id, b""), ENDLESS, NO_PAUSE),
        ],
    );
    cases.list(
        "SETTINGS without end",
        flood,
        vec![Step::Raw(|_| frame(frames::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]), ENDLESS, NO_PAUSE)],
    );
    cases.list("PING without end", flood, vec![Step::Raw(|_| frame(frames::PING, 0, 0, &[7; 8]), ENDLESS, NO_PAUSE)]);
    cases.list(
        "RST_STREAM of closed streams without end",
        &["timeout", "decode", "connect"],
        vec![Step::Raw(|_| frames::reset(1, 8), ENDLESS, NO_PAUSE)],
    );
    cases.list(
        "frames of unknown kinds without end",
        flood,
        vec![Step::Raw(|_| frame(0xfa, 0xff, 0, &[0; 64]), ENDLESS, NO_PAUSE)],
    );
    cases.list(
        "empty data without end",
        flood,
        vec![head(200, JSON), body("["), Step::Raw(|id| frame(frames::DATA, 0, id, b""), ENDLESS, NO_PAUSE)],
    );
    cases.0
}
