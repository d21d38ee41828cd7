//! Connections, bodies and TLS.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use csp_api::Tls;
use csp_api::{BuildError, NoObserver, Reason};
use http_body_util::Full;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::CertificateParams;

use crate::fake::{
    API_TOKEN_PATH, Answer, Fake, Request, answer, api, built, client, grant, inline, list, lists, observed,
};
use crate::fake::{failure, gzip, organization, response};
use crate::pki::Pki;

fn good(request: &Request, n: usize) -> Answer {
    if request.path == API_TOKEN_PATH { grant(n, 1800) } else { answer(200, "[]") }
}

fn gzipped(body: &[u8], length: usize) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

#[tokio::test]
async fn a_cut_body_is_body_in_every_framing() {
    let zipped = gzip(&format!("[{}1]", "1,".repeat(5000)));
    let half = zipped[..zipped.len() / 2].to_vec();
    let (zipped_length, half_length) = (zipped.len(), half.len());
    let cut = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[1,".to_vec(),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n[1,\r\n".to_vec(),
        gzipped(&half, zipped_length),
        gzipped(&half, half_length),
    ];
    let cases = cut.map(|bytes| async {
        let fake = lists(move |_| Answer::Close(bytes.clone())).await;
        (failure(&fake).await, fake.requests("/invitations").len())
    });
    for outcome in futures_util::future::join_all(cases).await {
        assert_eq!(outcome, (Reason::Body, 3), "a cut body is worth another attempt");
    }
}

#[tokio::test]
async fn a_call_under_way_makes_its_next_attempt_by_the_new_proxy() {
    let proxy = lists(|_| answer(200, "[1]")).await;
    let mut settings = api("http://upstream.invalid");
    settings.max_attempts = 30;
    settings.proxy_url = Some("http://127.0.0.1:1".into());
    let (client, recorder) = observed(&settings);
    let call = tokio::spawn({
        let client = client.clone();
        async move { list(&client, &organization(1, inline("s"))).await }
    });
    while recorder.count("failure token connect") == 0 {
        tokio::task::yield_now().await;
    }
    settings.proxy_url = Some(proxy.url.as_str().into());
    client.reconfigured(&settings).await.unwrap();
    assert_eq!(call.await.unwrap().unwrap(), "[1]");
}

