//! Who may scrape, how many at once, and where health is told.

use crate::binary::{Exporter, eventually};
use crate::fake::{Fake, json};
use crate::process::{begun, with_a_long_page};
use crate::setup::Settings;

async fn fake() -> Fake {
    Fake::lists(|_, _| json(200, "[]")).await
}

#[tokio::test]
async fn the_probe_listener_tells_health_alone_and_without_a_password() {
    let fake = fake().await;
    let folder = Settings::new(&fake.url, 1).folder();
    folder.write("web.yml", &format!("basic_auth_users:\n  alice: {}\n", bcrypt::hash("right", 4).unwrap()));
    let web = folder.path("web.yml");
    let flags = ["--web.config.file", &web, "--web.probe-listen-address", "127.0.0.1:0"];
    let exporter = Exporter::start(&folder, &flags).await;
    let probes = exporter.listening("health only").await;
    let status = async |url: String, password: Option<&str>| {
        let request = exporter.http.get(url);
        let request = match password {
            Some(password) => request.basic_auth("alice", Some(password)),
            None => request,
        };
        request.send().await.unwrap().status().as_u16()
    };
    for path in ["/metrics", "/", "/healthz", "/readyz", "/api/v1/status", "/nothing"] {
        assert_eq!(status(exporter.url(path), None).await, 401, "{path}");
        assert_eq!(status(exporter.url(path), Some("wrong")).await, 401, "{path}");
    }
    assert_eq!(exporter.reload().await.0, 401);
    assert_eq!(status(exporter.url("/metrics"), Some("right")).await, 200);
    for path in ["/healthz", "/-/healthy", "/livez"] {
        assert_eq!(status(format!("http://{probes}{path}"), None).await, 200, "{path}");
    }
    for path in ["/readyz", "/-/ready"] {
        let ready = async || (status(format!("http://{probes}{path}"), None).await == 200).then_some(());
        eventually("a first attempt has ended", ready).await;
    }
    for path in ["/metrics", "/", "/api/v1/status"] {
        assert_eq!(status(format!("http://{probes}{path}"), None).await, 404, "{path}");
    }

    // Users are read at each request; a file that turns bad never opens the door.
    folder.write("web.yml", &format!("basic_auth_users:\n  alice: {}\n", bcrypt::hash("other", 4).unwrap()));
    assert_eq!(status(exporter.url("/metrics"), Some("right")).await, 401);
    assert_eq!(status(exporter.url("/metrics"), Some("other")).await, 200);
    folder.write("web.yml", "basic_auth_users: 7\n");
    assert_eq!(status(exporter.url("/metrics"), Some("other")).await, 500);
    assert_eq!(status(format!("http://{probes}/healthz"), None).await, 200);
}

#[tokio::test]
async fn readiness_names_how_many_have_not_finished_a_first_attempt() {
    let fake = Fake::lists(|_, _| crate::fake::Answer::Hang).await;
    let exporter = Exporter::start(&Settings::new(&fake.url, 2).folder(), &[]).await;
    let (status, reason) = exporter.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(reason.contains("2 of 2"), "{reason}");
    assert_eq!(exporter.get("/healthz").await.0, 200, "the upstream has no say in liveness");
    assert_eq!(exporter.get("/metrics").await.0, 200);
}

#[tokio::test]
async fn scrapes_beyond_the_limit_get_503_until_a_place_is_free() {
    let (_fake, exporter) = with_a_long_page(&["--web.max-requests", "2"]).await;
    let taken = (begun(&exporter).await, begun(&exporter).await);
    assert_eq!(exporter.get("/metrics").await.0, 503);
    assert_eq!(exporter.get("/healthz").await.0, 200, "other pages have no part in the limit");
    drop(taken);
    eventually("a place is free", async || (exporter.get("/metrics").await.0 == 200).then_some(())).await;
}

#[tokio::test]
async fn another_telemetry_path_and_several_addresses_are_served() {
    let fake = fake().await;
    let flags = ["--web.telemetry-path", "/numbers", "--web.listen-address", "localhost:0"];
    let exporter = Exporter::start(&Settings::new(&fake.url, 1).folder(), &flags).await;
    let lines =
        eventually("both listen", async || Some(exporter.logged(&["msg=listening"])).filter(|lines| lines.len() == 2))
            .await;
    for line in lines {
        let address = line.split("address=").nth(1).unwrap().split(' ').next().unwrap();
        let answer = exporter.http.get(format!("http://{address}/numbers")).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
    }
    assert_eq!(exporter.get("/metrics").await.0, 404);
}
