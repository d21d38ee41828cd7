//! Scrapers that do not read.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::binary::Exporter;
use crate::fake::{Fake, json as answer};
use crate::setup::Settings;

/// More than `--web.max-requests`.
const SILENT: usize = 60;

/// A list with an invitation in each status, whose pairs of role and group make some 20,000 series.
fn list(n: usize) -> String {
    let roles: Vec<_> = (0..64).map(|role| json!({"name": format!("role-{role}-{}", "r".repeat(64))})).collect();
    let groups: Vec<_> = (0..64).map(|group| format!("group-{group}-{}", "g".repeat(64))).collect();
    let each = ["AVAILABLE", "REDEEMED", "REVOKED", "ODD", "EXPIRED"].map(|status| {
        let (word, expiration) = if status == "EXPIRED" { ("AVAILABLE", 1_700_000_000_000_usize) } else { (status, 0) };
        json!({"refLink": status, "status": word, "username": "a@b.c", "generatedAt": 1_600_000_000_000_usize + n, "expirationTime": expiration, "organizationRoles": roles, "customGroupsIds": groups})
    });
    json!(each).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scrapers_that_do_not_read_keep_nobody_out_for_long_and_hold_few_bodies() {
    let fake = Fake::lists(|_, n| answer(200, &list(n))).await;
    let settings =
        Settings::new(&fake.url, 1).poll("interval: 1s").metrics("max_pairs: 5000, max_roles: 5000, max_groups: 5000");
    let exporter = Exporter::start(&settings.folder(), &[]).await;
    exporter.polled(&["one"]).await;
    let body = exporter.scrape().await.text.len() as u64;
    assert!(body > 3_000_000, "{body} bytes are no long body");
    let before = exporter.peak_memory();

    let mut silent = Vec::new();
    for _ in 0..SILENT {
        let mut stream = TcpStream::connect(exporter.address).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        silent.push(stream);
        // A poll ends now and then, so that bodies differ.
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    let start = Instant::now();
    while exporter.get("/metrics").await.0 != 200 {
        assert!(start.elapsed() < Duration::from_secs(12), "the places come back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let grown = exporter.peak_memory() - before;
    assert!(grown < 5 * body + (8 << 20), "{} KiB more with bodies of {} KiB", grown / 1024, body / 1024);
}
