//! TLS: policies, rotation, and what is refused.

use exporter_toolkit::web::Settings;
use rcgen::SanType;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fake::{Fake, Server, client};
use crate::pki::{Authority, Folder, Identity, self_signed_client};

async fn start(folder: &Folder) -> Server {
    Server::with(Fake::default(), Settings::default(), Some(&folder.web_config())).await
}

/// Whether a scrape gets through to a page.
async fn gets_in(folder: &Folder, server: &Server, identity: Option<&Identity>) -> bool {
    let url = format!("https://{}/metrics", server.address);
    match folder.client(identity).get(url).send().await {
        Ok(response) => {
            assert_eq!(response.status(), 200);
            true
        }
        Err(error) => {
            assert!(!error.is_timeout(), "{error:?}");
            false
        }
    }
}

#[tokio::test]
async fn each_policy_lets_in_whom_go_would() {
    let stranger = Authority::new().client(vec![]);
    // Policy, and whether there gets in: nobody's certificate, a good one, a stranger's.
    let policies = [
        ("NoClientCert", false, [true, true, true]),
        ("RequestClientCert", false, [true, true, true]),
        ("RequireAnyClientCert", false, [false, true, true]),
        ("RequireClientCert", false, [false, true, true]),
        ("VerifyClientCertIfGiven", true, [true, true, false]),
        ("RequireAndVerifyClientCert", true, [false, true, false]),
        ("RequestClientCert", true, [true, true, true]),
        ("RequireAnyClientCert", true, [false, true, true]),
        // Without a CA nothing verifies.
        ("VerifyClientCertIfGiven", false, [true, false, false]),
        ("RequireAndVerifyClientCert", false, [false, false, false]),
    ];
    for (policy, with_ca, expected) in policies {
        let auth = format!("client_auth_type: {policy}");
        let ca = if with_ca { "client_ca_file: ca.crt" } else { "" };
        let folder = Folder::tls(&[&auth, ca]);
        let server = start(&folder).await;
        let good = folder.authority.client(vec![]);
        let identities = [None, Some(&good), Some(&stranger)];
        for (identity, expected) in identities.into_iter().zip(expected) {
            let who =
                identity.map_or("nobody", |identity| if identity.cert == good.cert { "good" } else { "stranger" });
            assert_eq!(gets_in(&folder, &server, identity).await, expected, "{policy} {with_ca} {who}");
        }
    }
}

#[tokio::test]
async fn a_self_signed_certificate_that_is_its_own_ca_gets_in() {
    let folder = Folder::tls(&["client_auth_type: RequireAndVerifyClientCert", "client_ca_file: self.crt"]);
    let (own, other) = (self_signed_client(), self_signed_client());
    folder.write("self.crt", &own.cert);
    let server = start(&folder).await;
    assert!(gets_in(&folder, &server, Some(&own)).await);
    assert!(!gets_in(&folder, &server, Some(&other)).await);
}

#[tokio::test]
async fn a_certificate_for_servers_does_not_let_a_client_in() {
    let folder = Folder::tls(&["client_auth_type: RequireAndVerifyClientCert", "client_ca_file: ca.crt"]);
    let server = start(&folder).await;
    assert!(!gets_in(&folder, &server, Some(&folder.authority.server())).await);
}

#[tokio::test]
async fn allowed_names_of_each_kind_let_in_and_no_other() {
    let names = "client_allowed_sans: [a.example, a@b.example, 10.1.2.3, '2001:db8::1', 'spiffe://a/b']";
    let folder = Folder::tls(&["client_auth_type: RequireAndVerifyClientCert", "client_ca_file: ca.crt", names]);
    let server = start(&folder).await;
    let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
    let mail = |name: &str| SanType::Rfc822Name(name.try_into().unwrap());
    let uri = |name: &str| SanType::URI(name.try_into().unwrap());
    let ip = |address: &str| SanType::IpAddress(address.parse().unwrap());
    let allowed = [
        vec![dns("a.example")],
        vec![mail("a@b.example")],
        vec![ip("10.1.2.3")],
        vec![ip("2001:db8::1")],
        vec![uri("spiffe://a/b")],
        vec![dns("x.example"), dns("a.example")],
    ];
    for names in allowed {
        assert!(gets_in(&folder, &server, Some(&folder.authority.client(names.clone()))).await, "{names:?}");
    }
    let refused =
        [vec![], vec![dns("b.a.example")], vec![dns("A.example")], vec![ip("10.1.2.4")], vec![uri("spiffe://a/b/c")]];
    for names in refused {
        assert!(!gets_in(&folder, &server, Some(&folder.authority.client(names.clone()))).await, "{names:?}");
    }
}

#[tokio::test]
async fn a_rotated_certificate_is_used_at_the_next_handshake() {
    let folder = Folder::tls(&[]);
    let server = start(&folder).await;
    assert!(gets_in(&folder, &server, None).await);
    // Another authority: only the new certificate is good for the new clients.
    let mut next = Folder::tls(&[]);
    next.authority = Authority::new();
    let identity = next.authority.server();
    folder.write("server.crt", &identity.cert);
    // Half-way: the key does not belong to the certificate.
    assert!(!gets_in(&folder, &server, None).await);
    folder.write("server.key", &identity.key);
    assert!(!gets_in(&folder, &server, None).await);
    assert!(gets_in(&next, &server, None).await);
}

