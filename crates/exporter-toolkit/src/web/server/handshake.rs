//! From TCP to TLS, with the certificate that is on disk at this moment.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::server::Acceptor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::Protocol;
use super::connection_state::ConnectionState;
use super::watch::Watched;
use crate::web::Access;

/// What a TLS record starts with that starts a handshake (RFC 8446, 5.1).
const HANDSHAKE_RECORD: u8 = 22;

const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 48\r\nConnection: close\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// The stream after its handshake, and what was agreed to be spoken.
///
/// Waits for the peer: callers limit the time.
///
/// # Errors
/// No handshake: the peer's fault, or that of the settings, which are read here.
pub(super) async fn secure(
    stream: TcpStream,
    access: &Arc<Access>,
    state: &Arc<ConnectionState>,
) -> io::Result<(TlsStream<Watched<TcpStream>>, Protocol)> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    if first[0].is_ascii_uppercase() {
        return Err(refuse_plain(stream).await);
    }
    if first[0] != HANDSHAKE_RECORD {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a TLS handshake"));
    }
    let stream = Watched { stream, reads: None, writes: Some(Arc::clone(state)) };
    let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    // Only now: a peer that never says hello costs no reading of files.
    let config = access.tls_config().await?;
    let stream = hello.into_stream(config).await?;
    let protocol = match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        _ => Protocol::Http1,
    };
    Ok((stream, protocol))
}

/// Tells a client that forgot the `s` what is wrong, in words that it can show.
async fn refuse_plain(mut stream: TcpStream) -> io::Error {
    let told = async {
        stream.write_all(PLAIN_HTTP).await?;
        stream.shutdown().await?;
        // Closing with unread input would reset the connection, and the answer with it.
        let mut unread = [0; 1024];
        for _ in 0..16 {
            if stream.read(&mut unread).await? == 0 {
                break;
            }
        }
        Ok::<_, io::Error>(())
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), told).await;
    io::Error::new(io::ErrorKind::InvalidData, "plain HTTP on a TLS listener")
}
