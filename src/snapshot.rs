//! What a scrape and the status page see: immutable, replaced as a whole.

mod latest;
mod status;

use std::sync::Arc;
use std::time::Duration;

use csp_api::{Error, Reason};
use invitations::Millis;
use invitations::census::View;
use invitations::lifecycle::Tally;

use crate::clock::{Reading, Steady};
use crate::config::Organization;

pub(crate) use latest::Latest;
pub use status::{OrganizationStatus, StatusReport};

/// How current an organization's data is, as the label `state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataState {
    /// No poll has succeeded yet.
    Waiting,
    /// The last poll succeeded.
    Fresh,
    /// The last poll failed; the last good data is still shown.
    Held,
    /// The last success is older than `stale_after`; nothing is shown.
    Withdrawn,
}

impl DataState {
    /// Every state, in the order of the documentation.
    pub(crate) const ALL: [Self; 4] = [Self::Waiting, Self::Fresh, Self::Held, Self::Withdrawn];

    /// The value of the label `state`.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Fresh => "fresh",
            Self::Held => "held",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// Everything that is known of one organization after its newest poll.
#[derive(Debug, Clone)]
pub struct OrganizationSnapshot {
    /// Its settings.
    pub organization: Arc<Organization>,
    /// What the service calls it, once known.
    pub display_name: Option<String>,
    /// The last good poll's numbers.
    pub view: Option<Arc<View>>,
    /// When the last good poll ended.
    pub last_success: Option<Reading>,
    /// When the last poll ended.
    pub last_attempt: Option<Reading>,
    /// Whether the last poll succeeded; `None` before the first has ended.
    pub up: Option<bool>,
    /// How long the last poll took.
    pub duration: Option<Duration>,
    /// Polls that ended.
    pub polls: u64,
    /// Failed polls, in the order of [`Reason::ALL`].
    pub failures: [u64; Reason::ALL.len()],
    /// Failed polls since the last success.
    pub consecutive_failures: u32,
    /// The last failure since the last success, with its moment.
    pub last_error: Option<(Reading, Error)>,
    /// When the access token in use runs out.
    pub access_token_expiration: Option<Millis>,
    /// What happened to its invitations so far, in this process and in those before it that left their state; `None`
    /// as long as that state cannot be read.
    pub lifecycle: Option<Arc<Tally>>,
}

impl OrganizationSnapshot {
    /// An organization that was never polled by this process; `lifecycle` is what an earlier one left.
    #[must_use]
    pub fn new(organization: Arc<Organization>, lifecycle: Option<Arc<Tally>>) -> Self {
        Self {
            organization,
            display_name: None,
            view: None,
            last_success: None,
            last_attempt: None,
            up: None,
            duration: None,
            polls: 0,
            failures: [0; Reason::ALL.len()],
            consecutive_failures: 0,
            last_error: None,
            access_token_expiration: None,
            lifecycle,
        }
    }

    /// The same with other settings. What is known of the token in use goes with the credential that it came from.
    #[must_use]
    pub(crate) fn with_settings(&self, organization: &Arc<Organization>) -> Self {
        let mut changed = Self { organization: Arc::clone(organization), ..self.clone() };
        if changed.organization.credential != self.organization.credential {
            changed.access_token_expiration = None;
        }
        changed
    }

    /// How current the data is at `now`. The wall clock has no say: set back, it would keep old data alive.
    #[must_use]
    pub(crate) fn data_state(&self, now: Steady) -> DataState {
        match self.last_success {
            None => DataState::Waiting,
            Some(success) if now.since(success.steady) > self.organization.stale_after => DataState::Withdrawn,
            Some(_) if self.up == Some(false) => DataState::Held,
            Some(_) => DataState::Fresh,
        }
    }

    /// When the data goes stale by itself; `None` when it is not shown, or is stale at `now`.
    #[must_use]
    pub(crate) fn goes_stale_at(&self, now: Steady) -> Option<Steady> {
        let last = self.last_success?.steady.after(self.organization.stale_after);
        (last >= now).then_some(Steady(last.0.saturating_add(1)))
    }

    /// The numbers to show at `now`: none while waiting, none once withdrawn.
    #[must_use]
    pub(crate) fn visible_view(&self, now: Steady) -> Option<&Arc<View>> {
        match self.data_state(now) {
            DataState::Fresh | DataState::Held => self.view.as_ref(),
            DataState::Waiting | DataState::Withdrawn => None,
        }
    }
}

/// The newest state of every organization of this instance, at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Sorted by name.
    pub organizations: Vec<Arc<OrganizationSnapshot>>,
    /// When each long-lived API token runs out, by the credential's name, where the service tells.
    pub api_token_expirations: Vec<(String, Millis)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Credential, CredentialKind, Secret};

    fn entry(last_success: Option<i64>, up: Option<bool>) -> OrganizationSnapshot {
        let token = Secret::File("/nowhere".into());
        let organization = Organization {
            id: "id".to_owned(),
            custom_group_id: None,
            name: "name".to_owned(),
            credential: Arc::new(Credential {
                name: "c".to_owned(),
                kind: CredentialKind::ApiToken { token },
                url: None,
            }),
            interval: Duration::from_secs(60),
            deadline: Duration::from_secs(48),
            stale_after: Duration::from_secs(240),
        };
        OrganizationSnapshot {
            last_success: last_success.map(|at| Reading { wall: Millis(at), steady: Steady(at) }),
            view: last_success.map(|at| Arc::new(View::empty(Millis(at)))),
            up,
            ..OrganizationSnapshot::new(Arc::new(organization), Some(Arc::default()))
        }
    }

    #[test]
    fn data_is_waiting_then_fresh_then_held_then_withdrawn() {
        let at = |entry: &OrganizationSnapshot, now| {
            (entry.data_state(Steady(now)), entry.visible_view(Steady(now)).is_some())
        };
        assert_eq!(at(&entry(None, None), 0), (DataState::Waiting, false));
        assert_eq!(at(&entry(None, Some(false)), i64::MAX), (DataState::Waiting, false));
        let fresh = entry(Some(1_000), Some(true));
        assert_eq!(at(&fresh, 1_000), (DataState::Fresh, true));
        assert_eq!(at(&fresh, 241_000), (DataState::Fresh, true));
        assert_eq!(at(&fresh, 241_001), (DataState::Withdrawn, false));
        assert_eq!(at(&fresh, 0), (DataState::Fresh, true), "a scrape that looked at the clock before the poll ended");
        let held = entry(Some(1_000), Some(false));
        assert_eq!(at(&held, 2_000), (DataState::Held, true));
        assert_eq!(at(&held, 241_001), (DataState::Withdrawn, false));
    }

    #[test]
    fn the_end_of_an_access_token_goes_with_its_credential() {
        let known = OrganizationSnapshot { access_token_expiration: Some(Millis(5)), ..entry(Some(1_000), Some(true)) };
        let mut settings = (*known.organization).clone();
        settings.interval = Duration::from_secs(30);
        assert_eq!(known.with_settings(&Arc::new(settings.clone())).access_token_expiration, Some(Millis(5)));
        let kind = CredentialKind::ApiToken { token: Secret::File("/elsewhere".into()) };
        settings.credential = Arc::new(Credential { name: "other".to_owned(), kind, url: None });
        let changed = known.with_settings(&Arc::new(settings));
        assert_eq!((changed.access_token_expiration, changed.last_success), (None, known.last_success));
    }
}
