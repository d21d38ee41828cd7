//! How many series and requests a configuration makes.

use std::collections::HashSet;
use std::sync::Arc;

use invitations::Status;

use crate::config::{Config, CredentialKind, Organization};

/// Series of an organization that depend on nothing but its being there, as a text exposition counts them.
const FIXED: usize = 95;
/// What an organization has more of while its polls fail: the reason.
const IN_TROUBLE: usize = 1;
/// Series that depend on no organization, in an exporter that works.
const SHARED: usize = 170;
/// What can come on top when things go wrong. Of each of the four operations: the registered HTTP status codes, and the pairs
/// of error codes before the rest is `other`. Of each handler of the exporter's own pages: what a page can answer.
const SHARED_IN_TROUBLE: usize = 4 * (63 + 51) + 9 * 12;
/// Kinds of roles, each with a limit and an `other` of its own.
const ROLE_KINDS: usize = 3;
/// Distinct roles, groups and pairs of an ordinary organization.
const TYPICAL: [usize; 3] = [15, 10, 30];
/// Lifetime of an access token.
const TOKEN_MINUTES: f64 = 30.0;

/// How many series there will be.
///
/// `shared + organizations × (fixed + 5 × roles + 5 × groups + groups + 5 × pairs)`, five being the statuses, the lone
/// `groups` being `csp_group_info`. The upper bound takes each limit for its value, with `other` beside it, and the
/// limit of roles three times, once for each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Series {
    /// For an ordinary organization: 15 roles, 10 groups, 30 pairs.
    pub(super) typical: usize,
    /// Which no data can exceed, and no trouble with a service that answers with registered status codes.
    pub(super) upper: usize,
}

impl Series {
    /// The series of `organizations` organizations.
    pub(super) fn of(config: &Config, organizations: usize) -> Self {
        let metrics = &config.metrics;
        let info = usize::from(config.expand.groups);
        let joint = usize::from(metrics.joint);
        // When each API token runs out.
        let shared = SHARED.saturating_add(config.credentials.len());
        let total = |roles: usize, groups: usize, pairs: usize| {
            let statuses = Status::ALL.len();
            let values = roles.saturating_add(groups).saturating_add(pairs.saturating_mul(joint));
            let each =
                values.saturating_mul(statuses).saturating_add(groups.saturating_mul(info)).saturating_add(FIXED);
            each.saturating_mul(organizations).saturating_add(shared)
        };
        let with_other = |limit: usize| limit.saturating_add(1);
        let [roles, groups, pairs] = TYPICAL;
        Self {
            typical: total(
                roles.min(with_other(metrics.max_roles).saturating_mul(ROLE_KINDS)),
                groups.min(with_other(metrics.max_groups)),
                pairs.min(with_other(metrics.max_pairs)),
            ),
            upper: total(
                with_other(metrics.max_roles).saturating_mul(ROLE_KINDS),
                with_other(metrics.max_groups),
                with_other(metrics.max_pairs),
            )
            .saturating_add(organizations.saturating_mul(IN_TROUBLE))
            .saturating_add(SHARED_IN_TROUBLE),
        }
    }
}

/// How many requests there will be while nothing fails.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Requests {
    /// Lists, tokens (every half hour) and details (every hour) together.
    pub(super) per_minute: f64,
}

impl Requests {
    /// The requests of the organizations that are polled.
    pub(super) fn of(polled: &[&Arc<Organization>]) -> Self {
        let lists: f64 = polled.iter().map(|organization| 60.0 / organization.interval.as_secs_f64()).sum();
        let names = polled.len() as f64 / 60.0;
        // An OAuth app has a token per organization, an API token one for all, and an expiration to ask for.
        let (mut exchanges, mut api_tokens) = (0_usize, HashSet::new());
        for organization in polled {
            match organization.credential.kind {
                CredentialKind::OAuthApp { .. } => exchanges += 1,
                CredentialKind::ApiToken { .. } => {
                    api_tokens.insert(organization.credential.name.as_str());
                }
            }
        }
        exchanges += api_tokens.len();
        Self { per_minute: lists + names + exchanges as f64 / TOKEN_MINUTES + api_tokens.len() as f64 / 60.0 }
    }

    /// What to say when the budget is too small.
    pub(super) fn over_budget(self, requests_per_second: Option<f64>) -> Option<String> {
        let budget = requests_per_second? * 60.0;
        (self.per_minute > budget).then(|| {
            format!(
                "api.requests_per_second allows {budget:.1} requests a minute: polls will be late; \
                 raise it, or poll.interval"
            )
        })
    }
}
