//! Whether the budget suffices for what is configured.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use url::Url;

use crate::config::{Config, CredentialKind, Organization};
use crate::shard::Shard;

/// Lifetime of an access token.
const TOKEN_MINUTES: f64 = 30.0;
/// How many numbers of shards are tried: hashing fills some of them more than others.
const TRIES: u32 = 64;

/// Requests a minute of these organizations while nothing fails, if their intervals were so many times as long as they are.
pub(crate) fn demand<'a>(polled: impl IntoIterator<Item = &'a Arc<Organization>>, times: f64) -> f64 {
    let mut demand = 0.0;
    let mut api_tokens: HashMap<&str, f64> = HashMap::new();
    for organization in polled {
        let lists = 60.0 / (organization.interval.as_secs_f64() * times);
        // Its name is asked for every hour.
        demand += lists + 1.0 / 60.0;
        match organization.credential.kind {
            // A token per organization.
            CredentialKind::OAuthApp { .. } => demand += exchanges(lists),
            // One for all, and an expiration to ask for every hour.
            CredentialKind::ApiToken { .. } => *api_tokens.entry(&organization.credential.name).or_default() += lists,
        }
    }
    demand + api_tokens.into_values().map(|lists| exchanges(lists) + 1.0 / 60.0).sum::<f64>()
}

/// Exchanges a minute of a credential for so many lists: none is made for its own sake.
fn exchanges(lists: f64) -> f64 {
    lists.min(1.0 / TOKEN_MINUTES)
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
        let needed = demand(organizations.iter().copied(), 1.0);
        if needed > budget {
            let enough = [longer_interval(&organizations, budget), more_shards(config, shard, budget)];
            let enough: Vec<String> = enough.into_iter().flatten().collect();
            let rate = (needed / 60.0 * 10.0).ceil() / 10.0;
            said.push(format!(
                "{host}: about {needed:.1} requests a minute are needed, and api.requests_per_second allows {budget:.1}: \
                 organizations are polled in turn, and later than their intervals say. What would do: {}{}api.requests_per_second: {rate}",
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
fn longer_interval(organizations: &[&Arc<Organization>], budget: f64) -> Option<String> {
    let suffices = |times: f64| demand(organizations.iter().copied(), times) <= budget;
    let mut intervals = organizations.iter().map(|organization| organization.interval);
    let first = intervals.next()?;
    if intervals.all(|interval| interval == first) {
        least(|seconds| suffices(f64::from(seconds) / first.as_secs_f64()))
            .map(|seconds| format!("an interval of {seconds}s"))
    } else {
        let tenths = least(|tenths| suffices(f64::from(tenths) / 10.0))?;
        Some(format!("intervals {:.1} times as long", f64::from(tenths) / 10.0))
    }
}

/// The least whole number that suffices, where each greater one suffices too.
fn least(suffices: impl Fn(u32) -> bool) -> Option<u32> {
    let (mut below, mut enough) = (0, u32::MAX);
    if !suffices(enough) {
        return None;
    }
    while below + 1 < enough {
        let middle = below.midpoint(enough);
        if suffices(middle) { enough = middle } else { below = middle }
    }
    Some(enough)
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
        shares.into_values().all(|share| demand(share, 1.0) <= budget)
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
    fn who_polls_less_often_than_a_token_lives_exchanges_one_for_each_poll() {
        let is_about = |poll: &str, expected: f64| {
            let needed = demand(&config(1000, "1", poll).organizations, 1.0);
            assert!((needed - expected).abs() < 1e-9, "{poll}: {needed}");
        };
        // A list, a token and a name for each.
        is_about("interval: 3000s", 20.0 + 20.0 + 1000.0 / 60.0);
        is_about("interval: 1000s", 60.0 + 1000.0 / 30.0 + 1000.0 / 60.0);
        assert_eq!(shortfalls(&config(1000, "1", "interval: 3000s"), None), [""; 0]);
        let said = shortfalls(&config(1010, "1", "interval: 1000s"), None);
        assert!(said[0].contains("an interval of 2770s,"), "{said:?}");
    }

    #[test]
    fn an_api_token_is_exchanged_for_all_organizations_together() {
        let mut yaml = "credentials: {token: {api_token_file: s}}\norganizations:\n".to_owned();
        for number in 0..100 {
            writeln!(yaml, "  - {{id: 00000000-0000-4000-8000-{number:012}, credentials: token, interval: 1h}}")
                .unwrap();
        }
        let config = crate::config::parse(yaml.as_bytes(), Path::new("")).unwrap();
        let needed = demand(&config.organizations, 1.0);
        let expected = 100.0 / 60.0 + 100.0 / 60.0 + 1.0 / 30.0 + 1.0 / 60.0;
        assert!((needed - expected).abs() < 1e-9, "{needed}");
    }

    #[test]
    fn names_alone_can_be_too_much_for_any_interval() {
        let said = shortfalls(&config(200, "0.05", "interval: 1h"), None);
        assert!(!said[0].contains("an interval of"), "{said:?}");
        // Where they leave a little, there is one, however long.
        let said = shortfalls(&config(210, "0.0557", "interval: 1h"), None);
        assert!(said[0].contains("an interval of 2769231s,"), "{said:?}");
    }
}
