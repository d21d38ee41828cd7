//! docs/configuration.md names every flag, variable and key with its default, and none that is not there.

use std::collections::BTreeSet;
use std::path::Path;

use csp_invitations_exporter::{cli, config};

/// The cells of the table rows under the headings that `wanted` picks, with the heading's word in backticks.
fn rows(wanted: fn(&str) -> bool) -> Vec<(String, Vec<String>)> {
    let document = include_str!("../docs/configuration.md");
    let mut heading = "";
    let mut rows = Vec::new();
    for line in document.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            heading = title;
        } else if line.starts_with("| `") && wanted(heading) {
            let cells =
                line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect();
            rows.push((heading.split('`').nth(1).unwrap_or_default().to_owned(), cells));
        }
    }
    rows
}

#[test]
fn every_flag_is_documented_with_its_variable_and_default() {
    let documented: BTreeSet<[String; 4]> = rows(|heading| heading.starts_with("Command"))
        .into_iter()
        .map(|(command, cells)| [command, cells[0].clone(), cells[1].clone(), cells[2].clone()])
        .collect();
    let mut actual = BTreeSet::new();
    for command in cli::command().get_subcommands() {
        for argument in command.get_arguments() {
            let Some(long) = argument.get_long().filter(|long| !matches!(*long, "help" | "version")) else { continue };
            let variable = argument.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let defaults = argument.get_default_values().iter().map(|value| value.to_string_lossy());
            let default = if argument.get_action().takes_values() { defaults.collect() } else { String::new() };
            actual.insert([command.get_name().to_owned(), format!("--{long}"), variable, default]);
        }
    }
    assert_eq!(documented, actual);
}

#[test]
fn every_key_is_documented_and_no_other() {
    let documented: BTreeSet<String> =
        rows(|heading| heading.starts_with("The file")).into_iter().map(|(_, cells)| cells[0].clone()).collect();
    let known = config::known_keys();
    let section = |key: &String| {
        known.iter().any(|other| other.starts_with(&format!("{key}.")) || other.starts_with(&format!("{key}[")))
    };
    let actual: BTreeSet<String> = known.iter().filter(|key| !section(key)).cloned().collect();
    assert_eq!(documented, actual);
}

#[test]
fn every_variable_without_a_file_is_documented_and_no_other() {
    let documented: BTreeSet<String> =
        rows(|heading| heading == "Without a file").into_iter().map(|(_, cells)| cells[0].clone()).collect();
    assert_eq!(documented, config::VARIABLES.map(str::to_owned).into());
}

#[tokio::test]
async fn the_examples_load() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for (file, organizations) in [("config.yaml", 2), ("minimal.yaml", 1)] {
        let config = config::load(&folder.join(file)).await.unwrap_or_else(|problems| panic!("{file}:\n{problems}"));
        assert_eq!(config.organizations.len(), organizations);
    }
}

#[test]
fn the_example_has_a_line_for_every_key() {
    let source = include_str!("../examples/config.yaml");
    for key in config::known_keys() {
        let name = key.rsplit('.').next().unwrap_or(&key).trim_end_matches("[]").to_owned();
        assert!(
            name == "*" || source.contains(&format!("{name}: ")) || source.contains(&format!("{name}:\n")),
            "{key}"
        );
    }
}

#[test]
fn the_commented_example_loads_with_everything_uncommented() {
    let source = include_str!("../examples/config.yaml");
    let uncomment = |line: &str| match line.trim_start().strip_prefix("# ") {
        Some(rest)
            if rest
                .trim_start()
                .split(' ')
                .next()
                .is_some_and(|word| word.ends_with(':') && word == word.to_lowercase())
                && (line.starts_with("  ") || line.starts_with("# organization_files")) =>
        {
            format!("{}{rest}\n", &line[..line.len() - line.trim_start().len()])
        }
        _ => format!("{line}\n"),
    };
    let full: String = source.lines().map(uncomment).collect();
    let config =
        config::parse(full.as_bytes(), Path::new("/etc")).unwrap_or_else(|problems| panic!("{problems}\n{full}"));
    assert!(config.credentials.iter().any(|credential| credential.url.is_some()));
    assert!(
        config.api.proxy_url.is_some() && config.api.tls.key_file.is_some() && config.metrics.trusted_domains.is_some()
    );
}