#[tokio::test]
async fn a_cut_body_leaves_nothing_in_the_next_attempt() {
    let fake = lists(|n| match n {
        0 => Answer::Close(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[1,".to_vec()),
        _ => answer(200, "[2]"),
    })
    .await;
    assert_eq!(list(&client(&fake), &organization(1, inline("s"))).await.unwrap(), "[2]");
}

#[tokio::test]
async fn a_compressed_body_is_unpacked_and_a_broken_one_is_decode() {
    let zipped = gzip("[1]");
    let fake = lists(move |_| Answer::Keep(gzipped(&zipped, zipped.len()))).await;
    assert_eq!(list(&client(&fake), &organization(1, inline("s"))).await.unwrap(), "[1]");
    let fake = lists(|_| Answer::Keep(gzipped(b"this is no gzip at all", 22))).await;
    assert_eq!(failure(&fake).await, Reason::Decode);
}

#[tokio::test]
async fn a_body_past_the_limit_is_too_large_also_when_it_is_small_on_the_wire() {
    let long = format!("[{}1]", "1,".repeat(800_000));
    let zipped = gzip(&long);
    assert!(zipped.len() < 100_000);
    for bytes in [response(200, "", &long), gzipped(&zipped, zipped.len())] {
        let fake = lists(move |_| Answer::Keep(bytes.clone())).await;
        assert_eq!(failure(&fake).await, Reason::TooLarge);
        assert_eq!(fake.requests("/invitations").len(), 1);
    }
}

#[tokio::test]
async fn a_connection_that_is_closed_or_refused_is_connect() {
    let fake = lists(|n| if n < 2 { Answer::Close(Vec::new()) } else { answer(200, "[]") }).await;
    let (client, recorder) = observed(&api(&fake.url));
    list(&client, &organization(1, inline("s"))).await.unwrap();
    assert_eq!(recorder.count("failure invitations connect"), 2, "{:?}", recorder.all());
    assert_eq!(recorder.count("request invitations"), 3, "every request is seen");

    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (client, recorder) = observed(&api(&format!("http://{free}")));
    let error = list(&client, &organization(1, inline("s"))).await.unwrap_err();
    assert_eq!((error.reason, error.detail.as_str()), (Reason::Connect, "connection refused"));
    assert_eq!(recorder.count("request token"), 3);
}

#[tokio::test]
async fn a_connection_that_this_machine_does_not_make_is_named_with_what_to_do_here() {
    // No route leads to the broadcast address from a socket of TCP; some machines forbid it instead.
    let (client, _) = observed(&api("http://255.255.255.255:9"));
    let error = list(&client, &organization(1, inline("s"))).await.unwrap_err();
    assert_eq!(error.reason, Reason::Connect, "{error}");
    assert!(error.detail.contains("(E"), "{error}");
    assert!(error.action().contains("of this machine"), "{}", error.action());
}

#[tokio::test]
async fn a_proxys_password_is_in_no_error() {
    let proxy = Fake::start(|_, _| answer(407, "")).await;
    let mut settings = api("https://upstream.invalid");
    let port = proxy.port();
    settings.proxy_url = Some(format!("http://user:canary@localhost:{port}").into());
    settings.max_attempts = 1;
    let (client, _) = observed(&settings);
    let error = list(&client, &organization(1, inline("s"))).await.unwrap_err();
    assert_eq!(error.reason, Reason::Connect);
    assert!(!format!("{error} {error:?} {client:?}").contains("canary"));
    assert_eq!(proxy.requests("").len(), 1, "the proxy was asked");
}

#[tokio::test]
async fn an_untrusted_certificate_is_tls_and_its_authority_makes_it_work() {
    let pki = Pki::new();
    let fake = Fake::serve(Some(pki.acceptor(false, |_| ())), good).await;
    let error = list(&client(&fake), &organization(1, inline("s"))).await.unwrap_err();
    assert_eq!(error.reason, Reason::Tls);
    assert!(error.detail.contains("unknown issuer"), "{error}");
    assert!(fake.requests("").is_empty(), "nothing was sent");
    for ca_only in [false, true] {
        let mut settings = api(&fake.url);
        settings.tls.ca_file = Some(pki.path("ca.pem"));
        settings.tls.ca_only = ca_only;
        list(&observed(&settings).0, &organization(1, inline("s"))).await.unwrap();
    }
}

#[tokio::test]
async fn an_expired_and_a_foreign_certificate_say_so() {
    let pki = Pki::new();
    let expired = pki.acceptor(false, |params| params.not_after = rcgen::date_time_ymd(2001, 1, 1));
    let foreign = pki.acceptor(false, |params| {
        params.subject_alt_names =
            CertificateParams::new(vec!["elsewhere.example".to_owned()]).unwrap().subject_alt_names;
    });
    for (acceptor, words) in [(expired, "expired"), (foreign, "name mismatch")] {
        let fake = Fake::serve(Some(acceptor), good).await;
        let mut settings = api(&fake.url);
        settings.tls.ca_file = Some(pki.path("ca.pem"));
        let (client, recorder) = observed(&settings);
        let error = list(&client, &organization(1, inline("s"))).await.unwrap_err();
        assert_eq!(error.reason, Reason::Tls);
        assert!(error.detail.contains(words), "{error}");
        assert_eq!(recorder.count("request token"), 1, "no other attempt");
    }
}

#[tokio::test]
async fn plain_http_behind_an_https_url_is_tls() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let (client, _) = observed(&api(&format!("https://{address}")));
    let error = list(&client, &organization(1, inline("s"))).await.unwrap_err();
    assert_eq!((error.reason, error.detail.as_str()), (Reason::Tls, "what answers does not speak TLS"));
}

#[tokio::test]
async fn a_client_certificate_is_presented() {
    let pki = Pki::new();
    let fake = Fake::serve(Some(pki.acceptor(true, |_| ())), good).await;
    let mut settings = api(&fake.url);
    settings.tls.ca_file = Some(pki.path("ca.pem"));
    let error = list(&observed(&settings).0, &organization(1, inline("s"))).await.unwrap_err();
    assert_eq!(error.reason, Reason::Tls, "{error}");

    let (certificate, key) = pki.issue(|_| ());
    std::fs::write(pki.path("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(pki.path("key.pem"), key.serialize_pem()).unwrap();
    settings.tls.cert_file = Some(pki.path("cert.pem"));
    settings.tls.key_file = Some(pki.path("key.pem"));
    list(&observed(&settings).0, &organization(1, inline("s"))).await.unwrap();
}

#[test]
fn unusable_tls_files_are_named() {
    let pki = Pki::new();
    std::fs::write(pki.path("junk.pem"), "junk").unwrap();
    let build = |change: &dyn Fn(&mut Tls)| {
        let mut settings = api("https://localhost");
        change(&mut settings.tls);
        built(&settings, Arc::new(NoObserver)).map(drop).unwrap_err()
    };
    let missing = build(&|tls| tls.ca_file = Some(pki.path("missing.pem")));
    assert!(matches!(missing, BuildError::Unreadable { setting: "ca_file", .. }), "{missing}");
    let junk = build(&|tls| tls.ca_file = Some(pki.path("junk.pem")));
    assert!(junk.to_string().contains("junk.pem holds no PEM certificate"), "{junk}");
    let key = build(&|tls| {
        tls.cert_file = Some(pki.path("ca.pem"));
        tls.key_file = Some(pki.path("junk.pem"));
    });
    assert!(matches!(key, BuildError::Unusable { setting: "key_file", .. }), "{key}");
    let half = build(&|tls| tls.cert_file = Some(pki.path("ca.pem")));
    assert!(matches!(half, BuildError::Incomplete(_)), "{half}");
}

#[tokio::test]
async fn http_2_is_spoken_where_it_is_offered() {
    let pki = Pki::new();
    let acceptor = pki.http_2_acceptor();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = api(&format!("https://localhost:{}", listener.local_addr().unwrap().port()));
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = TokioIo::new(acceptor.accept(stream).await.unwrap());
        let service = service_fn(|request: http::Request<hyper::body::Incoming>| async move {
            let exchange = request.uri().path() == API_TOKEN_PATH;
            let body = if exchange { r#"{"access_token":"a","expires_in":1800}"# } else { "[2]" };
            Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from_static(body.as_bytes()))))
        });
        // One connection carries both requests: a second one is never accepted.
        http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await.unwrap();
    });
    settings.tls.ca_file = Some(pki.path("ca.pem"));
    assert_eq!(list(&observed(&settings).0, &organization(1, inline("s"))).await.unwrap(), "[2]");
}
