//! What a transport error means: the closed reason, what happened in words, which hop is at fault, and what to do.
//!
//! The libraries' own messages are not used where they can quote a URL, and with it a proxy's password.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use super::error::{Error, Operation, Reason};
use super::error_chain::{chain, find, kinds};
use super::proxy::Proxy;
use super::retry::{Failure, Retry};
use super::system::{self, Local};
use super::tls_fault;

/// A call that is failing in transport.
pub(super) struct Fault<'a> {
    pub(super) operation: Operation,
    /// The proxy on the way.
    pub(super) proxy: Option<&'a Proxy>,
    pub(super) connect_timeout: Duration,
}

/// Where on the way it happened.
#[derive(Debug, Clone, Copy)]
enum Hop<'a> {
    Direct,
    /// On the way to the proxy, or at it.
    To(&'a Proxy),
    /// Behind the proxy, or nobody can tell.
    Through(&'a Proxy),
}

impl Hop<'_> {
    fn tell(self, words: &str) -> String {
        match self {
            Self::Direct => words.to_owned(),
            Self::To(proxy) => format!("the proxy {proxy}: {words}"),
            Self::Through(proxy) => format!("{words} (through the proxy {proxy})"),
        }
    }

    /// The setting or variable that says where it is.
    fn setting(self) -> &'static str {
        match self {
            Self::To(proxy) => proxy.source(),
            Self::Direct | Self::Through(_) => "api.url",
        }
    }
}

/// What a proxy did instead of leading to the service, by the library's words: it keeps the type to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tunnel {
    WantsPassword,
    Answers(&'static str),
    Refuses,
    Unreachable,
}

/// Whether a proxy refused to lead to the service, for a reason that the library keeps to itself.
pub(super) fn is_refusal(error: &reqwest::Error) -> bool {
    Tunnel::of(error) == Some(Tunnel::Refuses)
}

impl Tunnel {
    fn of(error: &(dyn StdError + 'static)) -> Option<Self> {
        let mut texts = chain(error).map(ToString::to_string);
        let text = texts.find_map(|text| text.strip_prefix("tunnel error: ").map(str::to_owned))?;
        Some(match text.as_str() {
            "proxy authorization required" => Self::WantsPassword,
            "failed to create underlying connection" | "io error establishing tunnel" => Self::Unreachable,
            "unexpected end of file" => Self::Answers("it closes the connection instead of answering CONNECT"),
            "proxy response headers too long" => Self::Answers("it answers CONNECT with more than 8 KiB of headers"),
            _ => Self::Refuses,
        })
    }
}

impl Fault<'_> {
    /// No response: the request could not be sent, or nothing came back. `refusal` is what a proxy answers to CONNECT
    /// when that [is one](is_refusal), if it is known.
    pub(super) fn sending(&self, error: &reqwest::Error, refusal: Option<u16>) -> Failure {
        let tunnel = Tunnel::of(error);
        // A proxy leads to the service by a tunnel when that is encrypted, and is asked for it when it is not.
        let is_plain = error.url().is_some_and(|url| url.scheme() == "http");
        let hop = match self.proxy {
            Some(proxy) if error.is_connect() && (tunnel.is_some() || is_plain) => Hop::To(proxy),
            Some(proxy) => Hop::Through(proxy),
            None => Hop::Direct,
        };
        if let Some(tls) = find::<rustls::Error>(error) {
            let (words, hint) = tls_fault::words(tls, self.proxy);
            return self.fail(Reason::Tls, Retry::Never, hop.tell(&words), hint);
        }
        if error.is_builder() {
            let hint = "report it with the log of this moment";
            return self.fail(Reason::Internal, Retry::Never, "the request could not be built".to_owned(), hint);
        }
        match (tunnel, hop) {
            (Some(Tunnel::WantsPassword), Hop::To(proxy)) => proxy_wants_password(self.operation, Some(proxy)),
            (Some(Tunnel::Answers(words)), Hop::To(_)) => {
                self.fail(Reason::Connect, Retry::BackOff, hop.tell(words), TUNNEL)
            }
            (Some(Tunnel::Refuses), Hop::To(_)) => self.refused(hop, refusal),
            _ if error.is_connect() => self.connecting(error, hop),
            _ => self.waiting(error),
        }
    }

    /// A proxy that does not lead to the service.
    fn refused(&self, proxy: Hop<'_>, status: Option<u16>) -> Failure {
        let words = match status {
            Some(status) => format!("it refuses: it answers {status} to CONNECT"),
            None => "it refuses: its answer to CONNECT is not 200".to_owned(),
        };
        let (retry, hint) = match status {
            Some(502..=504) => (
                Retry::BackOff,
                "check the host name and port in api.url; if they are right, ask whoever runs the proxy why it does not reach \
                 them: its log has the reason",
            ),
            Some(400..=499) => (Retry::Never, TUNNEL),
            _ => (Retry::BackOff, TUNNEL),
        };
        let mut failure = self.fail(Reason::Connect, retry, proxy.tell(&words), hint);
        failure.error.status = status;
        failure
    }

