//! Everything at once: polls, scrapes in every format, reloads by request and by signal, good and bad, rotated secrets, and
//! a stop in the middle of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use crate::binary::Exporter;
use crate::fake::{Answer, Fake, json, response};
use crate::scrape::Scrape;
use crate::setup::{NAMES, Settings};

const LISTED: usize = 200;
const FORMATS: [&str; 4] = [
    "text/plain;version=0.0.4",
    "text/plain;version=1.0.0;escaping=allow-utf-8",
    "application/openmetrics-text;version=1.0.0",
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
];

/// A list of a constant length; every fifth question fails.
fn answer(n: usize) -> Answer {
    let element =
        |number: usize| format!(r#"{{"refLink":"/{number}","status":"REDEEMED","orgRoleNames":["r{}"]}}"#, number % 7);
    match n % 10 {
        3 => Answer::Close(Vec::new()),
        8 => Answer::Keep(response(500, "", "{}")),
        _ => json(200, &format!("[{}]", (0..LISTED).map(element).collect::<Vec<_>>().join(","))),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polls_scrapes_reloads_and_rotations_at_once_harm_nothing_and_a_stop_ends_them() {
    let fake = Fake::lists(|_, n| answer(n)).await;
    let settings = Settings::new(&fake.url, 5).poll("interval: 1s, stale_after: 10m");
    let folder = settings.folder();
    let state = folder.path("state");
    let mut exporter = Exporter::start(&folder, &["--state.dir", &state, "--web.max-requests", "0"]).await;
    exporter.polled(&NAMES).await;
    let (http, metrics, reload) = (exporter.http.clone(), exporter.url("/metrics"), exporter.url("/-/reload"));
    let pid = exporter.pid().to_string();
    let is_over = Arc::new(AtomicBool::new(false));

    let mut tasks = tokio::task::JoinSet::new();
    for accept in FORMATS {
        let (http, metrics, is_over) = (http.clone(), metrics.clone(), Arc::clone(&is_over));
        tasks.spawn(async move {
            while !is_over.load(SeqCst) {
                let scrape = http.get(&metrics).header("accept", accept).send().await.unwrap();
                assert_eq!(scrape.status().as_u16(), 200);
                let body = scrape.bytes().await.unwrap();
                if accept == FORMATS[0] {
                    let scrape = Scrape::parse(std::str::from_utf8(&body).unwrap());
                    for name in NAMES.iter().filter_map(|name| scrape.invitations(name)) {
                        assert_eq!(name, LISTED as f64, "half of an update");
                    }
                }
            }
        });
    }
    let (writer, good) = (folder.clone(), settings.yaml());
    let stop = Arc::clone(&is_over);
    tasks.spawn(async move {
        for number in 0_usize.. {
            if stop.load(SeqCst) {
                return;
            }
            // Another number of organizations, other limits, nonsense; and secrets that come and go.
            let text = match number % 4 {
                0 => good.clone(),
                1 => good.replace("interval: 1s", "interval: 2s"),
                2 => good.lines().filter(|line| !line.contains("name: five")).collect::<Vec<_>>().join("\n"),
                _ => "nonsense: [".to_owned(),
            };
            writer.write("config.yaml.next", &text);
            std::fs::rename(writer.path("config.yaml.next"), writer.path("config.yaml")).unwrap();
            writer.write("secret", if number % 3 == 0 { "" } else { "anything" });
            if number % 5 == 0 {
                let signal = tokio::process::Command::new("kill").args(["-s", "HUP", &pid]).status();
                assert!(signal.await.unwrap().success());
            }
            let status = http.post(&reload).send().await.unwrap().status().as_u16();
            assert!([200, 500, 503].contains(&status), "{status}");
        }
    });
    let health = {
        let (exporter, is_over) = (&exporter, Arc::clone(&is_over));
        async move {
            for _ in 0..50 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                assert_eq!(exporter.get("/healthz").await.0, 200);
            }
            is_over.store(true, SeqCst);
        }
    };
    health.await;
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }

    folder.write("config.yaml", &settings.yaml());
    folder.write("secret", "anything");
    assert_eq!(exporter.reload().await.0, 200);
    let scrape = exporter.polled_anew("one").await;
    assert_eq!(scrape.get("csp_exporter_panics_total", &[]), Some(0.0));
    for name in NAMES {
        let all = exporter.until("all are counted", |scrape| scrape.invitations(name) == Some(LISTED as f64)).await;
        assert_eq!(
            all.sum("csp_invitation_events_total", &[("organization", name)]),
            0.0,
            "{name}: the list never changed"
        );
    }
    let (address, http) = (exporter.url("/metrics"), exporter.http.clone());
    let last = tokio::spawn(async move { while http.get(&address).send().await.is_ok() {} });
    exporter.signal("TERM").await;
    assert_eq!(exporter.ended().await.code(), Some(0));
    last.await.unwrap();
}
