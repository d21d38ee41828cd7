//! Wrong usage and configuration: exit 64, before anything is bound or sent.

use std::net::TcpListener;

use std::process::Stdio;

use crate::binary::{Exporter, command, run};
use crate::fake::{Fake, json};
use crate::setup::{Folder, Settings};

#[tokio::test]
async fn wrong_flags_exit_with_64() {
    for arguments in [
        &["--no-such-flag"][..],
        &["serve", "--web.max-requests", "many"],
        &["serve", "--web.listen-address", "nonsense"],
        &["serve", "--shard", "6/5"],
        &["serve", "--log.level", "loud"],
        &["once", "--web.listen-address", ":1"],
        &["frobnicate"],
        &["demo", "--scenario", "unheard-of"],
        &["simulate", "--organizations", "0"],
        &["simulate", "--control.listen", "0.0.0.0:0"],
        &["serve"],
        &["once"],
    ] {
        let done = run(arguments, &[]).await;
        assert_eq!(done.code, Some(64), "{arguments:?}: {}", done.stderr);
        assert!(!done.stderr.is_empty() && done.stdout.is_empty(), "{arguments:?}");
    }
}

#[tokio::test]
async fn a_number_of_threads_that_is_none_is_wrong_usage_and_not_a_panic() {
    let fake = Fake::lists(|_, _| json(200, "[]")).await;
    let config = Settings::new(&fake.url, 1).folder();
    let once = async |threads: &str| {
        run(&["once", "--config.file", &config.path("config.yaml")], &[("TOKIO_WORKER_THREADS", threads)]).await
    };
    for senseless in ["abc", "0", "-1", "1000000", "2.5"] {
        let done = once(senseless).await;
        assert_eq!(done.code, Some(64), "{senseless}: {}", done.stderr);
        assert!(done.stderr.contains("TOKIO_WORKER_THREADS must be a whole number"), "{}", done.stderr);
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
    }
    for sensible in ["1", " 3 ", "", " "] {
        let done = once(sensible).await;
        assert_eq!(done.code, Some(0), "{sensible}: {}", done.stderr);
    }
}

#[tokio::test]
async fn every_problem_of_a_configuration_is_named_with_its_path_and_line_and_nothing_is_bound_or_sent() {
    let fake = Fake::start(|_, _| json(200, "[]")).await;
    // An address that is taken: binding it would end with 1 instead.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = Folder::new();
    folder.write(
        "config.yaml",
        &format!(
            "api:\n  url: {}\n  timeot: 3s\npoll:\n  interval: 10\n  interval: 5m\ncredentials:\n  app: {{client_id: x}}\norganizations:\n  - {{id: not-a-guid, name: a, credentials: app}}\n  - {{id: 00000000-0000-4000-8000-000000000001, name: b, credentials: unknown}}\n",
            fake.url
        ),
    );
    for command in ["serve", "once"] {
        let mut arguments = vec![command, "--config.file"];
        let config = folder.path("config.yaml");
        arguments.push(&config);
        if command == "serve" {
            arguments.extend(["--web.listen-address", &address]);
        }
        let done = run(&arguments, &[]).await;
        assert_eq!(done.code, Some(64), "{}", done.stderr);
        for (line, path) in [
            (3, "api.timeot"),
            (5, "poll.interval"),
            (6, "poll.interval"),
            (8, "credentials.app"),
            (10, "organizations[0].id"),
            (11, "organizations[1].credentials"),
        ] {
            let is_named = |text: &str| text.contains(&format!("line {line}: ")) && text.contains(path);
            assert!(done.stderr.lines().any(is_named), "{path}, line {line}: {}", done.stderr);
        }
        assert!(!done.stderr.contains("not-a-guid"));
    }
    assert!(fake.requests("").is_empty(), "nothing was sent");
}

#[tokio::test]
async fn a_web_configuration_that_cannot_be_used_exits_with_64() {
    let fake = Fake::start(|_, _| json(200, "[]")).await;
    let folder = Settings::new(&fake.url, 1).folder();
    folder.write("web.yml", "basic_auth_users: {admin: no-hash}\n");
    let (config, web) = (folder.path("config.yaml"), folder.path("web.yml"));
    let flags = ["--config.file", &config, "--web.config.file", &web, "--web.listen-address", "127.0.0.1:0"];
    let done = run(&flags, &[]).await;
    assert_eq!(done.code, Some(64), "{}", done.stderr);
    assert!(done.stderr.contains("--web.config.file") && done.stderr.contains("admin"), "{}", done.stderr);
    assert!(fake.requests("").is_empty());
}

