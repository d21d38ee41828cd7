//! What a proxy answers to `CONNECT` when it does not lead to the service.
//!
//! The library keeps the status to itself, and it is what tells a rule of the proxy (403) from a service that the proxy
//! does not reach (502 to 504). So after a refusal the proxy is asked once more, by hand, and hears no more than that.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::AUTHORIZATION;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Url;

use super::proxy::Proxy;

/// The proxy has just answered: another answer comes soon, or is not worth waiting for.
const PATIENCE: Duration = Duration::from_secs(2);
/// More than any status line has.
const LINE: u64 = 1024;

/// The status of the proxy's refusal; `None` when it cannot be told, or when the proxy leads to the service by now.
pub(super) async fn refusal(http: &reqwest::Client, tls: &ClientConfig, proxy: &Proxy, service: &Url) -> Option<u16> {
    let proxy = proxy.url();
    let target = format!("{}:{}", service.host_str()?, service.port_or_known_default()?);
    // The library makes user and password of a URL into a header, here as where it sends CONNECT itself.
    let named = http.get(proxy.clone()).build().ok()?;
    let mut head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    if let Some(authorization) = named.headers().get(AUTHORIZATION) {
        head.extend_from_slice(&[b"Proxy-Authorization: ", authorization.as_bytes(), b"\r\n"].concat());
    }
    head.extend_from_slice(b"\r\n");
    let line = timeout(PATIENCE, connect_and_ask(proxy, tls, &head)).await.ok()?.ok()?;
    status(&line).filter(|status| !(200..300).contains(status))
}

async fn connect_and_ask(proxy: &Url, tls: &ClientConfig, head: &[u8]) -> io::Result<String> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
    let host = proxy.host_str().ok_or_else(invalid)?;
    let stream = TcpStream::connect((unbracketed(host), proxy.port_or_known_default().ok_or_else(invalid)?)).await?;
    match proxy.scheme() {
        "https" => {
            let mut tls = tls.clone();
            // As the library comes, too: CONNECT is spoken in HTTP/1.1.
            tls.alpn_protocols.clear();
            let name = ServerName::try_from(unbracketed(host).to_owned()).map_err(|_| invalid())?;
            ask(TlsConnector::from(Arc::new(tls)).connect(name, stream).await?, head).await
        }
        "http" => ask(stream, head).await,
        // SOCKS has no status.
        _ => Err(invalid()),
    }
}

/// An IPv6 address without the brackets that it has in a URL.
fn unbracketed(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// The first line of what answers.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, head: &[u8]) -> io::Result<String> {
    stream.write_all(head).await?;
    stream.flush().await?;
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
