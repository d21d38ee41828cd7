//! Arguments in, commands or exit codes out.

use super::*;

fn parsed(arguments: &[&str]) -> Result<Command, clap::Error> {
    try_parse(["x"].iter().chain(arguments).map(OsString::from))
}

#[test]
fn the_definition_is_consistent() {
    command().debug_assert();
}

#[test]
fn flags_of_serve_work_without_before_and_after_the_command() {
    for arguments in [
        &["--config.file=c", "--log.level", "debug"][..],
        &["serve", "--config.file", "c", "--log.level=debug"],
        &["--config.file", "c", "serve", "--log.level=debug"],
        &["--web.systemd-socket", "--config.file=c", "--log.level=debug"],
    ] {
        let Command::Serve(serve) = parsed(arguments).unwrap() else { panic!("{arguments:?}") };
        assert_eq!(serve.config.config_file, Some("c".into()), "{arguments:?}");
        assert_eq!(serve.log.level, Level::Debug);
    }
    let Command::Serve(serve) = parsed(&["--config.file", "check"]).unwrap() else {
        panic!("a value became a command")
    };
    assert_eq!(serve.config.config_file, Some("check".into()));
}

#[test]
fn serve_has_the_documented_defaults() {
    let Command::Serve(serve) = parsed(&[]).unwrap() else { panic!("no command is serve") };
    assert_eq!(serve.listen.listen_addresses, [":10094".parse().unwrap()]);
    assert_eq!((serve.web.telemetry_path.as_str(), serve.web.max_requests), ("/metrics", 40));
    assert_eq!((serve.log.level, serve.log.format), (Level::Info, Format::Logfmt));
    assert!(!serve.systemd_socket && serve.state.state_dir.is_none() && serve.sharding.shard.is_none());
}

#[test]
fn listen_addresses_can_be_repeated_or_separated_by_commas() {
    let Command::Serve(serve) =
        parsed(&["--web.listen-address=:1,localhost:2", "--web.listen-address=[::1]:3"]).unwrap()
    else {
        panic!("serve")
    };
    assert_eq!(
        serve.listen.listen_addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [":1", "localhost:2", "[::1]:3"]
    );
}

#[test]
fn every_flag_of_serve_has_the_environment_variable_of_its_name() {
    let command = command();
    let serve = command.get_subcommands().find(|c| c.get_name() == "serve").unwrap();
    for argument in serve.get_arguments().filter(|a| !matches!(a.get_id().as_str(), "help" | "version")) {
        let long = argument.get_long().unwrap();
        let expected = format!("CSP_EXPORTER_{}", long.to_uppercase().replace(['.', '-'], "_"));
        assert_eq!(argument.get_env().and_then(OsStr::to_str), Some(expected.as_str()));
    }
}

#[test]
fn a_health_check_asks_the_probe_listener_where_there_is_one() {
    for (arguments, asked) in [
        (&["healthcheck"][..], ":10094"),
        (&["healthcheck", "--web.listen-address=localhost:1,localhost:2"], "localhost:1"),
        (&["healthcheck", "--web.listen-address=:1", "--web.probe-listen-address=:2"], ":2"),
    ] {
        let Command::Healthcheck(flags) = parsed(arguments).unwrap() else { panic!("{arguments:?}") };
        assert_eq!(flags.address().unwrap().to_string(), asked, "{arguments:?}");
    }
}

#[test]
fn no_flag_takes_a_secret() {
    for subcommand in command().get_subcommands() {
        for long in subcommand.get_arguments().filter_map(clap::Arg::get_long) {
            assert!(!["token", "secret", "password"].iter().any(|word| long.contains(word)), "{long}");
        }
    }
}

#[test]
fn wrong_usage_is_64_and_help_and_version_are_0() {
    let code = |arguments: &[&str]| parse(["x"].iter().chain(arguments).map(OsString::from)).unwrap_err();
    for wrong in
        [&["--nonsense"][..], &["nonsense"], &["--shard=6/5"], &["--web.listen-address=example"], &["--log.level=loud"]]
    {
        assert_eq!(format!("{:?}", code(wrong)), format!("{:?}", ExitCode::from(EXIT_USAGE)), "{wrong:?}");
    }
    for fine in [&["--help"][..], &["--version"], &["serve", "--help"], &["help"], &["once", "--version"]] {
        assert_eq!(format!("{:?}", code(fine)), format!("{:?}", ExitCode::SUCCESS), "{fine:?}");
    }
}

