//! Answers in HTTP/2, as the boxes in between make them.

use std::time::Duration;

use bytes::Bytes;
use csp_api::{Operation, Reason};
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Response};
use tokio::net::TcpListener;

use crate::boxes::lines;
use crate::fake::{API_TOKEN_PATH, Answer, answer, api, client, inline, list, lists, observed, organization};
use crate::pki::Pki;

/// A service that speaks HTTP/2 over TLS; `respond` answers what is not an exchange.
async fn http_2(respond: impl Fn(SendResponse<Bytes>) + Clone + Send + 'static) -> (Pki, u16) {
    let pki = Pki::new();
    let acceptor = pki.http_2_acceptor();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, respond) = (acceptor.clone(), respond.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                while let Some(Ok((request, mut sender))) = connection.accept().await {
                    if request.uri().path() == API_TOKEN_PATH {
                        let body = r#"{"access_token":"a","expires_in":1800}"#;
                        sender.send_response(Response::new(()), false).unwrap().send_data(body.into(), true).unwrap();
                    } else {
                        respond(sender);
                    }
                }
            });
        }
    });
    (pki, port)
}

async fn list_over_http_2(
    respond: impl Fn(SendResponse<Bytes>) + Clone + Send + 'static,
) -> (Result<String, csp_api::Error>, usize) {
    let (pki, port) = http_2(respond).await;
    let mut settings = api(&format!("https://localhost:{port}"));
    settings.tls.ca_file = Some(pki.path("ca.pem"));
    let (client, recorder) = observed(&settings);
    let outcome = list(&client, &organization(1, inline("s"))).await;
    (outcome, recorder.count("request invitations"))
}

fn headers(count: usize, length: usize) -> HeaderMap {
    lines(count, length)
        .iter()
        .map(|(n, v)| (n.parse::<http::HeaderName>().unwrap(), HeaderValue::try_from(v).unwrap()))
        .collect()
}

#[tokio::test]
async fn up_to_256_header_lines_and_64_kib_are_read_in_http_2() {
    let respond = |count: usize, length: usize| {
        move |mut sender: SendResponse<Bytes>| {
            let mut response = Response::new(());
            *response.headers_mut() = headers(count, length);
            let mut body = sender.send_response(response, false).unwrap();
            let _ = body.send_data("[1]".into(), true);
        }
    };
    for (count, length) in [(256, 240), (4, 16 * 1024), (64, 1000)] {
        let (outcome, _) = list_over_http_2(respond(count, length)).await;
        assert_eq!(outcome.unwrap(), "[1]", "{count} of {length}");
    }
    for (count, length) in [(300, 10), (100, 1024), (700, 1024), (4000, 1024)] {
        let (outcome, requests) = list_over_http_2(respond(count, length)).await;
        let error = outcome.unwrap_err();
        assert_eq!((error.reason, requests), (Reason::TooLarge, 1), "{count} of {length}: {error}");
        assert!(error.detail.contains("header"), "{error}");
    }
}

#[tokio::test]
async fn interim_answers_are_passed_over_in_http_2() {
    let (outcome, _) = list_over_http_2(|mut sender| {
        for status in [100, 103, 103] {
            let _ = sender.send_informational(Response::builder().status(status).body(()).unwrap());
        }
        sender.send_response(Response::new(()), false).unwrap().send_data("[1]".into(), true).unwrap();
    })
    .await;
    assert_eq!(outcome.unwrap(), "[1]");
}

#[tokio::test]
async fn a_stream_that_is_broken_off_says_by_whom_and_why() {
    for reason in
        [h2::Reason::REFUSED_STREAM, h2::Reason::INTERNAL_ERROR, h2::Reason::CANCEL, h2::Reason::HTTP_1_1_REQUIRED]
    {
        let (outcome, requests) = list_over_http_2(move |mut sender| sender.send_reset(reason)).await;
        let error = outcome.unwrap_err();
        assert_eq!((error.operation, error.reason, requests), (Operation::Invitations, Reason::Connect, 3), "{error}");
        assert!(error.detail.contains(&format!("{reason:?}")) && error.detail.contains("HTTP/2 stream"), "{error}");
        assert!(!error.action().contains("DNS") && !error.detail.contains("closed"), "{error} {}", error.action());
    }
    let calm = h2::Reason::ENHANCE_YOUR_CALM;
    let (outcome, requests) = list_over_http_2(move |mut sender| sender.send_reset(calm)).await;
    assert_eq!((outcome.unwrap_err().reason, requests), (Reason::RateLimited, 3));
    let (outcome, requests) = list_over_http_2(|mut sender| {
        let mut body = sender.send_response(Response::new(()), false).unwrap();
        body.send_data("[1,".into(), false).unwrap();
        // What is not under way when a stream is broken off is not sent any more.
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            body.send_reset(h2::Reason::INTERNAL_ERROR);
        });
    })
    .await;
    let error = outcome.unwrap_err();
    assert_eq!((error.reason, requests), (Reason::Body, 3), "{error}");
}

#[tokio::test]
async fn http_2_that_is_none_is_named_as_such() {
    let pki = Pki::new();
    let acceptor = pki.http_2_acceptor();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = api(&format!("https://localhost:{}", listener.local_addr().unwrap().port()));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]")
                .await;
            let _ = tokio::io::AsyncWriteExt::flush(&mut stream).await;
            tokio::spawn(async move { tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 1024]).await });
        }
    });
    settings.tls.ca_file = Some(pki.path("ca.pem"));
    let error = list(&observed(&settings).0, &organization(1, inline("s"))).await.unwrap_err();
    assert_eq!(error.reason, Reason::Decode, "{error}");
    assert!(error.detail.contains("rules of HTTP/2"), "{error}");
}

#[tokio::test]
async fn http_2_frames_in_place_of_http_1_are_named_as_such() {
    let fake =
        lists(|n| if n == 0 { Answer::Close(b"\0\0\x12\x04\0\0\0\0\0".to_vec()) } else { answer(200, "[]") }).await;
    let error = list(&client(&fake), &organization(1, inline("s"))).await.unwrap_err();
    assert_eq!(error.reason, Reason::Decode, "{error}");
}
