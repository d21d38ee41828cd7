//! The wire between client and server, which can be cut in the worst way: nothing passes any more, and nobody closes it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Forwards connections to a server.
pub(crate) struct Wire {
    pub(crate) port: u16,
    /// Connections below this number are silent.
    silent: Arc<watch::Sender<usize>>,
    made: Arc<AtomicUsize>,
    closed: watch::Receiver<usize>,
}

impl Wire {
    pub(crate) async fn to(server: u16) -> Self {
        Self::start(server, false).await
    }

    /// As a proxy that takes `CONNECT`.
    pub(crate) async fn proxy(server: u16) -> Self {
        Self::start(server, true).await
    }

    async fn start(server: u16, is_proxy: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (count, closed) = watch::channel(0);
        let wire =
            Self { port: listener.local_addr().unwrap().port(), silent: Arc::default(), made: Arc::default(), closed };
        let (silent, made) = (Arc::clone(&wire.silent), Arc::clone(&wire.made));
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let number = made.fetch_add(1, SeqCst);
                let (silent, count) = (silent.subscribe(), count.clone());
                tokio::spawn(async move {
                    if is_proxy {
                        tunnel(&mut client).await;
                    }
                    let server = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], server))).await.unwrap();
                    let ((from_client, to_client), (from_server, to_server)) =
                        (client.into_split(), server.into_split());
                    tokio::join!(
                        async {
                            forward(from_client, to_server, number, silent.clone()).await;
                            count.send_modify(|count| *count += 1);
                        },
                        forward(from_server, to_client, number, silent.clone()),
                    );
                });
            }
        });
        wire
    }

    /// Makes every connection that there is silent, for ever.
    pub(crate) fn go_silent(&self) {
        self.silent.send_replace(self.made());
    }

    /// Makes the next `count` connections silent from their beginning.
    pub(crate) fn be_silent_next(&self, count: usize) {
        self.silent.send_replace(self.made() + count);
    }

    /// How many connections there have been.
    pub(crate) fn made(&self) -> usize {
        self.made.load(SeqCst)
    }

    /// Waits until the client has closed this many connections.
    pub(crate) async fn closed(&self, count: usize) {
        self.closed.clone().wait_for(|&closed| closed >= count).await.unwrap();
    }
}

/// Until the end; a silent one takes what comes and lets nothing through.
async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, number: usize, silent: watch::Receiver<usize>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if number >= *silent.borrow() && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn tunnel(client: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"CONNECT "));
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
}
