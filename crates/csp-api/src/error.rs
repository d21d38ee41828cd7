//! What can go wrong with a call, in the closed words that the metrics use.

use std::borrow::Cow;
use std::fmt;

/// An operation of the upstream API, as the label `operation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Exchange of a credential for an access token.
    Token,
    /// When a long-lived API token runs out.
    TokenDetails,
    /// The list of an organization's invitations.
    Invitations,
    /// The details (display name) of an organization.
    Organization,
}

impl Operation {
    /// Every operation, in the order of the labels' documentation.
    pub const ALL: [Self; 4] = [Self::Token, Self::TokenDetails, Self::Invitations, Self::Organization];

    /// The value of the label `operation`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::TokenDetails => "token_details",
            Self::Invitations => "invitations",
            Self::Organization => "organization",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a call or a poll failed: the closed set of the label `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The credential cannot be read or was refused by a token operation.
    Credentials,
    /// 400.
    BadRequest,
    /// 401, also with a fresh access token.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 429, and no attempt left.
    RateLimited,
    /// 5xx.
    ServerError,
    /// A status that the API does not document, redirects included.
    UnexpectedStatus,
    /// No connection, or one that broke off before an answer came: refused, reset, a name that does not resolve, a proxy
    /// that does not lead to the service.
    Connect,
    /// The TLS handshake failed, for example because the certificate does not verify.
    Tls,
    /// The request's or the poll's time ran out.
    Timeout,
    /// The body was cut.
    Body,
    /// A complete body that is not the promised JSON.
    Decode,
    /// The body is larger than the limit.
    TooLarge,
    /// A fault in the exporter itself.
    Internal,
}

impl Reason {
    /// Every reason, in the order of the documentation.
    pub const ALL: [Self; 15] = [
        Self::Credentials,
        Self::BadRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::RateLimited,
        Self::ServerError,
        Self::UnexpectedStatus,
        Self::Connect,
        Self::Tls,
        Self::Timeout,
        Self::Body,
        Self::Decode,
        Self::TooLarge,
        Self::Internal,
    ];

    /// The value of the label `reason`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::BadRequest => "bad_request",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::RateLimited => "rate_limited",
            Self::ServerError => "server_error",
            Self::UnexpectedStatus => "unexpected_status",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Body => "body",
            Self::Decode => "decode",
            Self::TooLarge => "too_large",
            Self::Internal => "internal",
        }
    }

    /// Whether the connections that it happened on are not used again: what one request has learned of them spares the others.
    pub(super) fn retires_connections(self) -> bool {
        match self {
            Self::Connect | Self::Timeout | Self::Body => true,
            // Something has answered, and will answer the next one as well; or nothing was connected.
            Self::Credentials
            | Self::BadRequest
            | Self::Unauthorized
            | Self::Forbidden
            | Self::NotFound
            | Self::RateLimited
            | Self::ServerError
            | Self::UnexpectedStatus
            | Self::Tls
            | Self::Decode
            | Self::TooLarge
            | Self::Internal => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failed call. Carries nothing that came from a token endpoint's body, no
/// credential and no personal data, so it may be logged and shown as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The operation that failed; a poll of invitations can fail in [`Operation::Token`].
    pub operation: Operation,
    /// The closed reason.
    pub reason: Reason,
    /// The HTTP status, when there was a response.
    pub status: Option<u16>,
    /// The id that the vendor's support asks for, from the `csp-request-id` header, when it is well-formed.
    pub request_id: Option<String>,
    /// What happened in this case, in words safe to show (for example "the server's certificate has expired"). May be empty.
    pub detail: String,
    /// What to do in this case, where more is known than the reason says.
    pub hint: Option<Cow<'static, str>>,
}

impl Error {
    /// An error without a response.
    #[must_use]
    pub fn new(operation: Operation, reason: Reason, detail: impl Into<String>) -> Self {
        Self { operation, reason, status: None, request_id: None, detail: detail.into(), hint: None }
    }

    /// The same, with what to do in this case.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What the failure means, for an operator.
    #[must_use]
    pub fn meaning(&self) -> &'static str {
        match (self.operation, self.reason) {
            (_, Reason::Credentials) if self.status.is_none() => {
                "the secret of the credential cannot be used, so nothing was sent"
            }
            (_, Reason::Credentials) => {
                "the service did not accept the credential: it is wrong, expired or revoked, or belongs to another console"
            }
            (_, Reason::BadRequest) => "the service did not understand the request",
            (_, Reason::Unauthorized) => "the service refused a fresh access token",
            (_, Reason::Forbidden) => {
                "the credential lacks the role Organization Owner or Organization Administrator in this organization"
            }
            (_, Reason::NotFound) => "the service does not know this organization, or the base URL is wrong",
            (_, Reason::RateLimited) => "the service asked to slow down, and no attempt was left",
            (_, Reason::ServerError) => "the service failed on its side",
            (_, Reason::UnexpectedStatus) => {
                "the answer has a status that the API does not document; a redirect is never followed, so that credentials go nowhere else"
            }
            (_, Reason::Connect) => "no connection to the service, or it broke off before an answer came",
            (_, Reason::Tls) => "the TLS handshake failed, so nothing was sent",
            (_, Reason::Timeout) => "no complete answer in time",
            (_, Reason::Body) => "the answer broke off before its end",
            (_, Reason::Decode) => "the answer is not the promised JSON",
            (_, Reason::TooLarge) => "the answer is larger than the exporter accepts",
            (_, Reason::Internal) => "a fault in the exporter itself",
        }
    }

    /// What an operator should do next.
    #[must_use]
    pub fn action(&self) -> &str {
        if let Some(hint) = &self.hint {
            return hint;
        }
        match self.reason {
            Reason::Credentials => {
                "check that the token or OAuth app still exists, that its secret is the current one, and that api.url, or url of the \
                 credential, is its console; a repaired file is read at the next exchange"
            }
            Reason::BadRequest => {
                "check the organization id and api.url; if both are right, give the request id to the vendor's support"
            }
            Reason::Unauthorized => "check that the credential belongs to this environment; renew it if it was revoked",
            Reason::Forbidden => {
                "grant the role in the console, or use a credential that has it; an API token counts only in its own organization"
            }
            Reason::NotFound => "compare the organization id and api.url with the console",
            Reason::RateLimited => {
                "raise poll.interval or lower api.requests_per_second; look for other clients that share the limit"
            }
            Reason::ServerError => "wait; if it lasts, give the request id to the vendor's support",
            Reason::UnexpectedStatus => "ask for the URL by hand and look at what answers there",
            Reason::Connect => "look at what is on the way to the service",
            Reason::Tls => "look at the certificate that is presented, and at api.tls",
            Reason::Timeout => "check the network; for very long lists raise api.timeout and poll.deadline",
            Reason::Body => "check proxies and load balancers in between; it is tried again at the next poll",
            Reason::Decode => {
                "ask for the URL by hand and look at what answers: usually a firewall, a proxy or a wrong api.url; if it is the \
                 service itself, please report what `check --online --shape` prints"
            }
            Reason::TooLarge => "look at the list that the service sends: the limit is a fixed one",
            Reason::Internal => "report it with the log of this moment",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, reason, status, request_id, detail, hint: _ } = self;
        write!(f, "{operation}: {reason}")?;
        if let Some(status) = status {
            write!(f, " (HTTP {status})")?;
        }
        if !detail.is_empty() {
            write!(f, ": {detail}")?;
        }
        if let Some(id) = request_id {
            write!(f, " [request id {id}]")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
