//! Buckets of ages and of times left: `[lower, upper)`, the first open downwards.

use crate::Millis;

/// Upper bounds of the buckets `0-1d 1-3d 3-7d 7-30d 30d+`, in milliseconds.
const AGES: [i64; 4] = [Millis::DAY, 3 * Millis::DAY, 7 * Millis::DAY, 30 * Millis::DAY];
/// Upper bounds of the buckets `0-1h 1-24h 1-3d 3-7d 7d+`, in milliseconds.
const TIMES_LEFT: [i64; 4] = [Millis::HOUR, Millis::DAY, 3 * Millis::DAY, 7 * Millis::DAY];

/// The bucket of an age in milliseconds; the one after all bounds of what is not known.
pub(super) fn of_age(age: Option<i64>) -> usize {
    bucket(&AGES, age)
}

/// The bucket of a time left in milliseconds; the one after all bounds of what is not known.
pub(super) fn of_time_left(left: Option<i64>) -> usize {
    bucket(&TIMES_LEFT, left)
}

fn bucket(uppers: &[i64], value: Option<i64>) -> usize {
    value.map_or(uppers.len() + 1, |value| uppers.partition_point(|&upper| upper <= value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_the_band_above_it() {
        let day = Millis::DAY;
        let of = [i64::MIN, -1, 0, day - 1, day, 3 * day - 1, 3 * day, 7 * day, 30 * day - 1, 30 * day, i64::MAX];
        assert_eq!(of.map(|age| of_age(Some(age))), [0, 0, 0, 0, 1, 1, 2, 3, 3, 4, 4]);
        let hour = Millis::HOUR;
        let of = [-5, hour - 1, hour, day - 1, day, 3 * day, 7 * day - 1, 7 * day];
        assert_eq!(of.map(|left| of_time_left(Some(left))), [0, 0, 1, 1, 2, 3, 3, 4]);
        assert_eq!([of_age(None), of_time_left(None)], [5, 5]);
    }
}
