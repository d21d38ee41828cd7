//! Buckets of ages and of times left: `[lower, upper)`, the first open downwards.

use crate::Millis;

/// Upper bounds of the buckets `0-1d 1-3d 3-7d 7-30d 30d+`, in milliseconds.
const AGES: [i64; 4] = [Millis::DAY, 3 * Millis::DAY, 7 * Millis::DAY, 30 * Millis::DAY];
/// Upper bounds of the buckets `0-1h 1-24h 1-3d 3-7d 7d+`, in milliseconds.
const TIMES_LEFT: [i64; 4] = [Millis::HOUR, Millis::DAY, 3 * Millis::DAY, 7 * Millis::DAY];

/// The bucket of an age in milliseconds.
pub(super) fn of_age(age: i64) -> usize {
    AGES.partition_point(|&upper| upper <= age)
}

/// The bucket of a time left in milliseconds.
pub(super) fn of_time_left(left: i64) -> usize {
    TIMES_LEFT.partition_point(|&upper| upper <= left)
}

/// The bucket of what is not known, in families that have one.
pub(super) const UNKNOWN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_the_band_above_it() {
        let day = Millis::DAY;
        let of = [i64::MIN, -1, 0, day - 1, day, 3 * day - 1, 3 * day, 7 * day, 30 * day - 1, 30 * day, i64::MAX];
        assert_eq!(of.map(of_age), [0, 0, 0, 0, 1, 1, 2, 3, 3, 4, 4]);
        let hour = Millis::HOUR;
        let of = [-5, hour - 1, hour, day - 1, day, 3 * day, 7 * day - 1, 7 * day];
        assert_eq!(of.map(of_time_left), [0, 0, 1, 1, 2, 3, 3, 4]);
    }
}
