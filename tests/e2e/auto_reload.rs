//! Configuration that is followed by itself: as Kubernetes swaps it, as editors write it, and on a mount that hangs.

use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use crate::binary::{Exporter, eventually};
use crate::fake::{Fake, json};
use crate::faults::Faults;
use crate::scrape::Scrape;
use crate::setup::{Folder, Settings, id};

const FLAGS: [&str; 3] = ["--config.enable-auto-reload", "--config.auto-reload-interval", "200ms"];

async fn fake() -> Fake {
    Fake::lists(|_, _| json(200, "[]")).await
}

fn interval(scrape: &Scrape) -> Option<f64> {
    scrape.get("csp_poll_interval_seconds", &[("organization", "one")])
}

fn successful(scrape: &Scrape) -> bool {
    scrape.get("csp_exporter_config_last_reload_successful", &[]) == Some(1.0)
}

/// What a kubelet makes of a `ConfigMap`: files are links through `..data` to a folder with the time in its name, and a new
/// version is a new folder, to which `..data` is turned in one step.
struct Mounted<'a> {
    folder: &'a Folder,
    /// The folder of the version.
    version: Option<String>,
}

impl Mounted<'_> {
    fn update(&mut self, time: &str, files: &[(&str, &str)]) {
        let Self { folder, version } = self;
        let new = format!("..{time}");
        std::fs::create_dir_all(folder.path(&format!("mount/{new}"))).unwrap();
        for (name, text) in files {
            folder.write(&format!("mount/{new}/{name}"), text);
        }
        symlink(&new, folder.path("mount/..data_tmp")).unwrap();
        std::fs::rename(folder.path("mount/..data_tmp"), folder.path("mount/..data")).unwrap();
        for (name, _) in files {
            // Names that were there before are links already.
            let _ = symlink(format!("..data/{name}"), folder.path(&format!("mount/{name}")));
        }
        if let Some(old) = version.replace(new) {
            for entry in std::fs::read_dir(folder.path("mount")).unwrap() {
                let path = entry.unwrap().path();
                if path.is_symlink() && !path.exists() {
                    std::fs::remove_file(path).unwrap();
                }
            }
            std::fs::remove_dir_all(folder.path(&format!("mount/{old}"))).unwrap();
        }
    }
}

