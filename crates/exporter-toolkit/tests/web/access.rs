//! Who may come in, and what happens while the file changes.

use exporter_toolkit::web::Settings;
use reqwest::{Method, StatusCode};

use crate::fake::{Fake, Server, client};
use crate::pki::Folder;
use crate::routes::PATHS;

fn users() -> String {
    format!("basic_auth_users:\n  alice: {}\n", bcrypt::hash("secret", 4).unwrap())
}

async fn start(folder: &Folder) -> Server {
    Server::with(Fake::default(), Settings::default(), Some(&folder.web_config())).await
}

async fn status(server: &Server, user: &str, password: &str) -> StatusCode {
    client().get(server.url("/metrics")).basic_auth(user, Some(password)).send().await.unwrap().status()
}

#[tokio::test]
async fn no_path_is_open_to_any_method_without_credentials() {
    let folder = Folder::new(&users());
    let server = start(&folder).await;
    for path in PATHS.into_iter().chain(["/made/up", "/metrics/", "/METRICS", "/?q=a", "//", "/favicon.ico"]) {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
            let request = client().request(Method::from_bytes(method.as_bytes()).unwrap(), server.url(path));
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 401, "{method} {path}");
            assert_eq!(response.headers()["www-authenticate"], "Basic");
            assert!(!response.headers().contains_key("allow"), "{method} {path}");
        }
    }
    assert_eq!(status(&server, "alice", "secret").await, 200);
    assert_eq!(status(&server, "alice", "Secret").await, 401);
    assert_eq!(status(&server, "bob", "secret").await, 401);
}

#[tokio::test]
async fn users_are_read_for_each_request() {
    let folder = Folder::new(&users());
    let server = start(&folder).await;
    assert_eq!(status(&server, "alice", "secret").await, 200);
    folder.write("web.yml", &users().replace("alice", "carol"));
    assert_eq!(status(&server, "alice", "secret").await, 401);
    assert_eq!(status(&server, "carol", "secret").await, 200);
}

#[tokio::test]
async fn users_that_come_later_are_asked_for_at_once() {
    let folder = Folder::new("");
    let server = start(&folder).await;
    assert_eq!(client().get(server.url("/")).send().await.unwrap().status(), 200);
    folder.write("web.yml", &users());
    assert_eq!(client().get(server.url("/")).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_file_that_goes_bad_lets_nobody_in_until_it_is_repaired() {
    let folder = Folder::new(&users());
    let server = start(&folder).await;
    let half = users().replace("basic_auth_users", "basic_auth_user");
    for bad in [half.as_str(), "", "basic_auth_users: {}", "{", "basic_auth_users: {alice: secret}"] {
        folder.write("web.yml", bad);
        assert_eq!(status(&server, "alice", "secret").await, 500, "{bad}");
        assert_eq!(client().get(server.url("/healthz")).send().await.unwrap().status(), 500, "{bad}");
    }
    std::fs::remove_file(folder.web_config()).unwrap();
    assert_eq!(status(&server, "alice", "secret").await, 500);
    folder.write("web.yml", &users());
    assert_eq!(status(&server, "alice", "secret").await, 200);
    assert_eq!(status(&server, "alice", "wrong").await, 401);
}

#[tokio::test]
async fn the_rate_limit_comes_before_authentication_and_headers_come_with_every_answer() {
    let headers = "http_server_config:\n  headers:\n    X-Frame-Options: sameorigin\n    \
                   Strict-Transport-Security: max-age=31536000\n";
    let folder = Folder::new(&format!("{}rate_limit:\n  interval: 1h\n  burst: 2\n{headers}", users()));
    let server = start(&folder).await;
    for expected in [401, 200, 429, 429] {
        let password = if expected == 401 { "wrong" } else { "secret" };
        let request = client().get(server.url("/metrics")).basic_auth("alice", Some(password));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), expected);
        assert_eq!(response.headers()["x-frame-options"], "sameorigin");
        assert_eq!(response.headers()["strict-transport-security"], "max-age=31536000");
    }
    // Fixed at the start.
    folder.write("web.yml", &users());
    assert_eq!(status(&server, "alice", "secret").await, 429);
}

#[tokio::test]
async fn a_configured_content_policy_narrows_that_of_the_page() {
    let policy = "http_server_config:\n  headers:\n    Content-Security-Policy: \"default-src 'self'\"\n";
    let folder = Folder::new(policy);
    let server = start(&folder).await;
    let of = |path| client().get(server.url(path)).send();
    let page = of("/").await.unwrap();
    let policies: Vec<_> = page.headers().get_all("content-security-policy").iter().collect();
    assert_eq!(policies.len(), 2);
    assert_eq!(policies[1], "default-src 'self'");
    assert_eq!(of("/metrics").await.unwrap().headers()["content-security-policy"], "default-src 'self'");
}
