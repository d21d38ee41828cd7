//! Configurations and the upstream behind them.

use std::fmt::Write as _;
use std::sync::Arc;

use csp_simulator::{self as simulator, Options, Simulator};
use serde_json::Value;
use tempfile::TempDir;

/// Names of the organizations, in the order of their ids.
pub(crate) const NAMES: [&str; 5] = ["one", "two", "three", "four", "five"];

/// A folder with a configuration and secrets; goes away with the last one who holds it.
#[derive(Debug, Clone)]
pub(crate) struct Folder(Arc<TempDir>);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(Arc::new(tempfile::tempdir().unwrap()))
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }
}

/// What goes into a configuration.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) url: String,
    pub(crate) ids: Vec<String>,
    pub(crate) client_id: String,
    /// More of `api`, `poll` and `metrics`, as lines of their mappings.
    pub(crate) api: String,
    pub(crate) poll: String,
    pub(crate) metrics: String,
}

impl Settings {
    /// For an upstream that takes any credential; polls far apart, so that the first is the only one.
    pub(crate) fn new(url: &str, organizations: usize) -> Self {
        Self {
            url: url.to_owned(),
            ids: (1..=organizations).map(id).collect(),
            client_id: "app".to_owned(),
            api: String::new(),
            poll: "interval: 6h, deadline: 48s".to_owned(),
            metrics: String::new(),
        }
    }

    pub(crate) fn poll(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.poll);
        self
    }

    pub(crate) fn api(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.api);
        self
    }

    pub(crate) fn metrics(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.metrics);
        self
    }

    pub(crate) fn yaml(&self) -> String {
        let Self { url, ids, client_id, api, poll, metrics } = self;
        let mut yaml = format!("api: {{url: {url}, requests_per_second: 0");
        for (section, lines) in [("", api), ("}\npoll: {", poll), ("}\nmetrics: {", metrics)] {
            let separator = if section.is_empty() && !lines.is_empty() { ", " } else { section };
            write!(yaml, "{separator}{lines}").unwrap();
        }
        write!(
            yaml,
            "}}\ncredentials:\n  app: {{client_id: {client_id}, client_secret_file: secret}}\norganizations:\n"
        )
        .unwrap();
        for (id, name) in ids.iter().zip(NAMES) {
            writeln!(yaml, "  - {{id: {id}, name: {name}, credentials: app}}").unwrap();
        }
        yaml
    }

    /// A folder with this configuration.
    pub(crate) fn folder(&self) -> Folder {
        let folder = Folder::new();
        folder.write("secret", "anything\n");
        folder.write("config.yaml", &self.yaml());
        folder
    }
}

pub(crate) fn id(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// A simulator with this many organizations, and a folder that is configured for it.
pub(crate) async fn simulated(organizations: usize, poll: &str, options: Options) -> (Simulator, Settings, Folder) {
    let simulator = simulator::start(Options { organizations, ..options }).await.unwrap();
    let settings = Settings {
        url: simulator.base_url(),
        ids: simulator.organizations().iter().map(|one| one.id.clone()).collect(),
        client_id: simulator.client_id().to_owned(),
        api: "timeout: 20s".to_owned(),
        poll: poll.to_owned(),
        metrics: String::new(),
    };
    let folder = settings.folder();
    folder.write("secret", simulator.client_secret());
    (simulator, settings, folder)
}

/// Serves these invitations as an organization's list.
pub(crate) fn serve(simulator: &Simulator, organization: usize, list: &[Value]) {
    let id = simulator.organizations()[organization].id.clone();
    let body = serde_json::to_vec(list).unwrap();
    simulator.set_invitations(&id, Some(body.into())).unwrap();
}
