//! Configurations, good ones and bad ones.

use std::fmt::Write as _;

use super::mark::MARK;
use super::upstream::SCENARIOS;
use crate::setup::{Folder, NAMES, id};

/// A configuration with all kinds of credentials, and `more` settings of the API.
pub(super) fn yaml(url: &str, more: &str) -> String {
    let mut yaml = format!(
        "api: {{url: {url}, requests_per_second: 0, timeout: 2s, max_attempts: 2{more}}}\npoll: {{interval: 2s}}\nmetrics: {{trusted_domains: [a.org]}}\ncredentials:\n  app: {{client_id: app, client_secret_file: secret}}\n  token: {{api_token_file: token}}\n  refused: {{api_token_file: refused}}\n  missing: {{api_token_file: missing}}\norganizations:\n"
    );
    for number in 1..=SCENARIOS {
        writeln!(yaml, "  - {{id: {}, name: o{number}, credentials: app}}", id(number)).unwrap();
    }
    for (number, (name, credentials)) in (50..).zip(NAMES.into_iter().zip(["token", "refused", "missing"])) {
        writeln!(yaml, "  - {{id: {}, name: {name}, credentials: {credentials}}}", id(number)).unwrap();
    }
    yaml
}

/// Configurations that are refused, with secrets where they do not belong.
pub(super) fn bad_files() -> Vec<String> {
    let good = yaml("http://localhost:1", "");
    let replaced = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replace(from, to)
    };
    vec![
        format!("{MARK}: [1, 2"),
        format!("{good}  - {MARK}\n\t{MARK}"),
        replaced("client_secret_file: secret", &format!("client_secret: {MARK}-secret")),
        replaced("api_token_file: token", &format!("api_token: {MARK}-token")),
        replaced("api_token_file: token", &format!("api_token_file: [{MARK}-token]")),
        replaced("timeout: 2s", &format!("timeout: {MARK}")),
        replaced("timeout: 2s", &format!("proxy_url: 'ftp://u:{MARK}@proxy'")),
        replaced("url: http://localhost:1", &format!("url: 'https://u:{MARK}@host'")),
        replaced("trusted_domains: [a.org]", &format!("roles: {{allow: ['({MARK}']}}")),
        replaced("credentials: app", &format!("credentials: {MARK}")),
        replaced(&id(1), MARK),
    ]
}

/// A folder with that configuration, and secrets that carry the mark.
pub(super) fn folder(url: &str, more: &str) -> Folder {
    let folder = Folder::new();
    folder.write("secret", &format!("{MARK}-client-secret\n"));
    folder.write("token", &format!("{MARK}-api-token\n"));
    folder.write("refused", &format!("refused-{MARK}\n"));
    folder.write("config.yaml", &yaml(url, more));
    let hash = bcrypt::hash(format!("{MARK}-password"), 4).unwrap();
    folder.write("web.yml", &format!("basic_auth_users: {{alice: '{hash}'}}\n"));
    folder
}
