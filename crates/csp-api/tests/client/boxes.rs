//! Answers as the boxes in between make them.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use csp_api::{Operation, Reason};
use flate2::Compression;
use flate2::write::GzEncoder;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Response};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::fake::{
    API_TOKEN_PATH, Answer, answer, api, client, gzip, inline, list, lists, observed, organization, response,
};
use crate::pki::Pki;

fn packed(encoding: &str, body: &[u8]) -> Answer {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\ncontent-length: {}\r\n\r\n", body.len());
    Answer::Keep([head.as_bytes(), body].concat())
}

#[tokio::test]
async fn gzip_is_unpacked_whatever_it_is_called_and_in_any_number_of_members() {
    let members: Vec<u8> = ["[1,", "", "2", ",3]"].into_iter().flat_map(gzip).collect();
    for encoding in ["gzip", "GZIP", "x-gzip", "X-GZip", "identity, gzip"] {
        let members = members.clone();
        let fake = lists(move |_| packed(encoding, &members)).await;
        assert_eq!(list(&client(&fake), &organization(1, inline("s"))).await.unwrap(), "[1,2,3]", "{encoding}");
    }
    for encoding in ["identity", "Identity", ""] {
        let fake = lists(move |_| packed(encoding, b"[4]")).await;
        assert_eq!(list(&client(&fake), &organization(1, inline("s"))).await.unwrap(), "[4]", "{encoding}");
    }
}

#[tokio::test]
async fn members_are_unpacked_piece_by_piece_whatever_they_hold() {
    // 400 members that unpack to 200 KiB each: past the limit, and found out while it is unpacked.
    let member = gzip(&" ".repeat(200 * 1024));
    let fake = lists(move |_| packed("gzip", &member.repeat(400))).await;
    let (client, recorder) = observed(&api(&fake.url));
    let error = list(&client, &organization(1, inline("s"))).await.unwrap_err();
    assert_eq!(error.reason, Reason::TooLarge);
    assert!(error.action().contains("api.max_response_size"), "{}", error.action());
    let read = recorder.all().iter().find_map(|event| event.strip_prefix("bytes invitations ")?.parse::<usize>().ok());
    assert!(read.unwrap() <= 1024 * 1024 + 64 * 1024, "{read:?} bytes were unpacked");
}

