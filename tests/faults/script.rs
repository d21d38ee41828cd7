//! What an upstream does with one request, step by step, whichever HTTP is spoken.

use std::time::Duration;

use bytes::Bytes;

/// One step of an answer.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Status and header lines.
    Head(u16, Vec<(&'static str, String)>),
    /// A piece of the body, so many times, with a pause before each.
    Body(Bytes, usize, Duration),
    /// Bytes as they are, so many times, with a pause before each: of HTTP/1.1, or frames of HTTP/2 for the stream of this
    /// number.
    Raw(fn(u32) -> Vec<u8>, usize, Duration),
    /// So much of what the steps before it put on the wire goes out, and the connection is cut.
    CutAfter(usize),
    /// The end of the body.
    End,
    /// The connection ends as it should.
    Close,
    /// The connection ends without a word.
    Cut,
    /// The connection is reset.
    Reset,
    /// Nothing more comes, and the connection stays.
    Hang,
}

pub(crate) const NO_PAUSE: Duration = Duration::ZERO;
/// So often that nobody waits for the end.
pub(crate) const ENDLESS: usize = usize::MAX;

pub(crate) fn head(status: u16, headers: &[(&'static str, &str)]) -> Step {
    Step::Head(status, headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
}

pub(crate) fn body(bytes: impl Into<Bytes>) -> Step {
    Step::Body(bytes.into(), 1, NO_PAUSE)
}

/// The same piece again and again, as fast as it is taken.
pub(crate) fn endless(bytes: impl Into<Bytes>) -> Step {
    Step::Body(bytes.into(), ENDLESS, NO_PAUSE)
}

pub(crate) fn raw(bytes: fn(u32) -> Vec<u8>) -> Step {
    Step::Raw(bytes, 1, NO_PAUSE)
}

/// A whole answer. Its length is said.
pub(crate) fn whole(status: u16, headers: &[(&'static str, &str)], content: impl Into<Bytes>) -> Vec<Step> {
    let content = content.into();
    vec![announced(status, headers, content.len()), body(content), Step::End]
}

/// A head that promises a body of this length.
pub(crate) fn announced(status: u16, headers: &[(&'static str, &str)], length: usize) -> Step {
    let length = length.to_string();
    head(status, &[headers, &[("content-length", &length)]].concat())
}

/// A whole answer with status 200 and JSON.
pub(crate) fn json(content: impl Into<Bytes>) -> Vec<Step> {
    whole(200, &[("content-type", "application/json")], content)
}

/// The bytes of a head in HTTP/1.1.
pub(crate) fn http1_head(status: u16, headers: &[(&'static str, String)]) -> Vec<u8> {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("HTTP/1.1 {status} X\r\n{lines}\r\n").into_bytes()
}

/// Frames of HTTP/2, by RFC 9113, section 4.1, and header blocks without compression, by RFC 7541, section 6.2.2.
pub(crate) mod frames {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
    pub(crate) const END_STREAM: u8 = 1;
    pub(crate) const END_HEADERS: u8 = 4;

    pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    pub(crate) fn reset(stream: u32, code: u32) -> Vec<u8> {
        frame(RST_STREAM, 0, stream, &code.to_be_bytes())
    }

    /// The connection ends; no stream behind `last` was looked at.
    pub(crate) fn go_away(last: u32, code: u32) -> Vec<u8> {
        frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
    }

    pub(crate) fn head(stream: u32, status: u16, headers: &[(&'static str, String)]) -> Vec<u8> {
        frame(HEADERS, END_HEADERS, stream, &block(status, headers))
    }

    pub(crate) fn block(status: u16, headers: &[(&'static str, String)]) -> Vec<u8> {
        let mut block = field(":status", &status.to_string());
        for (name, value) in headers {
            block.extend(field(name, value));
        }
        block
    }

    pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
        [&[0][..], &text(name), &text(value)].concat()
    }

    fn text(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut length = text.len();
        if length < 127 {
            bytes.push(u8::try_from(length).unwrap());
        } else {
            bytes.push(127);
            length -= 127;
            while length >= 128 {
                bytes.push(u8::try_from(length % 128 + 128).unwrap());
                length /= 128;
            }
            bytes.push(u8::try_from(length).unwrap());
        }
        bytes.extend(text.as_bytes());
        bytes
    }
}
