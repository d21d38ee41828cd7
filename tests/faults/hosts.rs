//! The hosts of a matrix: who is at each, what it answers, and the configuration that names them all.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, LazyLock};

use crate::cases::{Case, LISTED, MAX_RESPONSE, Site, list};
use crate::fake::Request;
use crate::script::{Step, json};
use crate::setup::id;
use crate::upstream::Upstream;

/// What the exporter asks with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    ApiToken,
    OAuthApp,
}

/// How many times slower than usual the machine is, because it is busy with something else: what the exporter waits for,
/// and its interval, are so much longer. `FAULTS_SLOWER` says it better.
pub(crate) fn slower() -> u32 {
    static SLOWER: LazyLock<u32> = LazyLock::new(|| {
        if let Ok(factor) = std::env::var("FAULTS_SLOWER") {
            return factor.parse().unwrap();
        }
        let load = std::fs::read_to_string("/proc/loadavg").unwrap();
        let load: f64 = load.split(' ').next().unwrap().parse().unwrap();
        let cores = std::thread::available_parallelism().unwrap().get() as f64;
        (1..8).find(|factor| load <= 2.0 * cores * f64::from(*factor)).unwrap_or(8)
    });
    *SLOWER
}
/// Organizations at the usual console, where nothing is wrong.
pub(crate) const BYSTANDERS: [&str; 3] = ["bystander-1", "bystander-2", "bystander-3"];

/// How things are at all hosts.
pub(crate) const WELL: u8 = 0;
pub(crate) const FAULTY: u8 = 1;
pub(crate) const WELL_AGAIN: u8 = 2;

/// A fault, its host, and who is there.
pub(crate) struct Place {
    pub(crate) case: Case,
    pub(crate) number: usize,
    pub(crate) upstream: Upstream,
}

impl Place {
    pub(crate) fn victim(&self) -> String {
        format!("victim-{}", self.number)
    }

    /// The organization that is well, where the fault is not the host's.
    pub(crate) fn neighbor(&self) -> Option<String> {
        let is_host = matches!(self.case.site, Site::Door(_) | Site::Name(_));
        (!is_host).then(|| format!("neighbor-{}", self.number))
    }

    pub(crate) fn host(&self) -> String {
        match self.case.site {
            Site::Name(word) => format!("{word}.faults.test"),
            _ => "localhost".to_owned(),
        }
    }
}

/// Answers to everybody as long as all is well, and to all but the victim when it is not.
pub(crate) fn handler(case: Case, number: usize, phase: Arc<AtomicU8>) -> impl Fn(&Request) -> Vec<Step> + Send + Sync {
    let (victim, lists) = (id(2 * number + 1), AtomicUsize::new(0));
    move |request| {
        let now = phase.load(SeqCst);
        let is_victims =
            request.path.contains(&victim) || request.body.contains(&victim) || request.body.contains("=victim");
        let is_list = request.path.ends_with("/invitations");
        let is_token = request.path.ends_with("/auth/token") || request.path.ends_with("/authorize");
        if now == FAULTY {
            match &case.site {
                Site::List(steps) if is_victims && is_list => return steps.clone(),
                Site::FirstList(steps) if is_victims && is_list && lists.fetch_add(1, SeqCst) % 2 == 0 => {
                    return steps.clone();
                }
                Site::Token(steps) if is_victims && is_token => return steps.clone(),
                Site::Questions(steps) if !is_list && !is_token => return steps.clone(),
                _ => {}
            }
        }
        if is_token && matches!(case.site, Site::Token(_)) {
            // Each poll exchanges anew.
            return json(r#"{"access_token":"good","expires_in":1}"#);
        }
        well(request, now)
    }
}

pub(crate) fn well(request: &Request, phase: u8) -> Vec<Step> {
    match request.path.as_str() {
        path if path.ends_with("/invitations") => json(list(LISTED + usize::from(phase == WELL_AGAIN))),
        path if path.ends_with("/details") => json(r#"{"expiresAt":1900000000}"#),
        path if path.contains("/auth/") => json(r#"{"access_token":"good","expires_in":1800}"#),
        _ => json(r#"{"displayName":"A Name"}"#),
    }
}

pub(crate) fn yaml(kind: Kind, places: &[Place], usual: u16) -> String {
    let mut credentials = String::new();
    let mut organizations = String::new();
    let mut add = |credential: &str, url: &str, secret: &str, names: &[(String, usize)]| {
        let secret = match kind {
            Kind::ApiToken => format!("api_token_file: '{secret}-{credential}'"),
            Kind::OAuthApp => format!("client_id: app, client_secret_file: '{secret}-{credential}'"),
        };
        writeln!(credentials, "  {credential}: {{url: '{url}', {secret}}}").unwrap();
        for (name, number) in names {
            writeln!(organizations, "  - {{id: {}, name: {name}, credentials: {credential}}}", id(*number)).unwrap();
        }
    };
    for place in places {
        let (number, url) = (place.number, format!("https://{}:{}", place.host(), place.upstream.port));
        let victim = (place.victim(), 2 * number + 1);
        let neighbor = place.neighbor().map(|name| (name, 2 * number + 2));
        match kind {
            // An API token is of one organization, an app may serve several.
            Kind::ApiToken => {
                add(&format!("c{number}"), &url, "victim", &[victim]);
                if let Some(neighbor) = neighbor {
                    add(&format!("c{number}n"), &url, "neighbor", &[neighbor]);
                }
            }
            Kind::OAuthApp => add(
                &format!("c{number}"),
                &url,
                "neighbor",
                &[Some(victim), neighbor].into_iter().flatten().collect::<Vec<_>>(),
            ),
        }
    }
    let (usual, slower) = (format!("https://localhost:{usual}"), slower());
    let bystanders: Vec<_> =
        BYSTANDERS.iter().zip(900_001..).map(|(name, number)| ((*name).to_owned(), number)).collect();
    add("usual", &usual, "neighbor", &bystanders);
    format!(
        "api: {{url: '{usual}', requests_per_second: 0, max_concurrent_requests: 1000, timeout: {}s, connect_timeout: {slower}s, \
         max_response_size: {MAX_RESPONSE}, tls: {{ca_file: ca.pem, ca_only: true}}}}\n\
         poll: {{interval: {}s, deadline: {}s, stale_after: 10m}}\n\
         credentials:\n{credentials}organizations:\n{organizations}",
        2 * slower,
        6 * slower,
        5 * slower
    )
}