#[tokio::test]
async fn api_settings_whose_files_cannot_be_used_exit_with_64() {
    let fake = Fake::start(|_, _| json(200, "[]")).await;
    let folder = Settings::new(&fake.url, 1).api("tls: {ca_file: missing.pem}").folder();
    let config = folder.path("config.yaml");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let done = run(&["--config.file", &config, "--web.listen-address", &address], &[]).await;
    assert_eq!(done.code, Some(64), "before anything is bound: {}", done.stderr);
    assert!(done.stderr.contains("missing.pem"), "{}", done.stderr);
}

#[tokio::test]
async fn an_address_in_use_exits_with_1_and_nothing_is_sent() {
    let fake = Fake::start(|_, _| json(200, "[]")).await;
    let folder = Settings::new(&fake.url, 1).folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--web.listen-address", "--web.probe-listen-address"] {
        let mut flags = vec!["--config.file".to_owned(), folder.path("config.yaml"), flag.to_owned(), address.clone()];
        if flag != "--web.listen-address" {
            flags.extend(["--web.listen-address".to_owned(), "127.0.0.1:0".to_owned()]);
        }
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let done = run(&flags, &[]).await;
        assert_eq!(done.code, Some(1), "{}", done.stderr);
        assert!(done.stderr.contains(&address) && done.stderr.contains("in use"), "{}", done.stderr);
    }
    assert!(fake.requests("").is_empty());
}

#[tokio::test]
async fn help_and_version_exit_with_0() {
    for arguments in [&["--help"][..], &["--version"], &["serve", "--help"], &["once", "--version"], &["help"]] {
        let done = run(arguments, &[]).await;
        assert_eq!(done.code, Some(0), "{arguments:?}");
        assert!(!done.stdout.is_empty() && done.stderr.is_empty(), "{arguments:?}");
    }
}

#[tokio::test]
async fn flags_can_be_given_as_environment_variables() {
    let fake = Fake::lists(|_, _| json(200, "[]")).await;
    let folder = Settings::new(&fake.url, 1).folder();
    let (config, state) = (folder.path("config.yaml"), folder.path("state"));
    let environment = [
        ("CSP_EXPORTER_CONFIG_FILE", config.as_str()),
        ("CSP_EXPORTER_STATE_DIR", &state),
        ("CSP_EXPORTER_WEB_LISTEN_ADDRESS", "127.0.0.1:0"),
        ("CSP_EXPORTER_WEB_PROBE_LISTEN_ADDRESS", "127.0.0.1:0"),
        ("CSP_EXPORTER_WEB_TELEMETRY_PATH", "/numbers"),
        ("CSP_EXPORTER_WEB_MAX_REQUESTS", "0"),
        ("CSP_EXPORTER_SHARD", "1/1"),
        ("CSP_EXPORTER_LOG_LEVEL", "debug"),
        ("CSP_EXPORTER_LOG_FORMAT", "json"),
        ("CSP_EXPORTER_WEB_CONFIG_FILE", ""),
    ];
    let exporter = Exporter::spawn(&[], &environment).await;
    exporter.listening("health only").await;
    assert_eq!(exporter.get("/metrics").await.0, 404);
    let (status, text) = exporter.get("/numbers").await;
    assert_eq!(status, 200);
    for series in ["csp_exporter_shards 1\n", "csp_exporter_shard_index 1\n", "csp_exporter_state_durable 1\n"] {
        assert!(text.contains(series), "{series}\n{text}");
    }
    assert!(exporter.log.lock().iter().all(|line| line.starts_with('{') && line.ends_with('}')));
}

#[tokio::test]
async fn a_file_goes_before_organizations_of_the_environment_with_a_warning() {
    let fake = Fake::lists(|_, _| json(200, "[]")).await;
    let folder = Settings::new(&fake.url, 1).folder();
    let config = folder.path("config.yaml");
    let environment = [("CSP_ORGANIZATION_ID", "00000000-0000-4000-8000-000000000099"), ("CSP_API_TOKEN", "t")];
    let done = run(&["once", "--config.file", &config], &environment).await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stderr.contains("level=warn") && done.stderr.contains("CSP_ORGANIZATION_ID"), "{}", done.stderr);
    assert!(!done.stdout.contains("000000000099"), "{}", done.stdout);
}

