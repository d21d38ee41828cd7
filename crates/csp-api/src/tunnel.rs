//! What a proxy answers to `CONNECT` when it does not lead to the service.
//!
//! The library keeps the status to itself, and it is what tells a rule of the proxy (403) from a service that the proxy
//! does not reach (502 to 504). So after a refusal the proxy is asked once more, by hand, and hears no more than that.

use std::io;
use std::time::Duration;

use reqwest::header::AUTHORIZATION;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use super::proxy::Proxy;

/// The proxy has just answered: another answer comes soon, or is not worth waiting for.
const PATIENCE: Duration = Duration::from_secs(2);
/// More than any status line has.
const LINE: u64 = 1024;

/// The status of the proxy's refusal; `None` when it cannot be told, or when the proxy leads to the service by now.
pub(super) async fn refusal(http: &reqwest::Client, proxy: &Proxy, service: &Url) -> Option<u16> {
    let proxy = proxy.url();
    // Encrypted ones are not asked: they are rare, and this is not worth a TLS client of its own.
    if proxy.scheme() != "http" {
        return None;
    }
    let target = format!("{}:{}", service.host_str()?, service.port_or_known_default()?);
    let address = format!("{}:{}", proxy.host_str()?, proxy.port_or_known_default()?);
    // The library makes user and password of a URL into a header, here as where it sends CONNECT itself.
    let named = http.get(proxy.clone()).build().ok()?;
    let mut head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    if let Some(authorization) = named.headers().get(AUTHORIZATION) {
        head.extend_from_slice(&[b"Proxy-Authorization: ", authorization.as_bytes(), b"\r\n"].concat());
    }
    head.extend_from_slice(b"\r\n");
    let line = timeout(PATIENCE, ask(&address, &head)).await.ok()?.ok()?;
    status(&line).filter(|status| !(200..300).contains(status))
}

/// The first line of what answers.
async fn ask(address: &str, head: &[u8]) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(head).await?;
    let mut line = String::new();
    BufReader::new(stream).take(LINE).read_line(&mut line).await?;
    Ok(line)
}

/// The status of a status line (RFC 9112, section 4).
fn status(line: &str) -> Option<u16> {
    let code = line.strip_prefix("HTTP/1.")?.get(1..)?.strip_prefix(' ')?.get(..3)?;
    code.parse().ok().filter(|code| (100..600).contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_from_a_status_line_alone() {
        for (line, expected) in [
            ("HTTP/1.1 403 Forbidden\r\n", Some(403)),
            ("HTTP/1.0 503\r\n", Some(503)),
            ("HTTP/1.1 99 \r\n", None),
            ("HTTP/1.1 +40 x\r\n", None),
            ("SSH-2.0-OpenSSH\r\n", None),
            ("", None),
        ] {
            assert_eq!(status(line), expected, "{line:?}");
        }
    }
}