#[tokio::test]
async fn the_swap_of_a_mounted_config_map_is_taken_with_files_that_come_and_go() {
    let fake = fake().await;
    let settings = Settings::new(&fake.url, 1);
    let folder = settings.folder();
    let mut mounted = Mounted { folder: &folder, version: None };
    let yaml = |interval: &str| {
        let yaml = settings.clone().poll(&format!("interval: {interval}")).yaml();
        let yaml = yaml.replace("client_secret_file: secret", "client_secret_file: ../secret");
        format!("{yaml}organization_files: [tenant-*.yaml]\n")
    };
    let tenant =
        |number: usize| format!("organizations: [{{id: {}, name: tenant-{number}, credentials: app}}]\n", id(number));
    let (two, three) = (tenant(2), tenant(3));
    mounted.update("2026_11_26_10_00_00.1", &[("config.yaml", &yaml("60s")), ("tenant-2.yaml", &two)]);
    let config = folder.path("mount/config.yaml");
    let arguments = ["--config.file", &config, "--web.listen-address", "127.0.0.1:0"];
    let exporter = Exporter::spawn(&[&arguments[..], &FLAGS].concat(), &[]).await;
    exporter.polled(&["one", "tenant-2"]).await;

    mounted.update(
        "2026_11_26_10_01_00.2",
        &[("config.yaml", &yaml("90s")), ("tenant-2.yaml", &two), ("tenant-3.yaml", &three)],
    );
    let swapped = exporter.until("the swap is taken", |scrape| interval(scrape) == Some(90.0)).await;
    assert_eq!((swapped.up("one"), swapped.up("tenant-2")), (Some(1.0), Some(1.0)), "what stays goes on");
    exporter.until("a file has come", |scrape| scrape.up("tenant-3") == Some(1.0)).await;

    mounted.update("2026_11_26_10_02_00.3", &[("config.yaml", &yaml("90s")), ("tenant-3.yaml", &three)]);
    let scrape = exporter.until("a file has gone", |scrape| scrape.all_of("tenant-2").is_empty()).await;
    assert_eq!((scrape.up("tenant-3"), successful(&scrape)), (Some(1.0), true));

    // The same content in another folder is no change.
    let reloads = || exporter.logged(&["configuration reloaded"]).len();
    let before = reloads();
    mounted.update("2026_11_26_10_03_00.4", &[("config.yaml", &yaml("90s")), ("tenant-3.yaml", &three)]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(reloads(), before, "{:?}", exporter.log);
}

#[tokio::test]
async fn what_editors_do_to_a_file_is_taken_and_half_a_file_is_made_up_for() {
    let fake = fake().await;
    let settings = Settings::new(&fake.url, 1);
    let yaml = |seconds: u32| settings.clone().poll(&format!("interval: {seconds}s")).yaml();
    let folder = settings.folder();
    let exporter = Exporter::start(&folder, &FLAGS).await;
    exporter.polled(&["one"]).await;

    // The new text beside it, then over it.
    folder.write(".config.yaml.swp", &yaml(61));
    std::fs::rename(folder.path(".config.yaml.swp"), folder.path("config.yaml")).unwrap();
    exporter.until("a rename is taken", |scrape| interval(scrape) == Some(61.0)).await;
    // The old text out of the way, then the new one in its place.
    std::fs::rename(folder.path("config.yaml"), folder.path("config.yaml~")).unwrap();
    exporter.until("that it is gone shows", |scrape| !successful(scrape)).await;
    folder.write("config.yaml", &yaml(62));
    exporter.until("the file is back", |scrape| interval(scrape) == Some(62.0)).await;
    // In place, in two goes.
    let whole = yaml(63);
    folder.write("config.yaml", &whole[..whole.find("client_id").unwrap()]);
    let half = exporter.until("half a file is refused", |scrape| !successful(scrape)).await;
    assert_eq!((interval(&half), half.up("one")), (Some(62.0), Some(1.0)), "the old one stays");
    folder.write("config.yaml", &whole);
    let scrape = exporter.until("the rest is taken", |scrape| interval(scrape) == Some(63.0)).await;
    assert!(successful(&scrape));
    // What is wrong is said once a kind, not every round.
    assert!(exporter.logged(&["level=error"]).len() <= 4, "{:?}", exporter.log);
}

#[tokio::test]
async fn nothing_but_reloads_waits_for_a_configuration_on_a_mount_that_hangs() {
    let fake = fake().await;
    let settings = Settings::new(&fake.url, 1).poll("interval: 1s");
    let folder = settings.folder();
    let mut exporter = Exporter::start(&folder, &FLAGS).await;
    exporter.polled(&["one"]).await;
    std::fs::remove_file(folder.path("config.yaml")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(folder.path("config.yaml")).status().unwrap().success());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    let (answer, ()) = tokio::join!(exporter.reload(), async {
        for path in ["/metrics", "/healthz", "/readyz", "/"] {
            let start = Instant::now();
            assert_eq!(exporter.get(path).await.0, 200, "{path}");
            assert!(start.elapsed() < Duration::from_secs(2), "{path} took {:?}", start.elapsed());
        }
        exporter.polled_anew("one").await;
    });
    assert_eq!(answer.0, 500);
    assert!(answer.1.contains("does not answer"), "{}", answer.1);
    // Who asks waits for the round that is under way, and for one of their own.
    assert!(start.elapsed() < Duration::from_secs(23), "{:?}", start.elapsed());
    assert!(!successful(&exporter.scrape().await));

    folder.write("ready", &settings.clone().poll("interval: 2s").yaml());
    std::fs::rename(folder.path("ready"), folder.path("config.yaml")).unwrap();
    exporter.until("it is followed again", |scrape| interval(scrape) == Some(2.0) && successful(scrape)).await;

    std::fs::remove_file(folder.path("config.yaml")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(folder.path("config.yaml")).status().unwrap().success());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    exporter.signal("TERM").await;
    assert_eq!(exporter.ended().await.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_clock_that_jumps_brings_no_reload_and_delays_none() {
    let fake = fake().await;
    let settings = Settings::new(&fake.url, 1);
    let folder = settings.folder();
    let faults = Faults::new(&folder);
    let exporter = faults.start(&FLAGS).await;
    exporter.polled(&["one"]).await;
    let reloads = || exporter.logged(&["configuration reloaded"]).len();
    for (count, days) in [(1, 400), (2, -400), (3, 0)] {
        faults.clock(days * 24 * 3600);
        // Several looks at the files later nothing has happened.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(reloads(), count - 1, "{days} days");
        let start = Instant::now();
        folder.write("config.yaml", &settings.clone().poll(&format!("interval: {}s", 60 + count)).yaml());
        let wanted = Some((60 + count) as f64);
        let scrape = exporter.until("it is taken", |scrape| interval(scrape) == wanted).await;
        assert!(start.elapsed() < Duration::from_secs(5), "{days} days: {:?}", start.elapsed());
        assert!(successful(&scrape) && scrape.up("one") == Some(1.0), "{days} days");
        eventually("it is told", async || (reloads() == count).then_some(())).await;
    }
    assert_eq!(exporter.get("/livez").await.0, 200);
}
