//! The cache of checks that were made already.

use std::collections::HashMap;

use parking_lot::Mutex;

/// Identifies user, hash and password together, without telling them.
pub(super) type Digest = [u8; 32];

/// Outcomes to remember of each kind.
const CAPACITY: usize = 256;

/// What the newest checks found.
///
/// Right and wrong ones have a share each: whoever floods with wrong passwords can't push out the right
/// ones, and those who know a password are served without a check throughout. Wrong ones are remembered
/// because a scraper with an old password repeats it for days.
pub(super) struct CheckCache {
    /// Of this process alone: digests can't be made elsewhere.
    key: [u8; 32],
    right: Mutex<Recent>,
    wrong: Mutex<Recent>,
}

impl CheckCache {
    pub(super) fn new() -> Self {
        Self { key: rand::random(), right: Mutex::default(), wrong: Mutex::default() }
    }

    /// Lengths go before the parts, so that no two triples read the same.
    pub(super) fn digest(&self, user: &[u8], hash: &[u8], password: &[u8]) -> Digest {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for part in [user, hash, password] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        hasher.finalize().into()
    }

    /// A number below `count` that belongs to `user`.
    pub(super) fn pick(&self, user: &[u8], count: usize) -> usize {
        let hash = blake3::keyed_hash(&self.key, user);
        let [a, b, c, d, ..] = *hash.as_bytes();
        u32::from_le_bytes([a, b, c, d]) as usize % count.max(1)
    }

    pub(super) fn get(&self, digest: &Digest) -> Option<bool> {
        if self.right.lock().contains(digest) {
            return Some(true);
        }
        self.wrong.lock().contains(digest).then_some(false)
    }

    pub(super) fn put(&self, digest: Digest, right: bool) {
        if right { &self.right } else { &self.wrong }.lock().insert(digest);
    }
}

/// A set of the most recently used.
#[derive(Default)]
struct Recent {
    clock: u64,
    used: HashMap<Digest, u64>,
}

impl Recent {
    fn contains(&mut self, digest: &Digest) -> bool {
        self.clock += 1;
        let Some(used) = self.used.get_mut(digest) else { return false };
        *used = self.clock;
        true
    }

    fn insert(&mut self, digest: Digest) {
        self.clock += 1;
        self.used.insert(digest, self.clock);
        if self.used.len() > CAPACITY
            && let Some(oldest) = self.used.iter().min_by_key(|(_, used)| **used).map(|(digest, _)| *digest)
        {
            self.used.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_run_together_are_told_apart() {
        let cache = CheckCache::new();
        let digests = [("ab", "c", "d"), ("a", "bc", "d"), ("ab", "cd", ""), ("", "abc", "d")]
            .map(|(user, hash, password)| cache.digest(user.as_bytes(), hash.as_bytes(), password.as_bytes()));
        for (i, digest) in digests.iter().enumerate() {
            assert!(!digests[i + 1..].contains(digest));
        }
        assert_ne!(CheckCache::new().digest(b"a", b"b", b"c"), cache.digest(b"a", b"b", b"c"));
    }

    #[test]
    fn wrong_passwords_never_push_out_right_ones_and_memory_is_bounded() {
        let cache = CheckCache::new();
        let right = cache.digest(b"user", b"hash", b"right");
        cache.put(right, true);
        for n in 0..CAPACITY * 3 {
            cache.put(cache.digest(b"user", b"hash", n.to_string().as_bytes()), false);
        }
        assert_eq!(cache.get(&right), Some(true));
        assert_eq!(cache.wrong.lock().used.len(), CAPACITY);
        assert_eq!(cache.get(&cache.digest(b"user", b"hash", b"never seen")), None);
    }
}
