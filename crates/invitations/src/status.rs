//! The five statuses that an invitation can be in.

/// What an invitation is at the time of a poll; each is in exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Status {
    /// Open: somebody may still accept it.
    Available,
    /// Still `AVAILABLE` upstream, but its expiration time has passed.
    Expired,
    /// Accepted.
    Redeemed,
    /// Taken back.
    Revoked,
    /// Any other status word, or none.
    Unknown,
}

impl Status {
    /// Every status, in the order of the documentation; `ALL[s as usize] == s`.
    pub const ALL: [Self; 5] = [Self::Available, Self::Expired, Self::Redeemed, Self::Revoked, Self::Unknown];

    /// The value of the label `status`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Expired => "expired",
            Self::Redeemed => "redeemed",
            Self::Revoked => "revoked",
            Self::Unknown => "unknown",
        }
    }
}