#[test]
fn the_version_is_one_line_with_revision_and_compiler() {
    let text = parsed(&["--version"]).unwrap_err().to_string();
    assert!(text.starts_with("csp-invitations-exporter ") && text.trim().lines().count() == 1, "{text}");
    assert!(text.contains("revision ") && text.contains("rust 1."), "{text}");
}

#[test]
fn scenarios_are_read_by_the_name_that_they_show() {
    for name in ["steady", "rate-limit-storm", "outage", "slow", "credentials-revoked", "malformed", "large"] {
        let Command::Demo(demo) = parsed(&["demo", "--scenario", name]).unwrap() else { panic!("demo") };
        assert_eq!(demo.simulated.scenario.as_str(), name);
    }
}

#[test]
fn the_metrics_cannot_take_the_path_of_another_page() {
    for path in ["/", "/api/v1/status", "/assets/status.css", "/healthz", "metrics"] {
        parsed(&["--web.telemetry-path", path]).unwrap_err();
    }
}

/// As [`parsed`], with these variables that clap cannot see.
fn parsed_with(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Command, clap::Error> {
    let arguments = ["x"].iter().chain(arguments).map(OsString::from).collect();
    let variable = |name: &OsStr| variables.iter().find(|(known, _)| name == *known).map(|(_, value)| value.into());
    let Prepared { definition, arguments } = arguments::prepare(Cli::command(), arguments, variable);
    Cli::from_arg_matches(&definition.try_get_matches_from(arguments)?).map(|cli| cli.command)
}

#[test]
fn an_empty_flag_or_variable_counts_as_not_given() {
    for arguments in [
        &["--web.config.file", "", "--state.dir=", "--log.level", ""][..],
        &["serve", "--web.config.file=", "--shard", ""],
    ] {
        let Command::Serve(serve) = parsed(arguments).unwrap() else { panic!("serve") };
        assert!(
            serve.web.web_config_file.is_none() && serve.state.state_dir.is_none() && serve.sharding.shard.is_none()
        );
        assert_eq!(serve.log.level, Level::Info);
    }
    let variables = [("CSP_EXPORTER_STATE_DIR", " \n"), ("CSP_EXPORTER_SHARD", "")];
    let Command::Serve(serve) = parsed_with(&[], &variables).unwrap() else { panic!("serve") };
    assert!(serve.state.state_dir.is_none() && serve.sharding.shard.is_none());
    let Command::Check(check) = parsed(&["check", "--web.config.file", "", "--online"]).unwrap() else {
        panic!("check")
    };
    assert!(check.web_config_file.is_none() && check.online);
}

#[test]
fn variables_are_trimmed_and_flags_go_before_them() {
    let variables = [
        ("CSP_EXPORTER_LOG_LEVEL", "debug\n"),
        ("CSP_EXPORTER_STATE_DIR", " /state\r\n"),
        ("CSP_EXPORTER_WEB_SYSTEMD_SOCKET", "true\n"),
        ("CSP_EXPORTER_WEB_LISTEN_ADDRESS", ":1, :2\n"),
    ];
    let Command::Serve(serve) = parsed_with(&["--state.dir", "/other"], &variables).unwrap() else { panic!("serve") };
    assert_eq!((serve.log.level, serve.state.state_dir), (Level::Debug, Some("/other".into())));
    assert!(serve.systemd_socket && serve.listen.listen_addresses.len() == 2);
    let Command::Serve(serve) = parsed_with(&[], &variables).unwrap() else { panic!("serve") };
    assert_eq!(serve.state.state_dir, Some("/state".into()));
    let no = [("CSP_EXPORTER_WEB_SYSTEMD_SOCKET", "false\n")];
    let Command::Serve(serve) = parsed_with(&[], &no).unwrap() else { panic!("serve") };
    assert!(!serve.systemd_socket);
    assert!(parsed_with(&[], &[("CSP_EXPORTER_LOG_LEVEL", "loud\n")]).is_err());
}

#[test]
fn help_behind_flags_of_serve_is_that_of_serve() {
    for arguments in
        [&["--log.level", "debug", "--help"][..], &["--config.file=x", "-h"], &["--state.dir", "", "--help"]]
    {
        let error = parsed(arguments).unwrap_err();
        assert!(!error.use_stderr() && error.to_string().contains("--web.listen-address"), "{arguments:?}: {error}");
    }
    let all = parsed(&["--help"]).unwrap_err().to_string();
    assert!(all.contains("simulate") && all.contains("healthcheck"), "{all}");
}
