//! Whether the budget suffices for what is configured.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use url::Url;

use crate::config::{Config, CredentialKind, Organization};
use crate::shard::Shard;

/// Lifetime of an access token.
const TOKEN_MINUTES: f64 = 30.0;
/// How many numbers of shards are tried: hashing fills some of them more than others.
const TRIES: u32 = 64;

/// Requests a minute, while nothing fails.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Demand {
    /// The lists: what a longer interval makes fewer of.
    pub lists: f64,
    /// Tokens (every half hour), names and expirations (every hour).
    pub others: f64,
}

impl Demand {
    /// The requests of these organizations.
    pub(crate) fn of<'a>(polled: impl IntoIterator<Item = &'a Arc<Organization>>) -> Self {
        let mut demand = Self::default();
        // An OAuth app has a token per organization, an API token one for all, and an expiration to ask for.
        let mut api_tokens = HashSet::new();
        for organization in polled {
            demand.lists += 60.0 / organization.interval.as_secs_f64();
            demand.others += 1.0 / 60.0;
            demand.others += match organization.credential.kind {
                CredentialKind::OAuthApp { .. } => 1.0 / TOKEN_MINUTES,
                CredentialKind::ApiToken { .. } if api_tokens.insert(organization.credential.name.as_str()) => {
                    1.0 / TOKEN_MINUTES + 1.0 / 60.0
                }
                CredentialKind::ApiToken { .. } => 0.0,
            };
        }
        demand
    }

    /// All of them.
    #[must_use]
    pub(crate) fn per_minute(self) -> f64 {
        self.lists + self.others
    }
}

/// What to say of each host whose budget cannot serve this shard's organizations in their intervals, with what would do.
#[must_use]
pub(crate) fn shortfalls(config: &Config, shard: Option<Shard>) -> Vec<String> {
    let Some(rate) = config.api.requests_per_second else { return Vec::new() };
    let budget = rate * 60.0;
    let here = |organization: &&Arc<Organization>| shard.is_none_or(|shard| shard.owns(&organization.key()));
    let mut hosts: BTreeMap<String, Vec<&Arc<Organization>>> = BTreeMap::new();
    for organization in config.organizations.iter().filter(here) {
        hosts.entry(host(config, organization)).or_default().push(organization);
    }
    let mut said = Vec::new();
    for (host, organizations) in hosts {
        let demand = Demand::of(organizations.iter().copied());
        if demand.per_minute() > budget {
            let enough = [longer_interval(&organizations, demand, budget), more_shards(config, shard, budget)];
            let enough: Vec<String> = enough.into_iter().flatten().collect();
            let rate = (demand.per_minute() / 60.0 * 10.0).ceil() / 10.0;
            said.push(format!(
                "{host}: about {:.1} requests a minute are needed, and api.requests_per_second allows {budget:.1}: \
                 organizations are polled in turn, and later than their intervals say. What would do: {}{}api.requests_per_second: {rate}",
                demand.per_minute(),
                enough.join(", or "),
                if enough.is_empty() { "" } else { ", or " },
            ));
        }
    }
    said
}

fn host(config: &Config, organization: &Organization) -> String {
    let url: &Url = organization.credential.url.as_ref().unwrap_or(&config.api.url);
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}

/// The interval with which the budget suffices, where there is one.
fn longer_interval(organizations: &[&Arc<Organization>], demand: Demand, budget: f64) -> Option<String> {
    let times = demand.lists / (budget - demand.others);
    if times <= 0.0 {
        return None;
    }
    let mut intervals = organizations.iter().map(|organization| organization.interval);
    let first = intervals.next()?;
    Some(if intervals.all(|interval| interval == first) {
        format!("an interval of {}s", (first.as_secs_f64() * times).ceil())
    } else {
        format!("intervals {:.1} times as long", (times * 10.0).ceil() / 10.0)
    })
}

/// The least number of shards of which each one's budget suffices, where one is found.
fn more_shards(config: &Config, shard: Option<Shard>, budget: f64) -> Option<String> {
    let least = shard.map_or(1, Shard::count) + 1;
    let suffices = |count: &u32| {
        let mut shares: BTreeMap<(u32, String), Vec<&Arc<Organization>>> = BTreeMap::new();
        for organization in &config.organizations {
            let place = (Shard::owner(&organization.key(), *count), host(config, organization));
            shares.entry(place).or_default().push(organization);
        }
        shares.into_values().all(|share| Demand::of(share).per_minute() <= budget)
    };
    (least..least + TRIES).find(suffices).map(|count| format!("{count} shards"))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;

    /// So many organizations with an OAuth app, of which the last ten belong to another console.
    fn config(count: usize, rate: &str, poll: &str) -> Config {
        let mut yaml = format!(
            "api: {{requests_per_second: {rate}}}\npoll: {{{poll}}}\ncredentials:\n  app: {{client_id: a, client_secret_file: s}}\n  \
             other: {{client_id: a, client_secret_file: s, url: 'https://other:8443'}}\norganizations:\n"
        );
        for number in 0..count {
            let credential = if number + 10 < count { "app" } else { "other" };
            writeln!(yaml, "  - {{id: 00000000-0000-4000-8000-{number:012}, credentials: {credential}}}").unwrap();
        }
        crate::config::parse(yaml.as_bytes(), Path::new("")).unwrap()
    }

    #[test]
    fn a_budget_that_suffices_is_no_word() {
        assert_eq!(shortfalls(&config(2000, "10", ""), None), [""; 0]);
        assert_eq!(shortfalls(&config(9000, "0", ""), None), [""; 0]);
    }

    #[test]
    fn what_is_too_much_is_said_with_what_would_do() {
        let config = config(1010, "10", "interval: 1m");
        // 1,000 lists and 50 others a minute where 600 are allowed.
        let said = shortfalls(&config, None);
        assert_eq!(said.len(), 1, "the other console has a budget of its own: {said:?}");
        let start = "console.tanzu.broadcom.com: about 1050.0 requests a minute are needed, and api.requests_per_second allows 600.0";
        assert!(said[0].starts_with(start), "{said:?}");
        assert!(said[0].contains("an interval of 110s, or 2 shards, or api.requests_per_second: 17.5"), "{said:?}");
        let half = Shard::new(1, 2);
        assert_eq!(shortfalls(&config, half), [""; 0]);
    }

    #[test]
    fn the_number_of_shards_is_enough_for_the_fullest_of_them() {
        let config = config(1010, "1", "interval: 1m");
        let said = shortfalls(&config, None);
        let count = said[0].split(" shards").next().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
        assert!((18..40).contains(&count), "{said:?}");
        for index in 1..=count {
            assert_eq!(shortfalls(&config, Shard::new(index, count)), [""; 0]);
        }
        assert!((1..count).any(|index| !shortfalls(&config, Shard::new(index, count - 1)).is_empty()));
    }

    #[test]
    fn tokens_alone_can_be_too_much_for_any_interval() {
        let said = shortfalls(&config(200, "0.1", "interval: 1h"), None);
        assert!(!said[0].contains("an interval of"), "{said:?}");
    }
}
