//! Proxies on the way.

use csp_api::{Api, Operation, Reason};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::fake::{API_TOKEN_PATH, Answer, Fake, answer, api, inline, list, lists, observed, organization, response};
use crate::pki::Pki;

fn through(url: &str, proxy: &str) -> Api {
    let mut settings = api(url);
    settings.proxy_url = Some(proxy.into());
    settings
}

#[tokio::test]
async fn a_407_is_the_proxys_and_never_the_credentials_fault() {
    let proxy = Fake::start(|_, _| answer(407, "")).await;
    let port = proxy.port();
    for url in ["http://upstream.invalid", "https://upstream.invalid"] {
        let (client, recorder) = observed(&through(url, &format!("http://user:canary@localhost:{port}")));
        let error = list(&client, &organization(1, inline("s"))).await.unwrap_err();
        assert_eq!(
            (error.operation, error.reason, error.status),
            (Operation::Token, Reason::Connect, Some(407)),
            "{error}"
        );
        let named = format!("the proxy http://localhost:{port} (api.proxy_url)");
        assert!(
            error.detail.contains(&named) && error.action().contains("api.proxy_url"),
            "{error} {}",
            error.action()
        );
        assert!(!format!("{error:?}").contains("canary"));
        assert_eq!(recorder.count("request token"), 1, "it would be the same again");
    }
    // One that nobody has told us of.
    let fake = Fake::start(|_, _| answer(407, "")).await;
    let (client, _) = observed(&api(&fake.url));
    let error = list(&client, &organization(1, inline("s"))).await.unwrap_err();
    assert_eq!(error.reason, Reason::Connect);
    assert!(error.detail.contains("proxy that is not configured"), "{error}");
}

#[tokio::test]
async fn a_proxy_that_does_not_lead_to_the_service_is_named_with_what_it_says() {
    for (answer, words) in [
        (response(200, "", "")[..9].to_vec(), "closes the connection"),
        (b"SSH-2.0-OpenSSH\r\n".to_vec(), "its answer to CONNECT is not 200"),
        (format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "v".repeat(9000)).into_bytes(), "8 KiB"),
    ] {
        let proxy = Fake::start(move |_, _| Answer::Close(answer.clone())).await;
        let settings = through("https://upstream.invalid", &proxy.url);
        let error = list(&observed(&settings).0, &organization(1, inline("s"))).await.unwrap_err();
        assert_eq!(error.reason, Reason::Connect, "{error}");
        assert!(
            error.detail.starts_with("the proxy http://localhost:") && error.detail.contains(words),
            "{words}: {error}"
        );
        assert!(!error.action().contains("DNS"), "{}", error.action());
    }
}

/// Through a proxy that answers every `CONNECT` with this status, encrypted or not.
async fn refusing(pki: Option<&Pki>, status: u16) -> (Fake, Api) {
    let acceptor = pki.map(|pki| pki.acceptor(false, |_| ()));
    let proxy = Fake::serve(acceptor, move |_, _| Answer::Close(response(status, "", ""))).await;
    let url = proxy.url.replace("://", "://us%40er:can%3Aary@");
    let mut settings = through("https://upstream.invalid", &url);
    settings.tls.ca_file = pki.map(|pki| pki.path("ca.pem"));
    (proxy, settings)
}

