//! `once`: one poll, printed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use csp_simulator::{Options, Scenario};
use serde_json::json;

use crate::binary::{command, run};
use crate::scrape::Scrape;
use crate::setup::{NAMES, serve, simulated};

fn families(scrape: &Scrape) -> BTreeSet<&str> {
    let types = scrape.text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|line| line.split(' ').next().unwrap()).collect()
}

#[tokio::test]
async fn once_prints_what_clashes_with_nobody_and_exits_with_0() {
    let (_simulator, _settings, folder) = simulated(2, "interval: 60s", Options::default()).await;
    let done = run(&["once", "--config.file", &folder.path("config.yaml")], &[]).await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let scrape = Scrape::parse(&done.stdout);
    for name in ["one", "two"] {
        assert_eq!(scrape.up(name), Some(1.0));
        assert!(scrape.invitations(name) > Some(0.0));
        assert_eq!(scrape.count("csp_polls_total", &[("organization", name)]), 1.0);
    }
    for family in families(&scrape) {
        let clashes = ["process_", "csp_api_", "csp_exporter_", "csp_access_token_", "csp_invitation_events"];
        assert!(!clashes.iter().any(|prefix| family.starts_with(prefix)), "{family}");
    }
    assert!(scrape.all("csp_organization_info", &[]).iter().all(|sample| !sample.labels["display_name"].is_empty()));
}

