//! Faults of HTTP/1.1 alone.

use std::time::Duration;

use super::{Case, Cases, JSON, LISTED, SECOND, list};
use crate::script::{ENDLESS, NO_PAUSE, Step, announced, body, head, raw};

pub(super) fn http1(cases: &mut Cases) {
    let decode: &[&str] = &["decode"];
    let broken: &[&str] = &["body", "decode"];
    let good = list(LISTED);
    let cut = |length: usize| vec![announced(200, JSON, length), body(list(LISTED)), Step::End];
    cases.list("a length that is too small", decode, cut(100));
    cases.list(
        "two lengths",
        decode,
        vec![raw(|_| b"HTTP/1.1 200 X\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n[] ".to_vec())],
    );
    cases.list(
        "a length that is no number",
        decode,
        vec![raw(|_| b"HTTP/1.1 200 X\r\ncontent-length: -2\r\n\r\n[]".to_vec()), Step::Close],
    );
    cases.list(
        "a length beyond 64 bits",
        decode,
        vec![raw(|_| b"HTTP/1.1 200 X\r\ncontent-length: 99999999999999999999\r\n\r\n[]".to_vec()), Step::Close],
    );
    cases.list("another protocol", decode, vec![raw(|_| b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec()), Step::Close]);
    cases.list("a status that is no number", decode, vec![raw(|_| b"HTTP/1.1 abc X\r\n\r\n".to_vec()), Step::Close]);
    cases.list("an unknown version of HTTP", decode, vec![raw(|_| b"HTTP/3.7 200 X\r\n\r\n".to_vec()), Step::Close]);
    cases.list(
        "a header line without a colon",
        decode,
        vec![raw(|_| b"HTTP/1.1 200 X\r\nnonsense\r\n\r\n[]".to_vec()), Step::Close],
    );
    cases.list(
        "a NUL in a header",
        decode,
        vec![raw(|_| b"HTTP/1.1 200 X\r\nx: a\0b\r\ncontent-length: 2\r\n\r\n[]".to_vec()), Step::Close],
    );
    cases.list(
        "400 header lines",
        &["too_large"],
        vec![raw(|_| {
            let lines: String = (0..400).map(|n| format!("x-{n}: v\r\n")).collect();
            format!("HTTP/1.1 200 X\r\n{lines}content-length: 2\r\n\r\n[]").into_bytes()
        })],
    );
    cases.list(
        "80 KiB of headers",
        &["too_large"],
        vec![raw(|_| {
            format!("HTTP/1.1 200 X\r\nx: {}\r\ncontent-length: 2\r\n\r\n[]", "v".repeat(80 << 10)).into_bytes()
        })],
    );
    cases.list(
        "10 MB of headers",
        &["too_large"],
        vec![raw(|_| {
            format!("HTTP/1.1 200 X\r\nx: {}\r\ncontent-length: 2\r\n\r\n[]", "v".repeat(10 << 20)).into_bytes()
        })],
    );
    cases.list(
        "a header of a byte a second",
        &["timeout"],
        vec![raw(|_| b"HTTP/1.1 200 X\r\nx: ".to_vec()), Step::Raw(|_| b"v".to_vec(), ENDLESS, SECOND)],
    );
    cases.list(
        "interim answers without end",
        &["timeout"],
        vec![Step::Raw(|_| b"HTTP/1.1 103 X\r\n\r\n".to_vec(), ENDLESS, Duration::from_millis(5))],
    );
    cases.list(
        "another protocol by 101",
        &["unexpected_status"],
        vec![raw(|_| b"HTTP/1.1 101 X\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n".to_vec()), Step::Hang],
    );
    cases.list(
        "closed in the head",
        &["connect"],
        vec![raw(|_| b"HTTP/1.1 200 X\r\ncontent-le".to_vec()), Step::Close],
    );
    cases.list(
        "chunks without sense",
        broken,
        vec![
            raw(|_| b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\nno number\r\n[]\r\n0\r\n\r\n".to_vec()),
            Step::Hang,
        ],
    );
    cases.list(
        "a chunk beyond 64 bits",
        broken,
        vec![
            raw(|_| b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n[".to_vec()),
            Step::Hang,
        ],
    );
    cases.list(
        "a chunk that is longer than it says",
        broken,
        vec![
            raw(|_| b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n2\r\n[{},{}]\r\n0\r\n\r\n".to_vec()),
            Step::Hang,
        ],
    );
    cases.list(
        "chunks that stop before the last",
        &["body"],
        vec![raw(|_| b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n2\r\n[]\r\n".to_vec()), Step::Close],
    );
    cases.list(
        "a body without a length that is closed in the middle",
        decode,
        vec![head(200, JSON), body(good[..300].to_owned()), Step::Close],
    );
    cases.list("a body without a length that is cut", &["body"], vec![head(200, JSON), body(good.clone()), Step::Cut]);
    cases.odd("a body without a length", LISTED, vec![head(200, JSON), body(good), Step::Close]);
    cases.odd("HTTP/1.0", 0, vec![raw(|_| b"HTTP/1.0 200 X\r\n\r\n[]".to_vec()), Step::Close]);
    cases.odd(
        "interim answers, one of 250 header lines",
        0,
        vec![raw(|_| {
            let lines: String = (0..250).map(|n| format!("x-{n}: v\r\n")).collect();
            [
                &b"HTTP/1.1 100 X\r\n\r\nHTTP/1.1 103 X\r\nlink: </a>\r\n\r\nHTTP/1.1 200 X\r\n"[..],
                lines.as_bytes(),
                b"content-length: 2\r\n\r\n[]",
            ]
            .concat()
        })],
    );
    cases.odd(
        "chunks of a byte with extensions and trailers",
        2,
        vec![raw(|_| {
            let chunks: String = "[{},{}]".chars().map(|c| format!("1;a=b\r\n{c}\r\n")).collect();
            format!("HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n{chunks}0\r\nx: y\r\n\r\n").into_bytes()
        })],
    );
}

/// What keeps the exporter busy reading, in HTTP/1.1.
pub(crate) fn http1_floods() -> Vec<Case> {
    let mut cases = Cases::default();
    let broken: &[&str] = &["body", "decode"];
    cases.list(
        "headers without end",
        &["too_large"],
        vec![raw(|_| b"HTTP/1.1 200 X\r\n".to_vec()), Step::Raw(|_| b"x: v\r\n".repeat(1000), ENDLESS, NO_PAUSE)],
    );
    cases.list(
        "an extension of a chunk without end",
        broken,
        vec![
            raw(|_| b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n2;".to_vec()),
            Step::Raw(|_| vec![b'x'; 1 << 14], ENDLESS, NO_PAUSE),
        ],
    );
    cases.list(
        "trailers without end",
        &["body", "decode", "too_large"],
        vec![
            raw(|_| b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n".to_vec()),
            Step::Raw(|_| b"x: v\r\n".repeat(1000), ENDLESS, NO_PAUSE),
        ],
    );
    cases.0
}
