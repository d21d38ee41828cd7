//! The state folder hangs, cannot be read, or comes to light only later.

use std::time::{Duration, Instant};

use csp_simulator::{Options, Simulator};
use invitations::Millis;
use serde_json::{Value, json};

use crate::binary::{Exporter, eventually, run_within};
use crate::faults::Faults;
use crate::scrape::Scrape;
use crate::setup::{Folder, serve, simulated};

/// So many open invitations.
fn list(invitations: usize) -> Vec<Value> {
    let now = Millis::from(std::time::SystemTime::now()).0;
    let open = |n| {
        json!({
            "username": format!("{n}@example.com"), "status": "AVAILABLE", "refLink": format!("/invitations/{n}"),
            "generatedAt": now - 3_600_000, "expirationTime": now + 3_600_000,
        })
    };
    (0..invitations).map(open).collect()
}

/// How many invitations were counted as generated; nothing where it is not shown.
fn generated(scrape: &Scrape, organization: &str) -> Option<f64> {
    scrape.get("csp_invitation_events_total", &[("organization", organization), ("event", "generated")])
}

fn durable(scrape: &Scrape) -> Option<f64> {
    scrape.get("csp_exporter_state_durable", &[])
}

/// An upstream with one organization, and a state in which it has three generated invitations of five.
async fn with_history() -> (Simulator, Folder, Faults) {
    let (simulator, _settings, folder) = simulated(1, "interval: 1s", Options::default()).await;
    let faults = Faults::new(&folder);
    serve(&simulator, 0, &list(2));
    let mut exporter = faults.start(&[]).await;
    exporter.until("the baseline is there", |scrape| scrape.up("one") == Some(1.0)).await;
    serve(&simulator, 0, &list(5));
    exporter.until("three came", |scrape| generated(scrape, "one") == Some(3.0)).await;
    exporter.signal("TERM").await;
    assert_eq!(exporter.ended().await.code(), Some(0));
    (simulator, folder, faults)
}

