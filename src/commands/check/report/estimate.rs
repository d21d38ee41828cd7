//! How many series a configuration makes.

use invitations::Status;

use crate::config::Config;

/// Series of an organization that depend on nothing but its being there, as a text exposition counts them.
const FIXED: usize = 96;
/// What an organization has more of while its polls fail: the reason.
const IN_TROUBLE: usize = 1;
/// Series that depend on no organization, in an exporter that works.
const SHARED: usize = 170;
/// What can come on top when things go wrong. Of each of the four operations: the registered HTTP status codes, and the pairs
/// of error codes before the rest is `other`. Of each handler of the exporter's own pages: what a page can answer.
const SHARED_IN_TROUBLE: usize = 4 * (63 + 51) + 9 * 12;
/// Kinds of roles, each with a limit and an `other` of its own.
const ROLE_KINDS: usize = 3;
/// Distinct roles, groups and pairs of an ordinary organization, as the simulator has them with 300 invitations.
const TYPICAL: [usize; 3] = [29, 23, 201];
/// In how many statuses an ordinary pair occurs: so many in the second number of pairs. Measured there, too.
const STATUSES_OF_PAIRS: [usize; 2] = [13, 5];

/// How many series there will be.
///
/// `shared + organizations × (fixed + 5 × roles + 5 × groups + groups + s × pairs)`, five being the statuses, `s` how
/// many of them occur for a pair, the lone `groups` being `csp_group_info`. The upper bound takes each limit for its
/// value, with `other` beside it, the limit of roles three times, once for each kind, and all statuses for each pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Series {
    /// For an ordinary organization: 29 roles, 23 groups, 201 pairs in 2.6 statuses each.
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
        let statuses = Status::ALL.len();
        let total = |roles: usize, groups: usize, of_pairs: usize| {
            let of_values = roles.saturating_add(groups).saturating_mul(statuses);
            let of_groups = groups.saturating_mul(info);
            let each =
                [of_groups, of_pairs.saturating_mul(joint), FIXED].into_iter().fold(of_values, usize::saturating_add);
            each.saturating_mul(organizations).saturating_add(shared)
        };
        let with_other = |limit: usize| limit.saturating_add(1);
        let [roles, groups, pairs] = TYPICAL;
        Self {
            typical: total(
                roles.min(with_other(metrics.max_roles).saturating_mul(ROLE_KINDS)),
                groups.min(with_other(metrics.max_groups)),
                pairs.min(with_other(metrics.max_pairs)) * STATUSES_OF_PAIRS[0] / STATUSES_OF_PAIRS[1],
            ),
            upper: total(
                with_other(metrics.max_roles).saturating_mul(ROLE_KINDS),
                with_other(metrics.max_groups),
                with_other(metrics.max_pairs).saturating_mul(statuses),
            )
            .saturating_add(organizations.saturating_mul(IN_TROUBLE))
            .saturating_add(SHARED_IN_TROUBLE),
        }
    }
}
