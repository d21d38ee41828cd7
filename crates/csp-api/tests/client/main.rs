//! The upstream client against small servers that answer exactly what a test needs.

#[expect(clippy::unwrap_used, reason = "a failure to serve is a failure of the test")]
mod boxes;
mod calls;
#[expect(clippy::unwrap_used, reason = "a failure to serve is a failure of the test")]
mod fake;
#[expect(clippy::unwrap_used, reason = "a failure to serve is a failure of the test")]
mod http_2;
mod limits;
#[expect(clippy::unwrap_used, reason = "a failure to write is a failure of the test")]
mod material;
mod pauses;
#[expect(clippy::unwrap_used, reason = "a failure to issue is a failure of the test")]
mod pki;
#[expect(clippy::unwrap_used, reason = "a failure to serve is a failure of the test")]
mod proxies;
mod recorder;
#[expect(clippy::unwrap_used, reason = "a failure to serve is a failure of the test")]
mod silence;
mod tokens;
mod transport;
#[path = "../common/upstream.rs"]
mod upstream;
#[expect(clippy::unwrap_used, reason = "a failure to forward is a failure of the test")]
mod wire;
