//! Who an invitation is, without keeping what it says.

use std::fmt;

use crate::Millis;

/// Key of the hash in an [`Identity`]: without it, nobody can test a guess against the stored state.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentityKey([u8; 32]);

impl IdentityKey {
    /// A fresh key from the system's randomness.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// The key with these bytes, as a store kept them.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for a store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The identity of an invitation.
    ///
    /// `ref_link` is the only identity that the upstream gives. Without one (absent or empty), the invitee,
    /// trimmed and without case, and the time of generation stand in for it; `username` may be empty.
    #[must_use]
    pub fn identify(&self, ref_link: Option<&str>, username: &str, generated_at: Option<Millis>) -> Identity {
        let ref_link = ref_link.filter(|link| !link.is_empty());
        // The first byte keeps the two kinds of input apart.
        let hash = if let Some(link) = ref_link {
            self.hash(&[b"r", link.as_bytes()])
        } else {
            let generated_at = generated_at.map_or(i64::MIN, |at| at.0);
            self.hash(&[b"u", &generated_at.to_le_bytes(), username.trim().to_lowercase().as_bytes()])
        };
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.as_bytes()[..16]);
        bytes[15] = (bytes[15] & !Identity::ANONYMOUS) | u8::from(ref_link.is_none());
        Identity(bytes)
    }

    /// The keyed hash of `parts`, one behind the other.
    fn hash(&self, parts: &[&[u8]]) -> blake3::Hash {
        // Hashing a short input in one piece takes half the time of a hasher that is ready for a long one.
        let mut buffer = [0; 256];
        let mut length = 0;
        for part in parts {
            let Some(free) = buffer.get_mut(length..length + part.len()) else {
                let mut hasher = blake3::Hasher::new_keyed(&self.0);
                for part in parts {
                    hasher.update(part);
                }
                return hasher.finalize();
            };
            free.copy_from_slice(part);
            length += part.len();
        }
        blake3::keyed_hash(&self.0, &buffer[..length])
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityKey(…)")
    }
}

/// An invitation's identity within its organization: 127 bits of a keyed hash, and one that tells whether
/// it is a stand-in for a missing `refLink`, which several invitations may share.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity([u8; 16]);

impl Identity {
    const ANONYMOUS: u8 = 1;

    /// Whether this stands in for a missing `refLink`.
    #[must_use]
    pub fn is_anonymous(self) -> bool {
        self.0[15] & Self::ANONYMOUS != 0
    }

    /// The identity with these bytes, as a store kept them.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// A number in the order of identities: quicker to compare than bytes are.
    #[must_use]
    pub fn rank(self) -> u128 {
        u128::from_be_bytes(self.0)
    }

    /// The bytes, for a store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({:08x}…)", u32::from_be_bytes([self.0[0], self.0[1], self.0[2], self.0[3]]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_depends_on_the_reference_alone_where_there_is_one() {
        let key = IdentityKey::random();
        let one = key.identify(Some("/invitations/1"), "a@example.com", Some(Millis(1)));
        assert_eq!(one, key.identify(Some("/invitations/1"), "b@example.com", None));
        assert_ne!(one, key.identify(Some("/invitations/2"), "a@example.com", Some(Millis(1))));
        assert!(!one.is_anonymous());
    }

    #[test]
    fn without_a_reference_the_invitee_and_the_generation_stand_in() {
        let key = IdentityKey::random();
        let one = key.identify(None, " Ann@Example.com", Some(Millis(1)));
        assert!(one.is_anonymous());
        assert_eq!(one, key.identify(Some(""), "ann@example.com ", Some(Millis(1))), "case and blanks don't matter");
        assert_ne!(one, key.identify(None, "ann@example.com", Some(Millis(2))));
        assert_ne!(one, key.identify(None, "ann@example.com", None));
        assert_ne!(one, key.identify(None, "bob@example.com", Some(Millis(1))));
    }

    #[test]
    fn another_key_gives_other_identities() {
        let (one, two) = (IdentityKey::random(), IdentityKey::random());
        assert_ne!(one.identify(Some("x"), "", None), two.identify(Some("x"), "", None));
    }

    #[test]
    fn the_key_does_not_print() {
        assert_eq!(format!("{:?}", IdentityKey::from_bytes([7; 32])), "IdentityKey(…)");
    }
}