#[tokio::test]
async fn a_standard_output_that_takes_nothing_is_a_failure_that_is_named_and_a_reader_who_leaves_is_none_to_speak_of() {
    let fake = Fake::lists(|_, _| json(200, r#"[{"username":"a@example.com","status":"AVAILABLE"}]"#)).await;
    let folder = Settings::new(&fake.url, 1).folder();
    let config = folder.path("config.yaml");
    for arguments in [&["once"][..], &["list"], &["check"], &["check", "--online", "--shape"]] {
        let run = async |stdout: Stdio| {
            let child = command().args(arguments).args(["--config.file", &config]).stdout(stdout).spawn().unwrap();
            let output = child.wait_with_output().await.unwrap();
            (output.status.code(), String::from_utf8(output.stderr).unwrap())
        };
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let (code, said) = run(full.into()).await;
        assert_eq!(code, Some(1), "{arguments:?}: {said}");
        assert!(said.contains("standard output cannot be written to: No space left"), "{arguments:?}: {said}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (code, said) = run(writer.into()).await;
        assert_eq!((code, said.as_str()), (Some(1), ""), "{arguments:?}");
    }
}

#[tokio::test]
async fn a_switch_that_a_variable_turns_neither_on_nor_off_is_wrong_usage() {
    for value in ["maybe", " maybe\n", "flase"] {
        let done = run(&["serve"], &[("CSP_EXPORTER_CONFIG_ENABLE_AUTO_RELOAD", value)]).await;
        assert_eq!(done.code, Some(64), "{value:?}");
        assert!(done.stderr.contains("--config.enable-auto-reload"), "{value:?}: {}", done.stderr);
    }
    for value in ["no", "off\n", "YES", " true "] {
        let done = run(&["serve"], &[("CSP_EXPORTER_CONFIG_ENABLE_AUTO_RELOAD", value)]).await;
        assert!(done.stderr.contains("no organization is configured"), "{value:?}: {}", done.stderr);
    }
}

#[tokio::test]
async fn what_lacks_its_counterpart_is_one_problem_and_names_its_line() {
    let folder = Settings::new("http://127.0.0.1:1", 1).folder();
    let config = folder.read("config.yaml");
    for (tls, told) in [
        ("{ca_only: true}", "api.tls.ca_only: needs ca_file"),
        ("{cert_file: c.pem}", "api.tls.cert_file: needs key_file beside it"),
    ] {
        folder.write("config.yaml", &config.replace("api: {", &format!("api: {{tls: {tls}, ")));
        let done = run(&["check", "--config.file", &folder.path("config.yaml")], &[]).await;
        assert_eq!(done.code, Some(1), "{}", done.stdout);
        assert_eq!(done.stdout.matches(told).count(), 1, "{}", done.stdout);
        let others = done.stdout.lines().filter(|line| line.contains("api.tls") && !line.contains(told));
        assert!(others.clone().all(|line| line.contains("cannot read")), "{}", done.stdout);
    }
}

#[tokio::test]
async fn a_system_that_gives_no_threads_is_named_and_nobody_waits_for_them() {
    // Stacks of this size are larger than any address space: each thread is refused, as with a limit of processes.
    let none = ("RUST_MIN_STACK", "140737488355328");
    for command in ["serve", "once", "check", "list", "healthcheck", "demo"] {
        let done = run(&[command], &[none]).await;
        assert_eq!(done.code, Some(1), "{command}: {}", done.stderr);
        assert!(
            done.stderr.contains("gave 0 of the") && done.stderr.contains("pids.max"),
            "{command}: {}",
            done.stderr
        );
        assert!(!done.stderr.contains("panicked"), "{command}: {}", done.stderr);
    }
}

#[tokio::test]
async fn the_largest_files_are_judged_in_seconds_however_much_is_wrong_with_them() {
    use std::fmt::Write as _;
    let folder = Folder::new();
    let many = 8_000;
    let mut unknown = "credentials:\n".to_owned();
    for number in 0..many {
        writeln!(unknown, "  credential-{number}: {{api_token_file: secret}}").unwrap();
    }
    unknown += "organizations:\n";
    for number in 0..many {
        let id = crate::setup::id(number);
        writeln!(unknown, "  - {{id: {id}, name: n{number}, credentials: another-{number}}}").unwrap();
    }
    let mut keys = String::new();
    for number in 0..400_000 {
        writeln!(keys, "{number:06}:").unwrap();
    }
    for (text, problems) in [(unknown, many), (keys, 1)] {
        folder.write("config.yaml", &text);
        // By far shorter than what time in proportion to the square of the file would take.
        let done = run(&["check", "--config.file", &folder.path("config.yaml")], &[]).await;
        assert_eq!(done.code, Some(1), "{}", done.stderr);
        assert!(done.stdout.matches("problem: ").count() >= problems, "{}", done.stdout.len());
    }
}
