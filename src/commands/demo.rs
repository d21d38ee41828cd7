//! `demo`: the whole product in front of a simulated API, with no account.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::serve::{Front, lifecycle, serve};
use super::workers::Workers;
use super::{Failure, Outcome, signals, simulate, unprintable};
use crate::cli::Demo;
use crate::config::{Config, Credential, CredentialKind, Loader, Organization, Secret};
use crate::exporter::Parts;
use csp_simulator::{self as simulator, Options, Scenario, Simulator};

/// Simulated seconds in a real one: a day passes in less than half a minute.
const SPEED: f64 = 3600.0;
/// How many times as long lists are in the scenario `large`.
const LARGE: usize = 20;
/// Polls per second that the demonstration allows itself.
const POLLS_PER_SECOND: usize = 50;
/// Invitations per second that it allows itself: the simulated API makes each of them up, on the same processors.
const INVITATIONS_PER_SECOND: usize = 15_000;
/// The shortest and the longest time between two polls of an organization, in seconds.
const INTERVALS: (usize, usize) = (2, 300);

pub(super) fn run(flags: Demo, workers: &Workers) -> Outcome {
    let speed = flags.simulated.speed.unwrap_or(SPEED);
    let options = Options {
        // Short enough to see access tokens being renewed.
        token_lifetime: Duration::from_secs(120),
        // Much, and slow, for polls that are seconds apart: what is to be seen is data that goes on.
        large_invitations: flags.simulated.invitations.saturating_mul(LARGE),
        slow_delay: Duration::from_millis(700),
        ..simulate::options(&flags.simulated, speed)
    };
    let length = match options.scenario {
        Scenario::Large => options.large_invitations,
        _ => options.invitations,
    };
    let state = lifecycle(flags.state.state_dir.as_deref())?;
    workers.block_on(async {
        let hangups = signals::hangups().map_err(Failure::running)?;
        let shutdown = signals::shutdown().map_err(Failure::running)?;
        let front = Front::new(flags.listen, false, flags.web).await?;
        let simulator = simulator::start(options).await.map_err(Failure::running)?;
        let config = configuration(&simulator, length)?;
        let same = config.clone();
        let parts = Parts::new(Arc::new(Loader::fixed(same)), None, state);
        let (scheme, path) = (front.scheme(), front.telemetry_path().to_owned());
        let banner = |listeners: &[TcpListener]| {
            write_banner(io::stdout().lock(), scheme, &path, listeners, &simulator)
                .map_err(|error| Failure::Running(unprintable(&error)))
        };
        let outcome = serve(&config, parts, front, shutdown, hangups, banner).await;
        simulator.shutdown().await;
        outcome
    })?
}

/// A configuration for every simulated organization, fast enough to watch: the first one with its API token, so
/// that its expiration shows, the others with the OAuth app. Each list has about `length` invitations.
fn configuration(simulator: &Simulator, length: usize) -> Result<Config, Failure> {
    let app = Arc::new(Credential {
        name: "demo-app".to_owned(),
        kind: CredentialKind::OAuthApp {
            client_id: simulator.client_id().to_owned(),
            client_secret: Secret::Inline(simulator.client_secret().into()),
        },
        url: None,
    });
    let mut config = Config::with_defaults();
    config.api.url = simulator.base_url().parse().map_err(Failure::running)?;
    // A proxy of the environment cannot reach into this process.
    config.api.direct = true;
    config.api.requests_per_second = None;
    config.metrics.trusted_domains = Some(vec!["example.com".to_owned(), "*.example.com".to_owned()]);
    config.credentials.push(Arc::clone(&app));
    let simulated = simulator.organizations();
    let interval = interval(simulated.len(), length);
    let deadline = interval.mul_f64(0.8);
    config.api.timeout = deadline.max(Duration::from_secs(10));
    for organization in simulated {
        let credential = if config.organizations.is_empty() {
            let token = Secret::Inline(organization.api_token.as_str().into());
            let kind = CredentialKind::ApiToken { token };
            let credential = Arc::new(Credential { name: "demo-token".to_owned(), kind, url: None });
            config.credentials.push(Arc::clone(&credential));
            credential
        } else {
            Arc::clone(&app)
        };
        config.organizations.push(Arc::new(Organization {
            id: organization.id.clone(),
            custom_group_id: None,
            name: slug(&organization.display_name),
            credential,
            interval,
            deadline,
            // Long enough to see data being held before it is withdrawn.
            stale_after: interval * 10,
        }));
    }
    Ok(config)
}

