//! The example of the documentation, with everything that it promises.

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::pki::Folder;
use thermometer::server;

#[path = "../../examples/temperature.rs"]
#[expect(dead_code, reason = "its `main` is for the command line")]
mod thermometer;

#[tokio::test]
async fn forty_lines_make_an_exporter_with_tls_users_health_and_reload() {
    let folder = Folder::tls(&[]);
    let hash = bcrypt::hash("secret", 4).unwrap();
    folder.append(&format!("basic_auth_users:\n  alice: {hash}\n"));
    folder.write("celsius", "21\n");
    let web = server(folder.path("celsius"), Some(&folder.web_config())).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let task = tokio::spawn(async move { web.serve(vec![listener], stop).await });

    let client = folder.client(None);
    let get = |path: &str| client.get(format!("{url}{path}")).basic_auth("alice", Some("secret"));
    let scrape = async |accept: &str| {
        let response = get("/metrics").header("accept", accept).send().await.unwrap();
        assert_eq!(response.status(), 200, "{accept}");
        response.bytes().await.unwrap()
    };
    assert_eq!(client.get(format!("{url}/metrics")).send().await.unwrap().status(), 401);
    assert_eq!(get("/healthz").send().await.unwrap().status(), 200);
    assert_eq!(
        scrape("text/plain").await,
        "# HELP thermometer_readings_total How often the file was read.\n\
         # TYPE thermometer_readings_total counter\n\
         thermometer_readings_total 1\n\
         # HELP thermometer_celsius What it said last.\n\
         # TYPE thermometer_celsius gauge\n\
         thermometer_celsius 21\n"
    );

    folder.write("celsius", "23\n");
    let reload = || client.post(format!("{url}/-/reload")).basic_auth("alice", Some("secret"));
    assert_eq!(reload().send().await.unwrap().status(), 200);
    let text = scrape("application/openmetrics-text").await;
    assert!(text.ends_with(b"thermometer_celsius 23\n# EOF\n"), "{text:?}");
    let message =
        scrape("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited").await;
    assert!(message.windows(27).any(|bytes| bytes == b"thermometer_readings_total\x12"), "{message:?}");

    folder.write("celsius", "warm\n");
    let refused = reload().send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.text().await.unwrap().contains("no whole number")), (500, true));
    shutdown.cancel();
    assert_eq!(task.await.unwrap().cut, 0);
}
