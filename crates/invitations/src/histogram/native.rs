//! Where the buckets of a native histogram lie.
//!
//! The scheme is that of Prometheus: at schema *s*, bucket *i* holds the values in
//! (2^((*i*-1)/2^*s*), 2^(*i*/2^*s*)]. See the native histogram specification of the Prometheus project.

/// The resolution: eight buckets for each doubling, so that a bucket's bounds are 9 % apart.
pub const SCHEMA: i32 = 3;
/// Half the width of the bucket around zero, 2^-128: the specification's recommendation.
pub const ZERO_THRESHOLD: f64 = 2.938_735_877_055_719e-39;
/// The most native buckets that one histogram ever occupies, zero not counted: twenty doublings.
pub(super) const MAX_NATIVE_BUCKETS: i32 = 160;

const BUCKETS_PER_DOUBLING: i32 = 1 << SCHEMA;

/// Upper bounds within the doubling from 0.5 to 1: 2^(i/8 - 1), with the rounding of `client_golang`, so that
/// an observation on a boundary falls into the same bucket as everywhere else.
pub(super) const FRACTIONS: [f64; BUCKETS_PER_DOUBLING as usize] = [
    0.5,
    0.545_253_866_332_628_8,
    0.594_603_557_501_360_5,
    0.648_419_777_325_504_8,
    0.707_106_781_186_547_5,
    0.771_105_412_703_970_4,
    0.840_896_415_253_714_4,
    0.917_004_043_204_671_1,
];

/// The native bucket of a positive value above [`ZERO_THRESHOLD`].
#[must_use]
pub(super) fn native_index(value: f64) -> i32 {
    let (fraction, exponent) = split(value);
    let within = FRACTIONS.partition_point(|bound| *bound < fraction);
    // At most 8.
    let within = i32::try_from(within).unwrap_or(BUCKETS_PER_DOUBLING);
    within + (exponent - 1) * BUCKETS_PER_DOUBLING
}

/// `value` as fraction and exponent: `fraction * 2^exponent` with a fraction in [0.5, 1).
///
/// Subnormal numbers are far below [`ZERO_THRESHOLD`] and don't occur.
fn split(value: f64) -> (f64, i32) {
    const MANTISSA: u64 = (1 << 52) - 1;
    const HALF: u64 = 1022 << 52;
    let bits = value.to_bits();
    let biased = i32::try_from((bits >> 52) & 0x7ff).unwrap_or(0);
    (f64::from_bits((bits & MANTISSA) | HALF), biased - 1022)
}

/// The lowest and the highest native bucket that a histogram with these classic bounds uses.
///
/// Memory and the size of a scrape must not depend on what is observed. Merging buckets later would look like a
/// counter reset to Prometheus, so what lies outside goes to the nearest bucket from the start. The range ends
/// three doublings above the last classic bound.
pub(super) fn range(bounds: &[f64]) -> (i32, i32) {
    let last = bounds.last().copied().filter(|bound| *bound > ZERO_THRESHOLD).unwrap_or(1.0);
    let highest = native_index(last) + 3 * BUCKETS_PER_DOUBLING;
    (highest - MAX_NATIVE_BUCKETS + 1, highest)
}
