//! Answers as the boxes in between make them.

use std::io::Write as _;

use csp_api::Reason;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::fake::{Answer, api, client, gzip, inline, list, lists, observed, organization, response};

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
pub(crate) fn lines(count: usize, length: usize) -> Vec<(String, String)> {
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
