//! How a connection ends.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// What an answer takes at least whose connection ends with it.
pub(crate) const MOMENT: Duration = Duration::from_millis(50);

/// Reads until the other end has had enough.
pub(crate) async fn drain(stream: &mut (impl tokio::io::AsyncRead + Unpin)) {
    let mut buffer = vec![0; 16 << 10];
    while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
}

/// Ends the connection without a word of TLS. What was sent before arrives, which a reset could overtake.
pub(crate) async fn cut(mut stream: TlsStream<TcpStream>) {
    let _ = stream.flush().await;
    let mut plain = stream.into_inner().0;
    let _ = plain.shutdown().await;
    drain(&mut plain).await;
}

/// The connection is reset when it is dropped.
pub(crate) fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}