    /// No connection.
    fn connecting(&self, error: &reqwest::Error, hop: Hop<'_>) -> Failure {
        let setting = hop.setting();
        if error.is_timeout() {
            let words = format!("no connection within {:?} (api.connect_timeout)", self.connect_timeout);
            let hint = "the name server, the other end or a firewall does not answer: try the address from the exporter's network";
            return self.fail(Reason::Timeout, Retry::BackOff, hop.tell(&words), hint);
        }
        let cause = system::error(chain(error));
        let local = if error.is_dns() { Local::of_lookup(cause) } else { cause.and_then(Local::of) };
        if let Some(Local { words, hint }) = local {
            // It is nobody's fault on the way.
            return self.fail(Reason::Connect, Retry::BackOff, words.to_owned(), hint);
        }
        if error.is_dns() {
            let (words, hint) = unresolved(error, setting);
            return self.fail(Reason::Connect, Retry::BackOff, hop.tell(words), hint);
        }
        // The library's words. Without a proxy it knows how.
        if chain(error).any(|error| error.to_string() == "Invalid Server Name") {
            let words = "through a proxy the exporter cannot go to an encrypted service at an IPv6 address";
            let hint = format!("use a host name in {setting}, or name the address in NO_PROXY");
            return self.fail(Reason::Connect, Retry::Never, hop.tell(words), hint);
        }
        let is = |wanted: &[io::ErrorKind]| kinds(error).any(|kind| wanted.contains(&kind));
        if is(&[io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe]) {
            let words = "the connection was closed during the handshake";
            let hint = "look at what is at host and port in api.url: a load balancer with nothing behind it, a firewall that \
                        filters by name, or a server that speaks neither TLS 1.2 nor 1.3";
            return self.fail(Reason::Connect, Retry::BackOff, hop.tell(words), hint);
        }
        let words = cause.map_or_else(|| "the connection could not be made".to_owned(), system::words);
        let hint = format!("check host and port in {setting}, and what the network policy and firewalls let through");
        self.fail(Reason::Connect, Retry::BackOff, hop.tell(&words), hint)
    }

    /// A connection, and no answer that can be read.
    fn waiting(&self, error: &reqwest::Error) -> Failure {
        if let Some(stream) = find::<h2::Error>(error).and_then(|error| self.stream(error)) {
            return stream;
        }
        let hyper = find::<hyper::Error>(error);
        if hyper.is_some_and(hyper::Error::is_parse_too_large) {
            let detail = "the answer has more headers than are read (256 lines, 64 KiB)".to_owned();
            return self.fail(Reason::TooLarge, Retry::Never, detail, HEADERS);
        }
        if let Some(hyper) = hyper.filter(|error| error.is_parse()) {
            // Fixed words of the library, such as "invalid HTTP version parsed".
            let detail = format!("what answers is not HTTP, or breaks its rules ({hyper})");
            let hint = "check that port and scheme in api.url are those of the service, and what answers there";
            return self.fail(Reason::Decode, Retry::Never, detail, hint);
        }
        if let Some(words) = silence(error) {
            return self.fail(Reason::Timeout, Retry::BackOff, words.to_owned(), SILENT_HINT);
        }
        let cause = system::error(chain(error));
        let words = cause.map_or_else(|| "the connection was closed".to_owned(), system::words);
        let hint = cause.and_then(Local::of).map_or(CLOSED, |local| local.hint);
        self.fail(Reason::Connect, Retry::BackOff, format!("{words} before an answer came"), hint)
    }

    /// What the other end, or our own library, says of an HTTP/2 stream or connection; `None` when it is the network's.
    fn stream(&self, error: &h2::Error) -> Option<Failure> {
        let reason = error.reason()?;
        let what = if error.is_reset() { "stream" } else { "connection" };
        if error.is_remote() {
            let detail = format!("the other end broke the HTTP/2 {what} off with {reason:?} before an answer came");
            return Some(if reason == h2::Reason::ENHANCE_YOUR_CALM {
                let hint = "lower api.requests_per_second or api.max_concurrent_requests";
                self.fail(Reason::RateLimited, Retry::SlowDown(None), detail, hint)
            } else {
                let hint = "look at the load balancer or proxy that speaks HTTP/2 there: its log has the reason";
                self.fail(Reason::Connect, Retry::BackOff, detail, hint)
            });
        }
        if !error.is_library() {
            return None;
        }
        Some(match (reason, error.is_reset()) {
            (h2::Reason::PROTOCOL_ERROR, true)
            | (h2::Reason::ENHANCE_YOUR_CALM | h2::Reason::COMPRESSION_ERROR, false) => {
                let detail = format!(
                    "the answer's headers are larger than HTTP/2 allows here (512 KiB) or break its rules ({reason:?})"
                );
                self.fail(Reason::TooLarge, Retry::Never, detail, HEADERS)
            }
            _ => {
                let detail = format!("what answers breaks the rules of HTTP/2 ({reason:?})");
                let hint = "look at the load balancer or proxy that speaks HTTP/2 there";
                self.fail(Reason::Decode, Retry::Never, detail, hint)
            }
        })
    }

