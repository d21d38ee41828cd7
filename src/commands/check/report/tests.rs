//! Reports, over real secret files.

use std::fs::{Permissions, set_permissions, write};

use super::*;
use crate::config::{Problem, parse};

const CANARY: &str = "CaNaRy-5ecret";

fn config(folder: &Path, source: &str) -> Config {
    parse(source.as_bytes(), folder).unwrap()
}

fn source() -> String {
    "credentials:\n  app: {client_id: abc, client_secret_file: s}\n  token: {api_token_file: t}\norganizations:\n  \
     - {id: 01234567-89ab-cdef-0123-456789abcdef, name: acme, credentials: app}\n  \
     - {id: 11234567-89ab-cdef-0123-456789abcdef, name: globex, credentials: token, interval: 1m}\n"
        .to_owned()
}

#[tokio::test]
async fn a_report_says_what_would_run_and_no_secret() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    for (file, mode) in [("s", 0o600), ("t", 0o644)] {
        let path = folder.path().join(file);
        write(&path, format!("{CANARY}\n")).unwrap();
        set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    let report = report(&config(folder.path(), &source()), None).await;
    let text = report.to_string();
    assert!(!text.contains(CANARY) && !format!("{report:?}").contains(CANARY));
    assert_eq!(report.exit_code(), 0, "{text}");
    assert!(text.contains("acme: id 01234567-89ab-cdef-0123-456789abcdef, every 300s, deadline 240s, withdrawn after 1200s, credential app (OAuth app)"), "{text}");
    assert!(text.contains("every 60s, deadline 48s, withdrawn after 240s, credential token (API token)"), "{text}");
    assert_eq!(report.warnings.len(), 1, "{text}");
    assert!(report.warnings[0].contains("credentials.token: everybody on this machine can read"), "{text}");
    assert!(text.contains("requests per minute: about 1.3\n") && text.ends_with("ok\n"), "{text}");
}

#[tokio::test]
async fn missing_and_empty_secret_files_and_bad_web_configurations_are_all_problems() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path().join("t"), "\n").unwrap();
    let config = config(folder.path(), &format!("api: {{tls: {{ca_file: nope}}}}\n{}", source()));
    let flags = Check {
        config: crate::cli::ConfigFile { config_file: None },
        web_config_file: Some("web.yml".into()),
        sharding: crate::cli::Sharding { shard: None },
        online: false,
        shape: false,
    };
    let report = offline(&flags, &Ok(config), async |_| Err(Problem::general("bad").into())).await;
    assert_eq!(report.exit_code(), 1);
    for (problem, part) in report.problems.iter().zip([
        "credentials.app: the secret file",
        "credentials.token: the secret file",
        "api.tls.ca_file",
        "web.yml: bad",
    ]) {
        assert!(problem.starts_with(part), "{problem}");
    }
    assert_eq!(report.problems.len(), 4);
    let report =
        offline(&flags, &Err(Problem::general("worse").into()), async |_| Err(Problem::general("bad").into())).await;
    assert_eq!(report.problems, ["worse", "web.yml: bad"]);
}

#[tokio::test]
async fn shards_report_each_organization_in_one_place() {
    let config = config(Path::new("/nonexistent"), &source());
    let here = async |index| {
        let lines = report(&config, Shard::new(index, 2)).await.lines;
        lines.iter().filter(|line| line.contains(": id ") && !line.ends_with("(another shard)")).count()
    };
    assert_eq!(here(1).await + here(2).await, 2);
}

#[tokio::test]
async fn series_grow_with_the_limits_and_requests_with_the_frequency() {
    let folder = Path::new("");
    let default = config(folder, &source());
    let series = Series::of(&default, 2);
    assert_eq!(series.upper, 172 + 564 + 2 * (96 + 1 + 5 * (603 + 201 + 201) + 201));
    assert_eq!(series.typical, 172 + 2 * (96 + 5 * (29 + 23) + 23 + 201 * 13 / 5));
    let small = config(
        folder,
        &format!(
            "metrics: {{max_roles: 0, max_groups: 0, max_pairs: 0}}\npoll: {{expand_groups: false}}\n{}",
            source()
        ),
    );
    assert_eq!(Series::of(&small, 1).upper, 172 + 564 + 96 + 1 + 5 * (3 + 1 + 1));
    let greedy = config(folder, &format!("api: {{requests_per_second: 0.01}}\n{}", source()));
    let warnings = report(&greedy, None).await.warnings;
    assert!(warnings.iter().any(|warning| warning.contains("requests_per_second allows 0.6")), "{warnings:?}");
}
