//! A connection that goes silent without being closed.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::binary::Exporter;
use crate::setup::{Folder, id};
use crate::wire::Wire;

/// A service that speaks HTTP/2 over TLS and knows every organization: its port, and its certificate.
async fn service() -> (u16, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = service_fn(|request: http::Request<hyper::body::Incoming>| async move {
                    let body = match request.uri().path() {
                        path if path.ends_with("/auth/token") => r#"{"access_token":"a","expires_in":1800}"#,
                        path if path.ends_with("/invitations") => r#"[{"status":"REDEEMED"}]"#,
                        _ => r#"{"displayName":"A Name"}"#,
                    };
                    Ok::<_, Infallible>(http::Response::new(Full::new(bytes::Bytes::from_static(body.as_bytes()))))
                });
                let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (port, certificate.pem())
}

#[tokio::test]
async fn two_hundred_organizations_go_on_within_the_attempts_of_one_poll() {
    let (port, certificate) = service().await;
    let wire = Wire::to(port).await;
    let folder = Folder::new();
    folder.write("ca.pem", &certificate);
    folder.write("secret", "anything");
    let mut yaml = format!(
        "api: {{url: 'https://localhost:{}', requests_per_second: 0, timeout: 3s, tls: {{ca_file: ca.pem, ca_only: true}}}}\n\
         poll: {{interval: 10s}}\ncredentials: {{app: {{client_id: id, client_secret_file: secret}}}}\norganizations:\n",
        wire.port
    );
    for number in 0..200 {
        writeln!(yaml, "- {{id: {}, name: org-{number}, credentials: app}}", id(number)).unwrap();
    }
    folder.write("config.yaml", &yaml);
    let exporter = Exporter::start(&folder, &[]).await;
    exporter.until("all are there", |scrape| scrape.sum("csp_up", &[]) == 200.0).await;

    wire.go_silent();
    let start = Instant::now();
    let polls = |scrape: &crate::scrape::Scrape| scrape.sum("csp_polls_total", &[]);
    let before = polls(&exporter.scrape().await);
    let after = exporter.until("all were polled twice", |scrape| polls(scrape) >= before + 400.0).await;
    assert!(start.elapsed() < Duration::from_secs(35), "{:?}", start.elapsed());
    assert_eq!(after.sum("csp_poll_failures_total", &[]), 0.0, "no poll has failed");
    let failures = after.sum("csp_api_request_failures_total", &[]);
    assert!(failures <= 8.0, "{failures} requests failed, and 8 run at once");
}
