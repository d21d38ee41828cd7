//! A password that only its bcrypt hash is known of.

use std::fmt;

use crate::document::{Node, Value, Wrong};

/// A well-formed bcrypt hash, which never shows itself.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PasswordHash(String);

impl PasswordHash {
    /// Above it one check takes minutes, in which nobody else's password is checked.
    const MAX_COST: u32 = 20;

    /// Reads `$2a$`, `$2b$`, `$2x$` or `$2y$`, the cost, and 53 characters of salt and hash.
    ///
    /// # Errors
    /// What is wrong with it; never a part of it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "is not a bcrypt hash: 60 characters that begin with $2a$, $2b$ or $2y$";
        let parts = text.parse::<bcrypt::HashParts>().map_err(|_| FORM)?;
        match parts.get_cost() {
            4..=Self::MAX_COST => Ok(Self(text.to_owned())),
            _ => Err("has a cost outside 4 to 20; 10 to 12 is usual"),
        }
    }

    pub(super) fn read(node: &Node) -> Result<Self, Wrong> {
        match &node.value {
            Value::Scalar { text, .. } => Self::parse(text).map_err(Wrong::from),
            _ => Err(Wrong::expected("a bcrypt hash", node)),
        }
    }

    /// Whether `password` is the one; compared in constant time. Takes as long as the hash's cost says.
    #[must_use]
    pub(crate) fn verify(&self, password: &[u8]) -> bool {
        bcrypt::verify(password, &self.0).unwrap_or(false)
    }

    /// The hash itself, to tell it from another.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_prefix_verifies_and_anything_else_is_refused() {
        let hash = bcrypt::hash_with_salt("secret", 4, [7; 16]).unwrap();
        for version in [bcrypt::Version::TwoA, bcrypt::Version::TwoB, bcrypt::Version::TwoY] {
            let hash = PasswordHash::parse(&hash.format_for_version(version)).unwrap();
            assert!(hash.verify(b"secret") && !hash.verify(b"Secret") && !hash.verify(b""));
            assert!(!format!("{hash:?}").contains('$'));
        }
        let good = hash.to_string();
        for bad in ["", "secret", "$2y$", &good[..59], &good.replace("$04$", "$03$"), &good.replace("$04$", "$31$")] {
            PasswordHash::parse(bad).unwrap_err();
        }
        PasswordHash::parse(&good.replace("$2b$", "$1b$")).unwrap_err();
    }
}
