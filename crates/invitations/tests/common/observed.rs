//! What was really counted, in the terms of the naive reference beside it.

use invitations::Millis;
use invitations::census::view::{ByStatus, View};

use crate::reference::{Expected, Row, STATUSES};

fn row(counts: &ByStatus) -> Row {
    STATUSES.iter().zip(counts).filter(|(_, count)| **count > 0).map(|(status, count)| (*status, *count)).collect()
}

/// The view in the reference's terms.
pub(crate) fn observed(view: &View) -> Expected {
    let millis = |time: Option<Millis>| time.map(|time| time.0);
    Expected {
        by_status: row(&view.by_status),
        by_role: view.by_role.iter().map(|r| ((r.kind.as_str().to_owned(), r.role.clone()), row(&r.counts))).collect(),
        by_group: view.by_group.iter().map(|r| ((r.group_id.clone(), r.group.clone()), row(&r.counts))).collect(),
        by_pair: view.by_role_and_group.as_ref().map(|pairs| {
            let labels = |kind: &str, role: &str, group: &str, id: &str| [kind, role, group, id].map(str::to_owned);
            pairs.rows().map(|r| (labels(r.role_kind, r.role, r.group, r.group_id), row(&r.counts))).collect()
        }),
        privileged: row(&view.privileged),
        external: view.external.as_ref().map(row),
        duplicates: view.duplicates,
        lapsed: view.lapsed_by_age,
        pending: view.pending_by_age,
        time_left: view.pending_by_time_left,
        times: [view.oldest_pending, view.next_expiration, view.last_generated, view.last_redeemed, view.last_revoked]
            .map(millis),
        group_info: view
            .group_info
            .iter()
            .map(|g| [g.group_id.clone(), g.group.clone(), g.group_type.clone(), g.domain.clone()])
            .collect(),
        anomalies: view.anomalies,
        folded: [view.folded_roles, view.folded_groups],
    }
}
