//! HTTP/2 that follows scripts: what the library can say, and what it never would.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use h2::SendStream;
use h2::server::SendResponse;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, split};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;

use crate::ends::{MOMENT, cut, reset};
use crate::fake::Request;
use crate::script::{Step, frames};

/// What goes onto the wire of HTTP/2 besides what the library sends.
enum Order {
    /// Frames.
    Bytes(Vec<u8>),
    /// What the client says is not heard any more.
    Deaf,
    End(Step),
}

/// What is answered to a request.
type Handler = dyn Fn(Request) -> Vec<Step> + Send + Sync;

/// Serves one connection.
pub(crate) async fn serve(stream: TlsStream<TcpStream>, handler: Arc<Handler>) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let (orders, inbox) = mpsc::channel(8);
    let mut tasks = JoinSet::new();
    tasks.spawn(wire(stream, far, inbox));
    let Ok(mut connection) = h2::server::handshake(near).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let (orders, handler) = (orders.clone(), Arc::clone(&handler));
        tasks.spawn(async move {
            let _ = answer(request, respond, &orders, &*handler).await;
        });
    }
}

/// Carries bytes between the client and the library, and what scripts put in between.
async fn wire(stream: TlsStream<TcpStream>, library: DuplexStream, mut orders: mpsc::Receiver<Order>) {
    let ((mut from_client, mut to_client), (mut from_library, mut to_library)) = (split(stream), split(library));
    let (deaf, is_deaf) = watch::channel(false);
    let up = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            if !*is_deaf.borrow() && to_library.write_all(&buffer[..length]).await.is_err() {
                return Step::Cut;
            }
        }
        Step::Cut
    };
    let down = async {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let sent = tokio::select! {
                biased;
                read = from_library.read(&mut buffer) => match read {
                    Ok(length @ 1..) => to_client.write_all(&buffer[..length]).await,
                    _ => return Step::Cut,
                },
                order = orders.recv() => match order {
                    Some(Order::Bytes(bytes)) => to_client.write_all(&bytes).await,
                    Some(Order::Deaf) => {
                        deaf.send_replace(true);
                        Ok(())
                    }
                    Some(Order::End(step)) => {
                        let _ = to_client.flush().await;
                        return step;
                    }
                    None => return Step::Cut,
                },
            };
            if sent.is_err() || to_client.flush().await.is_err() {
                return Step::Cut;
            }
        }
    };
    let end = tokio::select! {
        end = up => end,
        end = down => end,
    };
    let mut stream = from_client.unsplit(to_client);
    match end {
        Step::Close => drop(stream.shutdown().await),
        Step::Reset => reset(stream.get_ref().0),
        _ => cut(stream).await,
    }
}

async fn answer(
    request: http::Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
    orders: &mpsc::Sender<Order>,
    handler: &Handler,
) -> Result<(), h2::Error> {
    let (parts, mut content) = request.into_parts();
    let mut body = Vec::new();
    while let Some(chunk) = content.data().await {
        let chunk = chunk?;
        content.flow_control().release_capacity(chunk.len())?;
        body.extend(chunk);
    }
    let headers: HashMap<_, _> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned()))
        .collect();
    let script = handler(Request {
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers,
        body: String::from_utf8(body).unwrap(),
        at: tokio::time::Instant::now(),
    });
    let is_usual = |step: &Step| matches!(step, Step::Head(..) | Step::Body(..) | Step::End | Step::Hang);
    if script.iter().all(is_usual) {
        return usual(script, respond).await;
    }
    let _ = unusual(script, respond.stream_id().as_u32(), orders).await;
    // Dropping it would say that the stream is over.
    let () = std::future::pending().await;
    respond.send_reset(h2::Reason::CANCEL);
    Ok(())
}

/// What the library can say.
async fn usual(script: Vec<Step>, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut stream: Option<SendStream<Bytes>> = None;
    for step in script {
        match (step, &mut stream) {
            (Step::Head(status, headers), _) => {
                let mut response = http::Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                stream = Some(respond.send_response(response.body(()).unwrap(), false)?);
            }
            (Step::Body(bytes, times, pause), Some(stream)) => {
                for _ in 0..times {
                    tokio::time::sleep(pause).await;
                    send(stream, bytes.clone()).await?;
                }
            }
            (Step::End, Some(stream)) => stream.send_data(Bytes::new(), true)?,
            _ => {
                let () = std::future::pending().await;
            }
        }
    }
    Ok(())
}

/// Sends no more than the other end takes.
async fn send(stream: &mut SendStream<Bytes>, mut bytes: Bytes) -> Result<(), h2::Error> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        while stream.capacity() == 0 {
            match std::future::poll_fn(|context| stream.poll_capacity(context)).await {
                Some(capacity) => drop(capacity?),
                None => return Err(h2::Reason::CANCEL.into()),
            }
        }
        let piece = bytes.split_to(stream.capacity().min(bytes.len()));
        stream.send_data(piece, false)?;
    }
    Ok(())
}

/// What the library would never say: frames by hand, in their order with the end of the connection.
async fn unusual(
    script: Vec<Step>,
    stream: u32,
    orders: &mpsc::Sender<Order>,
) -> Result<(), mpsc::error::SendError<Order>> {
    let mut kept = Vec::new();
    let is_cut = script.iter().any(|step| matches!(step, Step::CutAfter(_)));
    if is_cut || script.iter().any(|step| matches!(step, Step::Close | Step::Cut | Step::Reset)) {
        // For a moment after it has sent a request the client's library looks at the connection alone: if that has ended, a
        // request has failed with it, whatever of an answer has come. No network is as fast as that.
        tokio::time::sleep(MOMENT).await;
    }
    for step in script {
        match step {
            Step::Head(status, headers) => kept.extend(frames::head(stream, status, &headers)),
            Step::Body(bytes, ..) => kept.extend(frames::frame(frames::DATA, 0, stream, &bytes)),
            Step::End => kept.extend(frames::frame(frames::DATA, frames::END_STREAM, stream, &[])),
            Step::CutAfter(length) => {
                kept.truncate(length);
                orders.send(Order::Bytes(std::mem::take(&mut kept))).await?;
                orders.send(Order::End(Step::Cut)).await?;
            }
            Step::Raw(bytes, times, pause) => {
                orders.send(Order::Bytes(std::mem::take(&mut kept))).await?;
                if times > 1 {
                    // The library would end the connection over the answers to what it has not sent.
                    orders.send(Order::Deaf).await?;
                }
                // Many small frames at once: a write for each of them would be the test's own cost.
                let unit = bytes(stream);
                let batch = if pause.is_zero() { times.min((16 << 10) / unit.len() + 1) } else { 1 };
                let batched = unit.repeat(batch);
                for _ in 0..times / batch {
                    tokio::time::sleep(pause).await;
                    orders.send(Order::Bytes(batched.clone())).await?;
                }
            }
            Step::Close | Step::Cut | Step::Reset => {
                orders.send(Order::Bytes(std::mem::take(&mut kept))).await?;
                orders.send(Order::End(step)).await?;
            }
            Step::Hang => break,
        }
        if !is_cut && !kept.is_empty() {
            orders.send(Order::Bytes(std::mem::take(&mut kept))).await?;
        }
    }
    Ok(())
}
