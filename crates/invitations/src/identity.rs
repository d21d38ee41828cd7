//! Who an invitation is, without keeping what it says.

use std::fmt;

use crate::Millis;

/// An invitation's identity within its organization: 127 bits of a one-way hash, and one that tells whether it is a
/// stand-in for a missing `refLink`, which several invitations may share.
///
/// It depends on the invitation alone, on no key: what has been seen before the key of a stored state is known can be
/// compared with that state later. Only memory holds it like this. Whoever stores it seals it first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity([u8; 16]);

impl Identity {
    const ANONYMOUS: u8 = 1;

    /// The identity of an invitation.
    ///
    /// `ref_link` is the only identity that the upstream gives. Without one (absent or empty), the invitee,
    /// trimmed and without case, and the time of generation stand in for it; `username` may be empty.
    #[must_use]
    pub fn of(ref_link: Option<&str>, username: &str, generated_at: Option<Millis>) -> Self {
        hashed(ref_link, username, generated_at, blake3::hash, blake3::Hasher::new)
    }

    /// Whether this stands in for a missing `refLink`.
    #[must_use]
    pub(crate) fn is_anonymous(self) -> bool {
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

    /// The first half, in the order of identities: enough to tell the invitations of one list apart.
    #[must_use]
    pub fn prefix(self) -> u64 {
        (self.rank() >> 64) as u64
    }

    /// The bytes, for a store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    fn new(hash: &blake3::Hash, is_anonymous: bool) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.as_bytes()[..16]);
        bytes[15] = (bytes[15] & !Self::ANONYMOUS) | u8::from(is_anonymous);
        Self(bytes)
    }
}

/// Makes the identities of one list, whose `refLink`s begin alike: with the organization. The hash of what the last one
/// began with is kept, which spares one of two blocks.
#[derive(Debug)]
pub(crate) struct Identities {
    start: [u8; Self::START],
    /// Has taken in the start. In a box: it has two kilobytes, ready for long inputs.
    hasher: Box<blake3::Hasher>,
}

impl Identities {
    /// A block has as many bytes. One of them tells the kinds apart, so that the last of these is in the second block:
    /// the first is computed once it is known not to be the last.
    const START: usize = 64;

    pub(crate) fn new() -> Self {
        Self::beginning_with([0; Self::START])
    }

    fn beginning_with(start: [u8; Self::START]) -> Self {
        let mut hasher = Box::new(blake3::Hasher::new());
        hasher.update(LINK).update(&start);
        Self { start, hasher }
    }

    /// What [`Identity::of`] gives.
    pub(crate) fn of(&mut self, ref_link: Option<&str>, username: &str, generated_at: Option<Millis>) -> Identity {
        let Some((start, rest)) = ref_link.and_then(|link| link.as_bytes().split_first_chunk()) else {
            return Identity::of(ref_link, username, generated_at);
        };
        if *start != self.start {
            *self = Self::beginning_with(*start);
        }
        let mut hasher = blake3::Hasher::clone(&self.hasher);
        Identity::new(&hasher.update(rest).finalize(), false)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({:08x}…)", u32::from_be_bytes([self.0[0], self.0[1], self.0[2], self.0[3]]))
    }
}

/// The secret of one stored state: without it, nobody can test a guess against the identities in it.
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

    /// An identity as it is stored.
    #[must_use]
    pub fn seal(&self, identity: Identity) -> Identity {
        Identity::new(&blake3::keyed_hash(&self.0, &identity.0), identity.is_anonymous())
    }

    /// The identity that the first format of the stored state had for an invitation: made with the key at once.
    #[must_use]
    pub fn former(&self, ref_link: Option<&str>, username: &str, generated_at: Option<Millis>) -> Identity {
        let (whole, in_parts) =
            (|bytes: &[u8]| blake3::keyed_hash(&self.0, bytes), || blake3::Hasher::new_keyed(&self.0));
        hashed(ref_link, username, generated_at, whole, in_parts)
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityKey(…)")
    }
}

/// One invitation in the two forms of its identity, eight bytes of each: what a state of the first format needs once
/// to go over to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Former {
    /// [`Identity::prefix`] of [`IdentityKey::former`].
    pub former: u64,
    /// [`Identity::prefix`] of [`Identity::of`].
    pub current: u64,
}

