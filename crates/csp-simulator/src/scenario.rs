//! What the simulated service does to its callers.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use tokio::time::Instant;

use super::shape::Shape;

/// A way to behave; can be changed while running, for everybody or for one organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, ValueEnum)]
pub enum Scenario {
    /// Everything works.
    #[default]
    Steady,
    /// Every request is answered 429: in turn with `Retry-After` in seconds, as an HTTP date, and without.
    RateLimitStorm,
    /// 5xx for the first seconds, then connections are refused. For one organization alone: then its connections are
    /// closed without an answer.
    Outage,
    /// Every answer takes several seconds.
    Slow,
    /// Token exchanges are refused, and access tokens that were given out do not count any more.
    CredentialsRevoked,
    /// Lists are, in turn: an HTML page with status 200, cut JSON, a body that breaks off with its connection, an
    /// object in place of the array, elements with wrong types, elements that are no objects.
    Malformed,
    /// Lists are very long, and of an exact length.
    Large,
    /// Lists have the shape of 2020: invitations have no orgRoleNames, customRoles and invitedByUsername.
    #[value(name = "api-2020")]
    Api2020,
    /// Times of invitations are seconds, not milliseconds.
    Seconds,
    /// Times of invitations are dates in RFC 3339.
    Rfc3339,
    /// Optional fields are null, zero, empty or missing, at any depth.
    Nulls,
    /// Status words are Available, Redeemed and Revoked.
    CamelCase,
    /// The list is in an object, under the key results.
    Wrapped,
}

impl Scenario {
    /// Every scenario.
    pub const ALL: [Self; 13] = [
        Self::Steady,
        Self::RateLimitStorm,
        Self::Outage,
        Self::Slow,
        Self::CredentialsRevoked,
        Self::Malformed,
        Self::Large,
        Self::Api2020,
        Self::Seconds,
        Self::Rfc3339,
        Self::Nulls,
        Self::CamelCase,
        Self::Wrapped,
    ];

    /// The name on the command line and of the control endpoint.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::RateLimitStorm => "rate-limit-storm",
            Self::Outage => "outage",
            Self::Slow => "slow",
            Self::CredentialsRevoked => "credentials-revoked",
            Self::Malformed => "malformed",
            Self::Large => "large",
            Self::Api2020 => "api-2020",
            Self::Seconds => "seconds",
            Self::Rfc3339 => "rfc3339",
            Self::Nulls => "nulls",
            Self::CamelCase => "camel-case",
            Self::Wrapped => "wrapped",
        }
    }

    /// How lists are written.
    pub(super) fn shape(self) -> Shape {
        match self {
            Self::Api2020 => Shape::Of2020,
            Self::Seconds => Shape::Seconds,
            Self::Rfc3339 => Shape::Rfc3339,
            Self::Nulls => Shape::Nulls,
            Self::CamelCase => Shape::CamelCase,
            Self::Wrapped => Shape::Wrapped,
            Self::Steady
            | Self::RateLimitStorm
            | Self::Outage
            | Self::Slow
            | Self::CredentialsRevoked
            | Self::Malformed
            | Self::Large => Shape::Today,
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no scenario.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown scenario; known are: {}", Scenario::ALL.map(Scenario::as_str).join(", "))]
pub struct UnknownScenario;

impl FromStr for Scenario {
    type Err = UnknownScenario;

    fn from_str(word: &str) -> Result<Self, UnknownScenario> {
        Self::ALL.into_iter().find(|scenario| scenario.as_str() == word).ok_or(UnknownScenario)
    }
}

/// A scenario, and since when it holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Active {
    pub(super) scenario: Scenario,
    pub(super) since: Instant,
}

impl Active {
    /// `scenario` from now on.
    pub(super) fn now(scenario: Scenario) -> Self {
        Self { scenario, since: Instant::now() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_the_same_to_the_command_line_and_to_the_control_endpoint() {
        for scenario in Scenario::ALL {
            assert_eq!(scenario.as_str().parse(), Ok(scenario));
            assert_eq!(<Scenario as ValueEnum>::from_str(scenario.as_str(), false), Ok(scenario));
        }
        assert_eq!(Scenario::value_variants().len(), Scenario::ALL.len());
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_known_ones() {
        let error = "storm".parse::<Scenario>().unwrap_err().to_string();
        assert!(error.contains("rate-limit-storm"), "{error}");
    }
}