#[tokio::test]
async fn a_packing_that_was_not_asked_for_is_named() {
    for (encoding, named) in [("br", "br"), ("Zstd", "zstd"), ("gzip, deflate", "deflate"), ("gzip, gzip", "twice")] {
        let fake = lists(move |_| packed(encoding, b"canary")).await;
        let error = list(&client(&fake), &organization(1, inline("s"))).await.unwrap_err();
        assert_eq!(error.reason, Reason::Decode);
        assert!(error.detail.contains(named), "{error}");
        assert_eq!(fake.requests("/invitations").len(), 1, "it would be the same again");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_packed_body_is_told_apart() {
    let whole = gzip("[1]");
    let (cut, mut damaged) = (whole[..whole.len() - 5].to_vec(), whole.clone());
    damaged[whole.len() - 6] ^= 1;
    let garbage = [whole.as_slice(), b"garbage"].concat();
    for (body, reason, words) in [
        (cut, Reason::Body, "cut"),
        (damaged, Reason::Decode, "gzip"),
        (b"[1]".to_vec(), Reason::Decode, "no gzip"),
        (garbage, Reason::Decode, "gzip"),
    ] {
        let fake = lists(move |_| packed("gzip", &body)).await;
        let error = list(&client(&fake), &organization(1, inline("s"))).await.unwrap_err();
        assert_eq!(error.reason, reason, "{error}");
        assert!(error.detail.contains(words), "{error}");
    }
    let fake = lists(|_| packed("gzip", b"")).await;
    let error = list(&client(&fake), &organization(1, inline("s"))).await.unwrap_err();
    assert!(matches!(error.reason, Reason::Decode | Reason::Body), "{error}");
}

#[tokio::test]
async fn the_codes_of_a_packed_error_are_read() {
    let body = gzip(r#"{"cspErrorCode":"a.b"}"#);
    let fake = lists(move |_| {
        let head = format!("HTTP/1.1 403 X\r\ncontent-encoding: X-GZIP\r\ncontent-length: {}\r\n\r\n", body.len());
        Answer::Keep([head.as_bytes(), &body].concat())
    })
    .await;
    let error = list(&client(&fake), &organization(1, inline("s"))).await.unwrap_err();
    assert_eq!((error.reason, error.detail.as_str()), (Reason::Forbidden, "the service says a.b"));
}

/// Header lines `x-0`, `x-1` and so on, each with a value of this length.
fn lines(count: usize, length: usize) -> Vec<(String, String)> {
    (0..count).map(|number| (format!("x-{number}"), "v".repeat(length))).collect()
}

fn http_1(lines: &[(String, String)]) -> Answer {
    let head: Vec<String> = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    Answer::Keep(response(200, &head.concat(), "[1]"))
}

#[tokio::test]
async fn up_to_256_header_lines_and_64_kib_are_read_in_http_1() {
    for (count, length) in [(256, 240), (1, 64 * 1024), (64, 1000)] {
        let fake = lists(move |_| http_1(&lines(count, length))).await;
        assert_eq!(list(&client(&fake), &organization(1, inline("s"))).await.unwrap(), "[1]", "{count} of {length}");
    }
    for (count, length) in [(300, 10), (1000, 10), (100, 1024), (1, 2 << 20)] {
        let fake = lists(move |_| http_1(&lines(count, length))).await;
        let error = list(&client(&fake), &organization(1, inline("s"))).await.unwrap_err();
        assert_eq!(error.reason, Reason::TooLarge, "{count} of {length}: {error}");
        assert!(error.detail.contains("header"), "{error}");
        assert!(!error.action().contains("max_response_size"), "{}", error.action());
        assert_eq!(fake.requests("/invitations").len(), 1, "it would be the same again");
    }
}

#[tokio::test]
async fn interim_answers_are_passed_over() {
    for interim in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 102 Processing\r\nx: y\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
    ] {
        let fake = lists(move |_| Answer::Keep([interim.as_bytes(), &response(200, "", "[1]")].concat())).await;
        assert_eq!(list(&client(&fake), &organization(1, inline("s"))).await.unwrap(), "[1]", "{interim}");
    }
}

#[tokio::test]
async fn what_is_not_http_is_named_as_such() {
    for bytes in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "220 mail ESMTP\r\n",
        "<html>canary</html>",
        "HTTP/1.1 2xx OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",
    ] {
        let fake = lists(move |_| Answer::Close(bytes.as_bytes().to_vec())).await;
        let error = list(&client(&fake), &organization(1, inline("s"))).await.unwrap_err();
        assert_eq!(error.reason, Reason::Decode, "{bytes:?}: {error}");
        assert!(error.detail.contains("not HTTP") && !format!("{error:?}").contains("canary"), "{error}");
        assert_eq!(fake.requests("/invitations").len(), 1, "{bytes:?}: it would be the same again");
    }
    let fake =
        lists(|_| Answer::Close(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n[1]".to_vec())).await;
    let error = list(&client(&fake), &organization(1, inline("s"))).await.unwrap_err();
    assert_eq!(error.reason, Reason::Body, "{error}");
    assert!(error.detail.contains("chunks"), "{error}");
}

#[tokio::test]
async fn a_redirect_and_an_answer_for_a_cache_are_told_apart() {
    for (status, words) in [(302, "a redirect"), (308, "a redirect"), (304, "a cache"), (300, "")] {
        let fake = lists(move |_| Answer::Keep(response(status, "location: /canary\r\n", ""))).await;
        let error = list(&client(&fake), &organization(1, inline("s"))).await.unwrap_err();
        assert_eq!((error.reason, error.status), (Reason::UnexpectedStatus, Some(status)));
        assert!(error.detail.contains(words) && !(status == 304 && error.detail.contains("redirect")), "{error}");
        assert!(!format!("{error:?}").contains("canary"));
    }
}

/// A service that speaks HTTP/2 over TLS; `respond` answers what is not an exchange.
async fn http_2(respond: impl Fn(SendResponse<Bytes>) + Clone + Send + 'static) -> (Pki, u16) {
    let pki = Pki::new();
    let mut config = ServerConfig::clone(pki.acceptor(false, |_| ()).config());
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
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
    let mut config = ServerConfig::clone(pki.acceptor(false, |_| ()).config());
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
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

/// A stream of `[0,0,0…]` packed as well as it can be.
fn bomb(unpacked: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(b"".to_vec(), Compression::best());
    let zeros = vec![b' '; 1 << 20];
    for _ in 0..unpacked >> 20 {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_bomb_is_given_up_at_the_limit() {
    let bomb = bomb(256 << 20);
    assert!(bomb.len() < 1 << 20, "its packed length tells nothing");
    let fake = lists(move |_| packed("gzip", &bomb)).await;
    let (client, recorder) = observed(&api(&fake.url));
    assert_eq!(list(&client, &organization(1, inline("s"))).await.unwrap_err().reason, Reason::TooLarge);
    let read = recorder.all().iter().find_map(|event| event.strip_prefix("bytes invitations ")?.parse::<usize>().ok());
    assert!(read.unwrap() <= 1024 * 1024 + 64 * 1024, "{read:?} bytes were unpacked");
}