    fn fail(&self, reason: Reason, retry: Retry, detail: String, hint: impl Into<Cow<'static, str>>) -> Failure {
        Failure { error: Error::new(self.operation, reason, detail).hint(hint), retry }
    }
}

/// What to do about too many headers.
pub(super) const HEADERS: &str = "look at what adds headers on the way, such as a proxy that sets cookies";
const TUNNEL: &str =
    "ask whoever runs the proxy to allow CONNECT to the host and port of api.url; its log has the reason";
const CLOSED: &str = "look at the load balancer, proxy or firewall that closes connections on the way";
const SILENT_HINT: &str = "nothing, if it stays at one: new connections are used from now on; else look at NAT, firewalls and load \
                           balancers that forget connections";

/// A name that does not resolve, and what to do about it. The C library's words are all that tells why.
fn unresolved(error: &reqwest::Error, setting: &str) -> (&'static str, String) {
    let temporary = ["Temporary failure", "Try again"];
    if chain(error).any(|error| temporary.iter().any(|words| error.to_string().contains(words))) {
        let hint = format!(
            "look at the name servers in /etc/resolv.conf, and whether the exporter's network reaches them; the name is in {setting}"
        );
        ("the host name does not resolve: no name server answers, or it fails", hint)
    } else {
        let hint = format!("check the host name in {setting}, and DNS in the exporter's network");
        ("the host name does not resolve", hint)
    }
}

/// How it was found out that a connection leads nowhere any more, if it was.
fn silence(error: &reqwest::Error) -> Option<&'static str> {
    match find::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::TimedOut) => Some("the connection went silent: what was sent is not acknowledged"),
        _ if error.is_timeout() => Some("the connection went silent: no answer to a keep-alive ping"),
        _ => None,
    }
}

/// A proxy that wants to know who asks, whether it says so to CONNECT or to the request.
pub(super) fn proxy_wants_password(operation: Operation, proxy: Option<&Proxy>) -> Failure {
    let (detail, hint) = match proxy {
        Some(proxy) => (
            format!("the proxy {proxy} asks for a user and password, or refuses those it was given"),
            format!("put the right ones into the URL in {}", proxy.source()),
        ),
        None => (
            "a proxy that is not configured here asks for a user and password".to_owned(),
            "set the proxy in api.proxy_url, with a user and password, or let requests to api.url pass without one"
                .to_owned(),
        ),
    };
    let mut error = Error::new(operation, Reason::Connect, detail).hint(hint);
    error.status = Some(407);
    Failure { error, retry: Retry::Never }
}

/// The body ended early, or its compression is broken.
pub(super) fn reading(operation: Operation, error: &io::Error) -> Failure {
    let fail = |reason, retry, words: &str, hint: &'static str| Failure {
        error: Error::new(operation, reason, words).hint(hint),
        retry,
    };
    let broken = "look at what repacks answers on the way, usually a proxy or firewall";
    let Some(transport) = find::<reqwest::Error>(error) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                fail(Reason::Body, Retry::BackOff, "the packed body (gzip) was cut", CLOSED)
            }
            _ => fail(Reason::Decode, Retry::Never, "the body is no gzip, though its Content-Encoding says so", broken),
        };
    };
    if let Some(reason) = find::<h2::Error>(transport).filter(|e| e.is_remote()).and_then(h2::Error::reason) {
        let words = format!("the body was cut: the other end broke it off with {reason:?} (HTTP/2)");
        return fail(Reason::Body, Retry::BackOff, &words, CLOSED);
    }
    if let Some(words) = silence(transport) {
        return fail(Reason::Timeout, Retry::BackOff, words, SILENT_HINT);
    }
    match find::<io::Error>(transport).map(io::Error::kind) {
        Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => {
            fail(Reason::Body, Retry::BackOff, "the body's chunks are not marked as HTTP demands", broken)
        }
        _ => cut(operation),
    }
}

/// The body ended early, and nobody said why.
pub(super) fn cut(operation: Operation) -> Failure {
    Failure { error: Error::new(operation, Reason::Body, "the body was cut").hint(CLOSED), retry: Retry::BackOff }
}
