//! An upstream in TLS that follows scripts, over HTTP/1.1 or HTTP/2, and can fail before either begins.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;

use crate::ends::{cut, drain, reset};
use crate::fake::{Request, receive};
use crate::http_2;
use crate::pki::Identities;
use crate::script::{Step, http1_head};

/// What is spoken inside of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Http {
    One,
    Two,
}

/// What becomes of a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Open,
    /// Nothing is ever said.
    Silent,
    Closed,
    Reset,
    /// These bytes in place of TLS.
    Says(&'static [u8]),
    /// The handshake begins, and then:
    SilentAfterHello,
    ClosedAfterHello,
    ResetAfterHello,
    /// Certificates that nobody should trust.
    Expired,
    OtherName,
    Stranger,
}

type Handler = dyn Fn(&Request) -> Vec<Step> + Send + Sync;

/// One host.
pub(crate) struct Upstream {
    pub(crate) port: u16,
    door: watch::Sender<Door>,
    host: Arc<Host>,
}

struct Host {
    http: Http,
    identities: Arc<Identities>,
    handler: Box<Handler>,
    log: Mutex<Vec<Request>>,
}

impl Upstream {
    pub(crate) async fn start(
        http: Http,
        identities: Arc<Identities>,
        handler: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (door, opened) = watch::channel(Door::Open);
        let host = Arc::new(Host { http, identities, handler: Box::new(handler), log: Mutex::default() });
        tokio::spawn(accept(listener, Arc::clone(&host), opened));
        Self { port, door, host }
    }

    /// Ends the connections that there are, and treats new ones so.
    pub(crate) fn door(&self, door: Door) {
        self.door.send_replace(door);
    }

    /// How many lists were asked for below this path.
    pub(crate) fn requests(&self, path: &str) -> usize {
        self.host.log.lock().iter().filter(|request| request.path.contains(path)).count()
    }
}

async fn accept(listener: TcpListener, host: Arc<Host>, door: watch::Receiver<Door>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (host, mut door) = (Arc::clone(&host), door.clone());
        tokio::spawn(async move {
            let now = *door.borrow_and_update();
            tokio::select! {
                () = connection(stream, &host, now) => {}
                changed = door.changed() => drop(changed),
            }
        });
    }
}

async fn connection(mut stream: TcpStream, host: &Arc<Host>, door: Door) {
    let identities = &host.identities;
    let acceptor = match door {
        Door::Open => identities.good(host.http),
        Door::Expired => &identities.expired,
        Door::OtherName => &identities.other_name,
        Door::Stranger => &identities.stranger,
        Door::Silent => return drain(&mut stream).await,
        Door::Closed => return,
        Door::Reset => return reset(&stream),
        Door::Says(words) => {
            let _ = stream.write_all(words).await;
            let _ = stream.shutdown().await;
            return drain(&mut stream).await;
        }
        Door::SilentAfterHello | Door::ClosedAfterHello | Door::ResetAfterHello => {
            let mut hello = [0; 64];
            let _ = stream.read_exact(&mut hello).await;
            return match door {
                Door::SilentAfterHello => drain(&mut stream).await,
                Door::ResetAfterHello => reset(&stream),
                _ => drop(stream.shutdown().await),
            };
        }
    };
    let Ok(stream) = acceptor.accept(stream).await else { return };
    match host.http {
        Http::One => one(stream, host).await,
        Http::Two => {
            let host = Arc::clone(host);
            http_2::serve(stream, Arc::new(move |request| host.answer(request))).await;
        }
    }
}

impl Host {
    fn answer(&self, request: Request) -> Vec<Step> {
        let script = (self.handler)(&request);
        self.log.lock().push(request);
        script
    }
}

async fn one(mut stream: TlsStream<TcpStream>, host: &Host) {
    let mut buffer = Vec::new();
    while let Some(request) = receive(&mut stream, &mut buffer).await {
        let script = host.answer(request);
        let mut kept = Vec::new();
        let is_cut = script.iter().any(|step| matches!(step, Step::CutAfter(_)));
        for step in script {
            let sent = match step {
                Step::Head(status, headers) if is_cut => {
                    kept.extend(http1_head(status, &headers));
                    Ok(())
                }
                Step::Body(bytes, ..) if is_cut => {
                    kept.extend(bytes);
                    Ok(())
                }
                Step::Head(status, headers) => stream.write_all(&http1_head(status, &headers)).await,
                Step::Body(bytes, times, pause) => repeat(&mut stream, &bytes, times, pause).await,
                Step::Raw(bytes, times, pause) => repeat(&mut stream, &bytes(0), times, pause).await,
                Step::End => Ok(()),
                Step::CutAfter(length) => {
                    let _ = stream.write_all(&kept[..length]).await;
                    return cut(stream).await;
                }
                Step::Close => return drop(stream.shutdown().await),
                Step::Cut => return cut(stream).await,
                Step::Reset => {
                    let _ = stream.flush().await;
                    return reset(stream.get_ref().0);
                }
                Step::Hang => return drain(&mut stream).await,
            };
            if sent.is_err() || stream.flush().await.is_err() {
                return;
            }
        }
    }
}

async fn repeat(stream: &mut TlsStream<TcpStream>, bytes: &[u8], times: usize, pause: Duration) -> io::Result<()> {
    for _ in 0..times {
        if !pause.is_zero() {
            stream.flush().await?;
            tokio::time::sleep(pause).await;
        }
        stream.write_all(bytes).await?;
    }
    Ok(())
}