/// Time from one poll to the next of each of so many organizations, with lists of this length: long enough for all of
/// them to be made up and read meanwhile.
fn interval(organizations: usize, length: usize) -> Duration {
    let (shortest, longest) = INTERVALS;
    let for_lists = organizations.saturating_mul(length) / INVITATIONS_PER_SECOND;
    Duration::from_secs((organizations / POLLS_PER_SECOND).max(for_lists).clamp(shortest, longest) as u64)
}

/// `Acme Production` as a short name.
fn slug(name: &str) -> String {
    let lower = name.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join("-")
}

/// Where somebody at this machine finds a listener.
fn to_open(listener: SocketAddr) -> String {
    match listener.ip() {
        IpAddr::V4(Ipv4Addr::LOCALHOST) => format!("localhost:{}", listener.port()),
        any if any.is_unspecified() => format!("localhost:{}", listener.port()),
        _ => listener.to_string(),
    }
}

fn write_banner(
    mut out: impl Write,
    scheme: &str,
    telemetry_path: &str,
    listeners: &[TcpListener],
    simulator: &Simulator,
) -> io::Result<()> {
    let Some(listener) = listeners.first() else { return Ok(()) };
    let base = format!("{scheme}://{}", to_open(listener.local_addr()?));
    writeln!(
        out,
        "The exporter is running against a simulated API with {} organizations.",
        simulator.organizations().len()
    )?;
    writeln!(out, "A simulated day passes in less than half a minute. Open:\n")?;
    writeln!(out, "  Status page   {base}/")?;
    writeln!(out, "  Metrics       {base}{telemetry_path}")?;
    writeln!(out, "  Health        {base}/healthz")?;
    writeln!(out, "\nThe scenario is `{}`. Change it while it runs:\n", simulator.scenario())?;
    if let Some(control) = simulator.control_url() {
        writeln!(out, "  curl -X PUT -d outage {control}/scenario")?;
    }
    let names: Vec<&str> = Scenario::ALL.iter().map(|scenario| scenario.as_str()).collect();
    writeln!(out, "\nScenarios: {}. Stop with Ctrl-C.\n", names.join(", "))?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_to_open_is_where_the_listener_is() {
        for (listener, address) in [
            ("0.0.0.0:10094", "localhost:10094"),
            ("[::]:10094", "localhost:10094"),
            ("127.0.0.1:80", "localhost:80"),
            ("127.0.0.2:80", "127.0.0.2:80"),
            ("[::1]:80", "[::1]:80"),
            ("192.0.2.7:80", "192.0.2.7:80"),
        ] {
            assert_eq!(to_open(listener.parse().unwrap()), address);
        }
    }

    #[test]
    fn polls_are_so_far_apart_that_long_lists_of_many_organizations_can_be_made_up_and_read() {
        let seconds = |organizations, length| interval(organizations, length).as_secs();
        assert_eq!([seconds(3, 300), seconds(3, 0), seconds(3, 6_000)], [2, 2, 2]);
        assert_eq!([seconds(2_000, 300), seconds(2_000, 1)], [40, 40]);
        assert_eq!([seconds(3, 50_000), seconds(1, 1_000_000), seconds(9, usize::MAX)], [10, 66, 300]);
    }
}