#[tokio::test]
async fn an_organization_that_fails_is_shown_as_down_and_exits_with_2() {
    let (simulator, _settings, folder) = simulated(2, "interval: 60s", Options::default()).await;
    let second = simulator.organizations()[1].id.clone();
    simulator.set_organization_scenario(&second, Some(Scenario::CredentialsRevoked)).unwrap();
    let done = run(&["once", "--config.file", &folder.path("config.yaml")], &[]).await;
    assert_eq!(done.code, Some(2), "{}", done.stderr);
    let scrape = Scrape::parse(&done.stdout);
    assert_eq!((scrape.up("one"), scrape.up("two")), (Some(1.0), Some(0.0)));
    assert_eq!(scrape.failures("two", "credentials"), 1.0);
    assert_eq!(scrape.invitations("two"), None);
    let output = folder.path("out.prom");
    let written = run(&["once", "--config.file", &folder.path("config.yaml"), "--output", &output], &[]).await;
    assert_eq!(written.code, Some(2), "{}", written.stderr);
    assert_eq!(Scrape::parse(&folder.read("out.prom")).up("two"), Some(0.0), "it is written all the same");
    assert!(done.stderr.contains("organization=two") && done.stderr.contains("reason=credentials"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_output_file_is_replaced_as_a_whole() {
    let (_simulator, _settings, folder) = simulated(1, "interval: 60s", Options::default()).await;
    let output = folder.path("csp.prom");
    folder.write("csp.prom", "csp_up 1\n# old and whole\n");
    let done = Arc::new(AtomicBool::new(false));
    let (watched, is_done) = (output.clone(), Arc::clone(&done));
    let reader = tokio::task::spawn_blocking(move || {
        while !is_done.load(SeqCst) {
            let text = std::fs::read_to_string(&watched).expect("the file is always there");
            let is_whole = text.ends_with("# old and whole\n") || text.lines().any(|line| line.starts_with("csp_up{"));
            assert!(is_whole && text.ends_with('\n'), "{text}");
        }
    });
    for _ in 0..3 {
        let finished = run(&["once", "--config.file", &folder.path("config.yaml"), "--output", &output], &[]).await;
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""), "{}", finished.stderr);
    }
    done.store(true, SeqCst);
    reader.await.unwrap();
    assert_eq!(Scrape::parse(&folder.read("csp.prom")).up("one"), Some(1.0));
    let beside = std::fs::read_dir(folder.path(".")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(beside.collect::<BTreeSet<_>>().len(), 3, "config.yaml, secret and csp.prom: nothing is left behind");

    let nowhere = folder.path("no/such/folder.prom");
    let failed = run(&["once", "--config.file", &folder.path("config.yaml"), "--output", &nowhere], &[]).await;
    assert_eq!(failed.code, Some(1));
    assert!(failed.stderr.contains("folder.prom"), "{}", failed.stderr);
}

#[tokio::test]
async fn a_link_a_pipe_and_permissions_stay_what_they_are() {
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
    let (_simulator, _settings, folder) = simulated(1, "interval: 60s", Options::default()).await;
    let config = folder.path("config.yaml");
    let write = async |name: &str| run(&["once", "--config.file", &config, "--output", &folder.path(name)], &[]).await;

    folder.write("target.prom", "old\n");
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(folder.path("target.prom"), private.clone()).unwrap();
    std::os::unix::fs::symlink(folder.path("target.prom"), folder.path("link.prom")).unwrap();
    assert_eq!(write("link.prom").await.code, Some(0));
    assert!(std::fs::symlink_metadata(folder.path("link.prom")).unwrap().is_symlink());
    assert_eq!(Scrape::parse(&folder.read("target.prom")).up("one"), Some(1.0));
    assert_eq!(std::fs::metadata(folder.path("target.prom")).unwrap().permissions().mode() & 0o777, 0o600);

    // Somebody else's, where this user may give files away.
    let _ = chown(folder.path("target.prom"), Some(12_345), Some(12_345));
    let owner = || std::fs::metadata(folder.path("target.prom")).map(|file| (file.uid(), file.gid())).unwrap();
    let before = owner();
    assert_eq!(write("link.prom").await.code, Some(0));
    assert_eq!(owner(), before);

    // One that leads to a file that is not there yet, and one that leads nowhere ever.
    std::os::unix::fs::symlink("fresh.prom", folder.path("early.prom")).unwrap();
    assert_eq!(write("early.prom").await.code, Some(0));
    assert!(std::fs::symlink_metadata(folder.path("early.prom")).unwrap().is_symlink());
    assert_eq!(Scrape::parse(&folder.read("fresh.prom")).up("one"), Some(1.0));
    std::os::unix::fs::symlink("loop.prom", folder.path("loop.prom")).unwrap();
    assert_eq!(write("loop.prom").await.code, Some(1));

    let pipe = folder.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let read = tokio::task::spawn_blocking({
        let pipe = pipe.clone();
        move || std::fs::read_to_string(pipe).unwrap()
    });
    assert_eq!(write("pipe").await.code, Some(0));
    assert_eq!(Scrape::parse(&read.await.unwrap()).up("one"), Some(1.0));
    assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo());

    // A pipe that has no name, as in `--output /dev/stdout | …` and `--output >(…)`.
    let piped = run(&["once", "--config.file", &config, "--output", "/dev/stdout"], &[]).await;
    assert_eq!(piped.code, Some(0), "{}", piped.stderr);
    assert_eq!(Scrape::parse(&piped.stdout).up("one"), Some(1.0));
}

#[tokio::test]
async fn what_others_put_beside_the_output_is_left_alone() {
    let (_simulator, _settings, folder) = simulated(1, "interval: 60s", Options::default()).await;
    let (config, output) = (folder.path("config.yaml"), folder.path("out.prom"));
    folder.write("precious", "precious");
    // The process's own number could be guessed, and a link put there in time.
    let script = "ln -s precious \"$2.$$.tmp\" && exec \"$0\" once --config.file \"$1\" --output \"$2\"";
    let binary = command().as_std().get_program().to_owned();
    let mut shell = tokio::process::Command::new("sh");
    shell.args(["-c", script]).arg(binary).args([&config, &output]).env_clear().env("PATH", "/usr/bin:/bin");
    assert!(shell.status().await.unwrap().success());
    assert_eq!(folder.read("precious"), "precious");
    assert!(!std::fs::symlink_metadata(&output).unwrap().is_symlink());
    assert_eq!(Scrape::parse(&folder.read("out.prom")).up("one"), Some(1.0));
}

#[tokio::test]
async fn a_limit_of_file_sizes_is_a_failure_that_is_named_and_leaves_nothing_behind() {
    let (_simulator, _settings, folder) = simulated(1, "interval: 60s", Options::default()).await;
    let (config, output) = (folder.path("config.yaml"), folder.path("out.prom"));
    let script = "ulimit -f 1 && exec \"$0\" once --config.file \"$1\" --output \"$2\"";
    let binary = command().as_std().get_program().to_owned();
    let mut shell = tokio::process::Command::new("sh");
    shell.args(["-c", script]).arg(binary).args([&config, &output]).env_clear().env("PATH", "/usr/bin:/bin");
    let done = shell.output().await.unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("out.prom: File too large"), "{said}");
    let beside = std::fs::read_dir(folder.path(".")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(beside.collect::<BTreeSet<_>>(), ["config.yaml", "secret"].map(Into::into).into());
}

#[tokio::test]
async fn with_a_state_folder_events_are_counted_from_one_run_to_the_next() {
    let (simulator, _settings, folder) = simulated(1, "interval: 60s", Options::default()).await;
    let (config, state) = (folder.path("config.yaml"), folder.path("state"));
    let arguments = ["once", "--config.file", &config, "--state.dir", &state];
    let events = |scrape: &Scrape, event| scrape.get("csp_invitation_events_total", &[("event", event)]);
    let invitation = |link: &str, status: &str| json!({ "username": "a@x.org", "refLink": link, "status": status });
    serve(&simulator, 0, &[invitation("a", "AVAILABLE")]);
    let first = run(&arguments, &[]).await;
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let first = Scrape::parse(&first.stdout);
    assert_eq!(events(&first, "generated"), Some(0.0), "what the first poll finds is the baseline");
    serve(&simulator, 0, &[invitation("a", "REDEEMED"), invitation("b", "AVAILABLE")]);
    let second = Scrape::parse(&run(&arguments, &[]).await.stdout);
    assert_eq!((events(&second, "generated"), events(&second, "redeemed")), (Some(1.0), Some(1.0)));
    assert_eq!(second.count("csp_invitation_redemption_duration_seconds_count", &[]), 0.0, "nobody knows how long");
    let third = Scrape::parse(&run(&arguments, &[]).await.stdout);
    assert_eq!((events(&third, "generated"), events(&third, "redeemed")), (Some(1.0), Some(1.0)));
}

#[tokio::test]
async fn the_shards_together_are_the_whole_and_share_nothing() {
    let (_simulator, _settings, folder) = simulated(5, "interval: 60s", Options::default()).await;
    let config = folder.path("config.yaml");
    let mut together = Vec::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let done = run(&["once", "--config.file", &config, "--shard", shard], &[]).await;
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        let scrape = Scrape::parse(&done.stdout);
        together.extend(NAMES.into_iter().filter(|name| !scrape.all_of(name).is_empty()));
    }
    assert_eq!(together.len(), 5, "{together:?}");
    assert_eq!(together.iter().collect::<BTreeSet<_>>().len(), 5, "{together:?}");
}
