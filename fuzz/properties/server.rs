//! Whatever bytes a client sends, the server answers in HTTP or closes, and goes on serving the next one.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use exporter_toolkit::exposition::Scrape;
use exporter_toolkit::web::{Access, Application, Settings, Web};
use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

struct Up;

impl Application for Up {
    fn scrape(&self, _accept: Option<&str>, _accept_encoding: Option<&str>) -> Scrape {
        Scrape {
            content_type: "text/plain".to_owned(),
            content_encoding: None,
            body: std::iter::once(Bytes::from_static(b"up 1\n")).collect(),
        }
    }

    fn health(&self) -> Result<(), String> {
        Ok(())
    }

    fn ready(&self) -> Result<(), String> {
        Err("not yet".to_owned())
    }

    fn reload(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }

    fn count_request(&self, _handler: &'static str, _status: u16) {}
}

static SERVER: LazyLock<(Runtime, SocketAddr)> = LazyLock::new(|| {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let address = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let web = Web::new(Arc::new(Up), Access::open(), Settings::default(), Vec::new());
        tokio::spawn(async move { web.serve(vec![listener], CancellationToken::new()).await });
        address
    });
    (runtime, address)
});

/// All that the server says to these bytes; with `ends`, no more of them can come.
async fn answers(address: SocketAddr, bytes: &[u8], ends: bool) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("it accepts");
    let _ = stream.write_all(bytes).await;
    if ends {
        let _ = stream.shutdown().await;
    }
    let mut said = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut said)).await;
    assert!(read.is_ok(), "it neither answers nor closes");
    said
}

pub(crate) fn holds(bytes: &[u8]) {
    let (runtime, address) = &*SERVER;
    runtime.block_on(async {
        let said = answers(*address, bytes, true).await;
        // Also to the preface of HTTP/2, which plain listeners don't speak.
        assert!(said.is_empty() || said.starts_with(b"HTTP/1."), "{}", String::from_utf8_lossy(&said));
        let status = said.get(9..12).unwrap_or_default();
        assert!(status != b"500", "{}", String::from_utf8_lossy(&said));
        let scrape = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let next = answers(*address, scrape, false).await;
        assert!(next.starts_with(b"HTTP/1.1 200 ") && next.ends_with(b"up 1\n"), "{}", String::from_utf8_lossy(&next));
    });
}
