//! What all requests share: the organizations, the credentials and the scenarios.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::request::Parts;
use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::RwLock;
use tokio::sync::watch;

use super::clock::Clock;
use super::dice::Dice;
use super::population::{self, Population, Use};
use super::refusals::Refusal;
use super::requests::Recorder;
use super::scenario::{Active, Scenario};
use super::tokens::AccessTokens;
use super::{Options, SimulatedOrganization};

/// One organization, with what was set for it.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) index: usize,
    pub(super) facts: SimulatedOrganization,
    population: OnceLock<Arc<Population>>,
    pub(super) scenario: RwLock<Option<Active>>,
    pub(super) invitations: RwLock<Option<Bytes>>,
    pub(super) display_name: RwLock<String>,
    /// Counts what scenarios do in turn.
    turn: AtomicU64,
}

/// Settings that can change while running.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) latency: Duration,
    pub(super) token_lifetime: Duration,
}

/// The simulated service.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) options: Options,
    pub(super) clock: Clock,
    pub(super) sites: Vec<Site>,
    by_id: HashMap<String, usize>,
    by_token: HashMap<String, usize>,
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) access: AccessTokens,
    pub(super) scenario: watch::Sender<Active>,
    turn: AtomicU64,
    pub(super) settings: RwLock<Settings>,
    pub(super) recorder: Recorder,
}

impl Service {
    /// The service that `options` describe, started now.
    pub(super) fn new(options: Options) -> Self {
        let seed = options.seed;
        let sites: Vec<_> = (0..options.organizations)
            .map(|index| {
                let (id, display_name) = population::organization(seed, index);
                let mut dice = Dice::new(&[seed, Use::Credentials as u64, index as u64]);
                let api_token = format!("simulated-api-token-{}", dice.word(44));
                Site {
                    index,
                    display_name: RwLock::new(display_name.clone()),
                    facts: SimulatedOrganization { id, display_name, api_token },
                    population: OnceLock::new(),
                    scenario: RwLock::default(),
                    invitations: RwLock::default(),
                    turn: AtomicU64::new(0),
                }
            })
            .collect();
        let mut dice = Dice::new(&[seed, Use::Credentials as u64]);
        Self {
            clock: Clock::new(Timestamp::now().as_millisecond(), options.speed),
            by_id: sites.iter().map(|site| (site.facts.id.clone(), site.index)).collect(),
            by_token: sites.iter().map(|site| (site.facts.api_token.clone(), site.index)).collect(),
            sites,
            client_id: format!("simulated-app-{}", dice.word(12)),
            client_secret: format!("simulated-secret-{}", dice.word(36)),
            access: AccessTokens::new(seed),
            scenario: watch::Sender::new(Active::now(options.scenario)),
            turn: AtomicU64::new(0),
            settings: RwLock::new(Settings { latency: options.latency, token_lifetime: options.token_lifetime }),
            recorder: Recorder::default(),
            options,
        }
    }

    /// The organization with this id.
    pub(super) fn site(&self, id: &str) -> Option<&Site> {
        self.by_id.get(id).map(|&index| &self.sites[index])
    }

    /// The organization whose API token this is.
    pub(super) fn site_of_token(&self, token: &str) -> Option<&Site> {
        self.by_token.get(token).map(|&index| &self.sites[index])
    }

    /// The population of `site`, made when it is first asked for.
    pub(super) fn population(&self, site: &Site) -> Arc<Population> {
        let Options { seed, invitations, .. } = self.options;
        Arc::clone(site.population.get_or_init(|| Arc::new(Population::new(seed, site.index, invitations as u64))))
    }

    /// Changes the scenario of everybody who has none of their own.
    pub(super) fn set_scenario(&self, scenario: Scenario) {
        self.turn.store(0, Ordering::Relaxed);
        self.sites.iter().for_each(|site| site.turn.store(0, Ordering::Relaxed));
        self.scenario.send_replace(Active::now(scenario));
    }

    /// The scenario that counts for `site`, or for nobody in particular.
    pub(super) fn active(&self, site: Option<&Site>) -> Active {
        site.and_then(|site| *site.scenario.read()).unwrap_or_else(|| *self.scenario.borrow())
    }

    /// The number of this turn, for what a scenario does in turn.
    pub(super) fn turn(&self, site: Option<&Site>) -> u64 {
        site.map_or(&self.turn, |site| &site.turn).fetch_add(1, Ordering::Relaxed)
    }

    /// Begins to answer a request: notes it, and lets the scenario do what it does before anything is looked at.
    pub(super) async fn enter(
        &self,
        operation: &'static str,
        site: Option<&Site>,
        parts: &Parts,
    ) -> Result<Scenario, Refusal> {
        self.recorder.note(operation, site.map(|site| site.facts.id.as_str()), parts);
        let latency = self.settings.read().latency;
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let Active { scenario, since } = self.active(site);
        match scenario {
            Scenario::RateLimitStorm => Err(Refusal::too_many_requests(self.retry_after(self.turn(site)))),
            Scenario::Outage if since.elapsed() >= self.options.outage_grace => Err(Refusal::hangup()),
            Scenario::Outage if self.turn(site) % 2 == 1 => Err(Refusal::page(StatusCode::BAD_GATEWAY)),
            Scenario::Outage => Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "The service is unavailable.")),
            Scenario::Slow => {
                tokio::time::sleep(self.options.slow_delay).await;
                Ok(scenario)
            }
            _ => Ok(scenario),
        }
    }

    /// `Retry-After`: in turn as seconds, as a date, and not at all.
    fn retry_after(&self, turn: u64) -> Option<String> {
        let pause = self.options.retry_after;
        match turn % 3 {
            0 => Some(pause.as_secs().to_string()),
            1 => {
                // A date has whole seconds: rounded up, so that it never asks for less.
                let until = Timestamp::now().as_millisecond() + i64::try_from(pause.as_millis()).unwrap_or(0) + 999;
                let until = Timestamp::from_second(until / 1000).ok()?;
                Some(until.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
            }
            _ => None,
        }
    }
}

impl Site {
    /// Gives the organization a scenario of its own, or takes it away.
    pub(super) fn set_scenario(&self, scenario: Option<Scenario>) {
        self.turn.store(0, Ordering::Relaxed);
        *self.scenario.write() = scenario.map(Active::now);
    }
}