/// What is hashed in front of a `refLink`. With it, the two kinds of input are kept apart.
const LINK: &[u8] = b"r";
/// What is hashed in front of that which stands in for one.
const STAND_IN: &[u8] = b"u";

/// The hash of what makes the identity, by one of two ways to hash.
fn hashed(
    ref_link: Option<&str>,
    username: &str,
    generated_at: Option<Millis>,
    whole: impl Fn(&[u8]) -> blake3::Hash,
    in_parts: impl Fn() -> blake3::Hasher,
) -> Identity {
    // Hashing a short input in one piece takes half the time of a hasher that is ready for a long one.
    let hash = |parts: &[&[u8]]| {
        let mut buffer = [0; 256];
        let mut length = 0;
        for part in parts {
            let Some(free) = buffer.get_mut(length..length + part.len()) else {
                let mut hasher = in_parts();
                for part in parts {
                    hasher.update(part);
                }
                return hasher.finalize();
            };
            free.copy_from_slice(part);
            length += part.len();
        }
        whole(&buffer[..length])
    };
    if let Some(link) = ref_link.filter(|link| !link.is_empty()) {
        Identity::new(&hash(&[LINK, link.as_bytes()]), false)
    } else {
        let generated_at = generated_at.map_or(i64::MIN, |at| at.0).to_le_bytes();
        Identity::new(&hash(&[STAND_IN, &generated_at, username.trim().to_lowercase().as_bytes()]), true)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_identity_depends_on_the_reference_alone_where_there_is_one() {
        let one = Identity::of(Some("/invitations/1"), "a@example.com", Some(Millis(1)));
        assert_eq!(one, Identity::of(Some("/invitations/1"), "b@example.com", None));
        assert_ne!(one, Identity::of(Some("/invitations/2"), "a@example.com", Some(Millis(1))));
        assert!(!one.is_anonymous());
        let long = "x".repeat(1000);
        assert_ne!(Identity::of(Some(&long), "", None), Identity::of(Some(&long[1..]), "", None));
    }

    #[test]
    fn without_a_reference_the_invitee_and_the_generation_stand_in() {
        let one = Identity::of(None, " Ann@Example.com", Some(Millis(1)));
        assert!(one.is_anonymous());
        assert_eq!(one, Identity::of(Some(""), "ann@example.com ", Some(Millis(1))), "case and blanks don't matter");
        assert_ne!(one, Identity::of(None, "ann@example.com", Some(Millis(2))));
        assert_ne!(one, Identity::of(None, "ann@example.com", None));
        assert_ne!(one, Identity::of(None, "bob@example.com", Some(Millis(1))));
    }

    proptest! {
        #[test]
        fn in_a_list_an_identity_is_the_same(
            links in prop::collection::vec(("[aé\0]", 0..150_usize, "[a-c]{0,3}"), 1..10), at in any::<i64>()
        ) {
            let mut identities = Identities::new();
            for link in links.iter().map(|(start, times, end)| start.repeat(*times) + end) {
                for link in [None, Some(link.as_str())] {
                    let alone = Identity::of(link, "ann", Some(Millis(at)));
                    prop_assert_eq!(identities.of(link, "ann", Some(Millis(at))), alone, "{:?}", link);
                }
            }
        }
    }

    #[test]
    fn another_key_seals_otherwise_and_what_is_sealed_says_as_much() {
        let (one, two) = (IdentityKey::random(), IdentityKey::random());
        for identity in [Identity::of(Some("x"), "", None), Identity::of(None, "ann", None)] {
            assert_ne!(one.seal(identity), two.seal(identity));
            assert_ne!(one.seal(identity), identity);
            assert_eq!(one.seal(identity).is_anonymous(), identity.is_anonymous());
        }
        assert_ne!(one.former(Some("x"), "", None), two.former(Some("x"), "", None));
    }

    #[test]
    fn the_key_does_not_print() {
        assert_eq!(format!("{:?}", IdentityKey::from_bytes([7; 32])), "IdentityKey(…)");
    }
}