#[tokio::test]
async fn a_proxys_refusal_is_named_with_its_status_and_what_it_means() {
    let pki = Pki::new();
    for (status, action, requests) in [
        (403, "allow CONNECT", 1),
        (502, "why it does not reach", 3),
        (503, "why it does not reach", 3),
        (500, "allow CONNECT", 3),
    ] {
        for pki in [None, Some(&pki)] {
            let (proxy, settings) = refusing(pki, status).await;
            let (client, recorder) = observed(&settings);
            let error = list(&client, &organization(1, inline("s"))).await.unwrap_err();
            assert_eq!((error.reason, error.status), (Reason::Connect, Some(status)), "{error}");
            assert!(error.detail.contains(&format!("it answers {status} to CONNECT")), "{error}");
            assert!(error.action().contains(action), "{}", error.action());
            assert!(!format!("{error:?} {error}").contains("ary"));
            assert_eq!(recorder.count("request token"), requests, "{status}");
            // Asked once more after each, as the library asked.
            let asked = proxy.requests("");
            assert_eq!(asked.len(), 2 * requests, "{asked:?}");
            for request in asked {
                assert_eq!(request.path, "upstream.invalid:443");
                assert_eq!(request.headers["host"], "upstream.invalid:443");
                // Of `us@er:can:ary`.
                assert_eq!(request.headers["proxy-authorization"], "Basic dXNAZXI6Y2FuOmFyeQ==");
            }
        }
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_told_from_a_service_that_is_not() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for url in ["http://upstream.invalid", "https://upstream.invalid"] {
        for (proxy, words) in [
            (format!("http://{free}"), "connection refused"),
            ("http://proxy.invalid:1".to_owned(), "does not resolve"),
        ] {
            let error = list(&observed(&through(url, &proxy)).0, &organization(1, inline("s"))).await.unwrap_err();
            assert_eq!(error.reason, Reason::Connect, "{error}");
            assert!(error.detail.starts_with(&format!("the proxy {proxy} (api.proxy_url): ")), "{error}");
            assert!(
                error.detail.contains(words) && error.action().contains("api.proxy_url"),
                "{error} {}",
                error.action()
            );
        }
    }
    let error = list(&observed(&api("https://upstream.invalid")).0, &organization(1, inline("s"))).await;
    let error = error.unwrap_err();
    // With no name server in reach it says so.
    assert!(error.detail.starts_with("the host name does not resolve"), "{error}");
    assert!(error.action().contains("api.url") && !error.action().contains("proxy"), "{}", error.action());
}

#[tokio::test]
async fn an_encrypted_service_at_an_ipv6_address_is_out_of_reach_through_a_proxy_and_it_is_said() {
    let proxy = Fake::start(|_, _| Answer::Keep(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())).await;
    let (client, recorder) = observed(&through("https://[::1]:1", &proxy.url));
    let error = list(&client, &organization(1, inline("s"))).await.unwrap_err();
    assert_eq!(error.reason, Reason::Connect);
    assert!(error.detail.contains("IPv6 address") && error.action().contains("host name in api.url"), "{error}");
    assert_eq!(recorder.count("request token"), 1, "it would be the same again");
}

#[tokio::test]
async fn a_certificate_that_does_not_verify_behind_a_proxy_may_be_the_proxys() {
    let pki = Pki::new();
    let fake = Fake::serve(Some(pki.acceptor(false, |_| ())), |_, _| answer(200, "[]")).await;
    let wire = crate::wire::Wire::proxy(fake.port()).await;
    let settings = through(&fake.url, &format!("http://localhost:{}", wire.port));
    let error = list(&observed(&settings).0, &organization(1, inline("s"))).await.unwrap_err();
    assert_eq!(error.reason, Reason::Tls);
    assert!(error.detail.contains("unknown issuer") && error.detail.contains("through the proxy"), "{error}");
    assert!(error.action().contains("api.tls.ca_file") && error.action().contains("the proxy"), "{}", error.action());
}

#[tokio::test]
async fn a_proxy_that_is_encrypted_itself_is_named_when_its_certificate_does_not_verify() {
    let pki = Pki::new();
    let fake = Fake::serve(Some(pki.acceptor(false, |_| ())), |_, _| answer(200, "[]")).await;
    for url in ["http://upstream.invalid", "https://upstream.invalid"] {
        let settings = through(url, &fake.url);
        let error = list(&observed(&settings).0, &organization(1, inline("s"))).await.unwrap_err();
        assert_eq!(error.reason, Reason::Tls, "{error}");
        assert!(error.detail.starts_with("the proxy https://localhost:"), "{error}");
    }
}

/// A SOCKS 5 proxy that leads to `server`, whatever it is asked for, and tells the name it was asked for.
async fn socks(server: u16) -> (u16, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, names) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let asked = asked.clone();
            tokio::spawn(async move {
                // RFC 1928: methods, none of them needed; a request to connect by name; granted.
                let mut greeting = [0; 2];
                client.read_exact(&mut greeting).await.unwrap();
                client.read_exact(&mut vec![0; usize::from(greeting[1])]).await.unwrap();
                client.write_all(&[5, 0]).await.unwrap();
                let mut request = [0; 5];
                client.read_exact(&mut request).await.unwrap();
                assert_eq!(request[..4], [5, 1, 0, 3], "a name, not an address");
                let mut name = vec![0; usize::from(request[4])];
                client.read_exact(&mut name).await.unwrap();
                client.read_exact(&mut [0; 2]).await.unwrap();
                client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
                asked.send(String::from_utf8(name).unwrap()).unwrap();
                let mut server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (port, names)
}

#[tokio::test]
async fn a_socks_proxy_leads_to_the_service() {
    let fake = lists(|_| answer(200, "[1]")).await;
    let (port, mut names) = socks(fake.port()).await;
    let settings = through("http://upstream.invalid", &format!("socks5h://127.0.0.1:{port}"));
    assert_eq!(list(&observed(&settings).0, &organization(1, inline("s"))).await.unwrap(), "[1]");
    assert_eq!(names.recv().await.unwrap(), "upstream.invalid");
    assert_eq!(fake.requests(API_TOKEN_PATH).len(), 1);
}

#[tokio::test]
async fn a_plain_request_goes_to_the_proxy_with_its_password() {
    let proxy = lists(|_| answer(200, "[1]")).await;
    let settings = through("http://upstream.invalid", &format!("http://us%40er:p%3Aw@localhost:{}", proxy.port()));
    assert_eq!(list(&observed(&settings).0, &organization(1, inline("s"))).await.unwrap(), "[1]");
    assert_eq!(proxy.requests("/invitations")[0].headers["proxy-authorization"], "Basic dXNAZXI6cDp3");
}
