//! Repeatable chance: the same key gives the same throws on every machine and with every version of every library.

/// `SplitMix64`, keyed by whatever a decision may depend on.
///
/// The `rand` crate does not promise the same numbers across its versions; the simulator promises them for a seed.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

const HEX: &[u8; 16] = b"0123456789abcdef";
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Dice {
    /// Dice of their own for each `key`.
    pub(super) fn new(key: &[u64]) -> Self {
        Self(key.iter().fold(STEP, |state, part| mix(state.wrapping_add(STEP) ^ mix(*part))))
    }

    /// 64 random bits.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number in `0..n`; 0 when `n` is 0.
    #[expect(clippy::cast_possible_truncation, reason = "the product's upper half is below n")]
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// A number in `low..high`; `low` when the range is empty.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = u128::try_from(high.saturating_sub(low)).unwrap_or(0);
        low.saturating_add(i64::try_from((u128::from(self.next()) * width) >> 64).unwrap_or(0))
    }

    /// True in `percent` of 100 throws.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of `values`, which must not be empty.
    pub(super) fn pick<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[self.below(values.len())]
    }

    /// A GUID in lower case.
    pub(super) fn guid(&mut self) -> String {
        let mut out = Vec::with_capacity(36);
        self.write_guid(&mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    /// Appends a GUID in lower case.
    pub(super) fn write_guid(&mut self, out: &mut Vec<u8>) {
        let bits = u128::from(self.next()) << 64 | u128::from(self.next());
        // Version 4, variant 1, as random GUIDs have it.
        let bits = bits & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        for (at, byte) in bits.to_be_bytes().into_iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                out.push(b'-');
            }
            out.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }

    /// `length` letters and digits.
    pub(super) fn word(&mut self, length: usize) -> String {
        const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        (0..length).map(|_| char::from(*self.pick(LETTERS))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_gives_the_same_throws_and_another_key_others() {
        let throws = |key: &[u64]| {
            let mut dice = Dice::new(key);
            (dice.next(), dice.below(1000), dice.guid(), dice.word(8))
        };
        assert_eq!(throws(&[1, 2]), throws(&[1, 2]));
        assert_ne!(throws(&[1, 2]), throws(&[2, 1]));
    }

    #[test]
    fn throws_stay_inside_their_range_and_reach_both_ends() {
        let mut dice = Dice::new(&[7]);
        let throws: Vec<_> = (0..1000).map(|_| dice.between(-2, 3)).collect();
        assert_eq!(throws.iter().min(), Some(&-2));
        assert_eq!(throws.iter().max(), Some(&2));
        assert_eq!(dice.below(0), 0);
        assert_eq!(dice.between(5, 5), 5);
    }

    #[test]
    fn a_guid_has_the_form_of_a_random_one() {
        let guid = Dice::new(&[3]).guid();
        let parts: Vec<_> = guid.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(guid.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&guid.as_bytes()[19]));
    }
}