#[tokio::test]
async fn a_client_ca_is_read_at_each_handshake() {
    let folder = Folder::tls(&["client_auth_type: RequireAndVerifyClientCert", "client_ca_file: ca.crt"]);
    let server = start(&folder).await;
    let (client, next) = (folder.authority.client(vec![]), Authority::new());
    assert!(gets_in(&folder, &server, Some(&client)).await);
    folder.write("ca.crt", &next.cert);
    assert!(!gets_in(&folder, &server, Some(&client)).await);
    assert!(gets_in(&folder, &server, Some(&next.client(vec![]))).await);
}

#[tokio::test]
async fn a_file_gone_bad_fails_handshakes_and_never_falls_back_to_plain() {
    let folder = Folder::tls(&[]);
    let server = start(&folder).await;
    let good = std::fs::read_to_string(folder.web_config()).unwrap();
    for bad in ["", "tls_server_config: {}", "{", "tls_server_config: {cert_file: gone, key_file: server.key}"] {
        folder.write("web.yml", bad);
        assert!(!gets_in(&folder, &server, None).await, "{bad}");
        assert_eq!(client().get(server.url("/metrics")).send().await.unwrap().status(), 400, "{bad}");
    }
    folder.write("web.yml", &good);
    assert!(gets_in(&folder, &server, None).await);
}

#[tokio::test]
async fn plain_http_on_a_tls_listener_is_told_so() {
    let folder = Folder::tls(&[]);
    let server = start(&folder).await;
    let response = client().get(server.url("/metrics")).send().await.unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(response.text().await.unwrap(), "Client sent an HTTP request to an HTTPS server.\n");
}

#[tokio::test]
async fn http2_is_spoken_where_it_is_on() {
    for (http2, expected) in [(true, reqwest::Version::HTTP_2), (false, reqwest::Version::HTTP_11)] {
        let folder = Folder::tls(&[]);
        folder.append(&format!("http_server_config:\n  http2: {http2}\n"));
        let server = start(&folder).await;
        let url = format!("https://localhost:{}/", server.address.port());
        let response = folder.client(None).get(&url).send().await.unwrap();
        assert_eq!(response.version(), expected);
        let head = folder.client(None).head(&url).send().await.unwrap();
        assert_eq!((head.status().as_u16(), head.bytes().await.unwrap().len()), (200, 0));
    }
}

#[tokio::test]
async fn a_plain_listener_speaks_http_1_alone() {
    let server = Server::start(Fake::default()).await;
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // A reset is as good as an answer.
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{answer:?}");
}

#[tokio::test]
async fn versions_suites_and_curves_are_those_of_the_file() {
    use rustls::crypto::aws_lc_rs::{self, cipher_suite as suites, kx_group as groups};
    let folder = Folder::tls(&[
        "cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]",
        "curve_preferences: [CurveP384, X25519MLKEM768]",
    ]);
    let server = start(&folder).await;
    let handshake = async |suite, group| {
        let mut provider = aws_lc_rs::default_provider();
        (provider.cipher_suites, provider.kx_groups) = (vec![suite], vec![group]);
        let mut roots = rustls::RootCertStore::empty();
        let pem = folder.authority.cert.as_bytes();
        roots.add(rustls::pki_types::pem::PemObject::from_pem_slice(pem).unwrap()).unwrap();
        let config = rustls::ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
        connector.connect("localhost".try_into().unwrap(), stream).await.is_ok()
    };
    let chosen = suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
    assert!(handshake(chosen, groups::SECP384R1).await);
    assert!(!handshake(suites::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, groups::SECP384R1).await);
    assert!(!handshake(chosen, groups::X25519).await);
    // The setting speaks of TLS 1.2: every suite of 1.3 is still there.
    assert!(handshake(suites::TLS13_CHACHA20_POLY1305_SHA256, groups::X25519MLKEM768).await);
    assert!(handshake(suites::TLS13_AES_256_GCM_SHA384, groups::SECP384R1).await);
}

#[tokio::test]
async fn a_drain_closes_idle_connections_of_both_protocols_at_once() {
    for http2 in [true, false] {
        let folder = Folder::tls(&[]);
        folder.append(&format!("http_server_config:\n  http2: {http2}\n"));
        let server = start(&folder).await;
        let root = reqwest::Certificate::from_pem(folder.authority.cert.as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([root]).no_proxy().build().unwrap();
        let url = format!("https://{}/healthz", server.address);
        // The client keeps the connection.
        assert_eq!(client.get(url).send().await.unwrap().text().await.unwrap(), "ok\n");
        let begin = std::time::Instant::now();
        assert_eq!(server.stop().await.cut, 0);
        assert!(begin.elapsed() < std::time::Duration::from_secs(2), "{:?}", begin.elapsed());
    }
}