/// The names of what is in the state folder.
fn names(faults: &Faults) -> Vec<String> {
    let entries = std::fs::read_dir(&faults.state).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn threads(exporter: &Exporter) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", exporter.pid())).unwrap();
    status.lines().find_map(|line| line.strip_prefix("Threads:")).unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn a_folder_that_freezes_is_survived_in_memory_and_made_up_for() {
    let (simulator, _settings, folder) = simulated(3, "interval: 1s", Options::default()).await;
    let faults = Faults::new(&folder);
    (0..3).for_each(|number| serve(&simulator, number, &list(0)));
    let mut exporter = faults.start(&[]).await;
    exporter.polled(&["one", "two", "three"]).await;
    assert_eq!(durable(&exporter.scrape().await), Some(1.0));

    faults.disk("hang-writes");
    serve(&simulator, 0, &list(2));
    let scrape = exporter.until("it is noticed", |scrape| durable(scrape) == Some(0.0)).await;
    let polls = |scrape: &Scrape| scrape.sum("csp_polls_total", &[]);
    let before = polls(&scrape);
    let scrape = exporter.until("polls go on", |scrape| polls(scrape) >= before + 6.0).await;
    assert_eq!((generated(&scrape, "one"), scrape.up("two")), (Some(2.0), Some(1.0)));
    serve(&simulator, 1, &list(4));
    exporter.until("counts go on", |scrape| generated(scrape, "two") == Some(4.0)).await;
    assert_eq!(exporter.get("/livez").await.0, 200);
    let reload = Instant::now();
    assert_eq!(exporter.reload().await.0, 200);
    assert!(reload.elapsed() < Duration::from_secs(5), "a reload waited for {:?}", reload.elapsed());
    assert_eq!(exporter.logged(&["state folder"]).len(), 1, "{:?}", exporter.log);

    faults.disk("");
    exporter.until("all is written", |scrape| durable(scrape) == Some(1.0)).await;
    exporter.kill().await;
    drop(exporter);
    let exporter = faults.start(&[]).await;
    let scrape = exporter.scrape().await;
    assert_eq!(["one", "two", "three"].map(|one| generated(&scrape, one)), [Some(2.0), Some(4.0), Some(0.0)]);
}

#[tokio::test]
async fn a_folder_that_hangs_at_the_start_is_added_to_once_it_answers() {
    late("hang").await;
}

#[tokio::test]
async fn a_state_that_cannot_be_read_at_the_start_is_added_to_once_it_can_be() {
    late("refuse").await;
}

async fn late(fault: &str) {
    let (simulator, _folder, faults) = with_history().await;
    faults.disk(fault);
    serve(&simulator, 0, &list(6));
    let begin = Instant::now();
    let mut exporter = faults.start(&[]).await;
    assert!(begin.elapsed() < Duration::from_secs(10), "the port opened after {:?}", begin.elapsed());
    let scrape = exporter.until("polls go on", |scrape| scrape.up("one") == Some(1.0)).await;
    assert_eq!((durable(&scrape), generated(&scrape, "one")), (Some(0.0), None), "from nothing on it would be a lie");
    // Two of six are gone, and one comes.
    serve(&simulator, 0, &list(4));
    exporter.polled_anew("one").await;
    serve(&simulator, 0, &list(5));
    exporter.polled_anew("one").await;
    exporter.until("it is said", |_| exporter.logged(&["cannot be read"]).len() == 1).await;

    faults.disk("");
    let scrape = exporter.until("all is written", |scrape| durable(scrape) == Some(1.0)).await;
    assert_eq!(generated(&scrape, "one"), Some(5.0), "3 before, 1 at the start, 1 since");
    let vanished = [("organization", "one"), ("event", "vanished")];
    assert_eq!(scrape.get("csp_invitation_events_total", &vanished), Some(2.0));
    assert_eq!(scrape.get("csp_exporter_state_resets_total", &[]), Some(0.0));
    assert_eq!(names(&faults), ["lock", "state.redb"], "nothing was set aside");
    exporter.kill().await;
    drop(exporter);
    let exporter = faults.start(&[]).await;
    assert_eq!(generated(&exporter.scrape().await, "one"), Some(5.0));
}

#[tokio::test]
async fn a_mount_that_appears_over_the_folder_is_noticed_and_added_to() {
    let (simulator, folder, faults) = with_history().await;
    // Not mounted yet: an empty folder is in its place.
    let mounted = folder.path("mounted");
    std::fs::rename(&faults.state, &mounted).unwrap();
    std::fs::create_dir(&faults.state).unwrap();
    serve(&simulator, 0, &list(6));
    let exporter = faults.start(&[]).await;
    exporter.until("it begins anew", |scrape| scrape.up("one") == Some(1.0)).await;
    serve(&simulator, 0, &list(7));
    exporter.until("it counts", |scrape| generated(scrape, "one") == Some(1.0)).await;

    std::fs::rename(&faults.state, folder.path("hidden")).unwrap();
    std::fs::rename(&mounted, &faults.state).unwrap();
    serve(&simulator, 0, &list(8));
    let scrape = exporter.until("it is added", |scrape| generated(scrape, "one") > Some(2.0)).await;
    assert_eq!(generated(&scrape, "one"), Some(6.0), "3 before, 1 at the start, 2 since");
    exporter.until("all is written", |scrape| durable(scrape) == Some(1.0)).await;
    assert_eq!(names(&faults), ["lock", "state.redb"], "nothing was set aside");
    assert_eq!(exporter.scrape().await.get("csp_exporter_state_resets_total", &[]), Some(0.0));
}

#[tokio::test]
async fn a_stop_waits_for_a_folder_that_hangs_for_ten_seconds_and_a_second_signal_ends_it() {
    for signals in [1, 2] {
        let (simulator, _folder, faults) = with_history().await;
        let mut exporter = faults.start(&[]).await;
        faults.disk("hang");
        serve(&simulator, 0, &list(6));
        exporter.until("it is noticed", |scrape| durable(scrape) == Some(0.0)).await;
        let begin = Instant::now();
        exporter.signal("TERM").await;
        if signals == 2 {
            let is_taken = async || (!exporter.logged(&["shutting down"]).is_empty()).then_some(());
            eventually("the first signal is taken", is_taken).await;
            exporter.signal("TERM").await;
        }
        let code = exporter.ended().await.code();
        let (expected, longest) = if signals == 1 { (0, 14) } else { (1, 5) };
        assert_eq!(code, Some(expected), "{:?}", exporter.log);
        assert!(begin.elapsed() < Duration::from_secs(longest), "{signals} signals: {:?}", begin.elapsed());
    }
}

#[tokio::test]
async fn a_start_that_hangs_can_be_stopped() {
    let (_simulator, _folder, faults) = with_history().await;
    faults.disk("hang");
    let mut exporter = faults.start(&[]).await;
    let begin = Instant::now();
    exporter.signal("TERM").await;
    assert_eq!(exporter.ended().await.code(), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(14), "{:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_hundred_organizations_take_no_more_threads_when_the_folder_hangs() {
    use std::fmt::Write as _;

    let (simulator, _settings, folder) = simulated(600, "interval: 15s", Options::default()).await;
    let mut config = folder.read("config.yaml");
    config.truncate(config.find("organizations:").unwrap());
    config.push_str("organizations:\n");
    for (number, one) in simulator.organizations().iter().enumerate() {
        writeln!(config, "  - {{id: {}, name: org-{number}, credentials: app}}", one.id).unwrap();
    }
    folder.write("config.yaml", &config);
    // Short lists: what is tried is the exporter, not how fast the simulator makes them up.
    (0..600).for_each(|number| serve(&simulator, number, &list(1)));
    let faults = Faults::new(&folder);
    let exporter = faults.start(&[]).await;
    exporter.until("all are polled", |scrape| scrape.all("csp_up", &[]).len() == 600).await;
    let calm = threads(&exporter);
    faults.disk("hang");
    for number in 0..600 {
        serve(&simulator, number, &list(3));
    }
    let mut most = 0;
    let polls = exporter.scrape().await.sum("csp_polls_total", &[]);
    exporter
        .until("polls go on in memory", |scrape| {
            most = most.max(threads(&exporter));
            durable(scrape) == Some(0.0) && scrape.sum("csp_polls_total", &[]) >= polls + 600.0
        })
        .await;
    assert!(most < calm + 100, "{most} threads instead of {calm}");
    assert_eq!(exporter.get("/livez").await.0, 200);
}

#[tokio::test]
async fn once_ends_although_the_folder_hangs() {
    let (_simulator, folder, faults) = with_history().await;
    faults.disk("hang");
    let environment = faults.environment();
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let arguments = ["once", "--config.file", &folder.path("config.yaml"), "--state.dir", &faults.state];
    let done = run_within(Duration::from_secs(20), &arguments, &environment).await;
    assert!(done.stdout.contains("csp_up{organization=\"one\"} 1"), "{}{}", done.stdout, done.stderr);
    assert!(!done.stdout.contains("csp_invitation_events_total{"), "{}", done.stdout);
}

#[tokio::test]
async fn a_state_of_a_newer_version_is_set_aside_and_counted() {
    let (_simulator, _folder, faults) = with_history().await;
    std::fs::write(format!("{}/state.redb", faults.state), "from the future\n".repeat(1_000)).unwrap();
    let exporter = faults.start(&[]).await;
    let scrape = exporter.until("it begins anew", |scrape| scrape.up("one") == Some(1.0)).await;
    assert_eq!(scrape.get("csp_exporter_state_resets_total", &[]), Some(1.0));
    assert_eq!((durable(&scrape), generated(&scrape, "one")), (Some(1.0), Some(0.0)));
    assert_eq!(names(&faults), ["lock", "state.redb", "state.redb.set-aside-1"]);
    assert_eq!(exporter.logged(&["set aside", "state.redb.set-aside-1"]).len(), 1);
}

#[tokio::test]
async fn a_state_file_that_may_not_grow_any_more_is_a_disk_that_refuses() {
    let (simulator, _settings, folder) = simulated(1, "interval: 1s", Options::default()).await;
    serve(&simulator, 0, &list(1));
    let exporter = Exporter::start(&folder, &["--state.dir", &folder.path("state")]).await;
    exporter.until("it is durable", |scrape| scrape.up("one") == Some(1.0) && durable(scrape) == Some(1.0)).await;
    let limit = async |bytes: &str| {
        let pid = exporter.pid().to_string();
        let set = tokio::process::Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:")]).status();
        assert!(set.await.unwrap().success());
    };
    limit("0").await;
    serve(&simulator, 0, &list(3));
    let scrape = exporter.until("it is noticed", |scrape| durable(scrape) == Some(0.0)).await;
    assert_eq!(generated(&scrape, "one"), Some(2.0), "counts go on in memory");
    limit("unlimited").await;
    exporter.until("all is written", |scrape| durable(scrape) == Some(1.0)).await;
}
