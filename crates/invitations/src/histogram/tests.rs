use super::*;

const BOUNDS: &[f64] = &[0.5, 1.0, 10.0];

#[test]
fn bounds_are_inclusive_and_the_rest_is_above() {
    let mut histogram = Histogram::new(BOUNDS);
    for value in [0.0, 0.5, 0.500_1, 1.0, 10.0, 10.1] {
        histogram.observe(value);
    }
    assert_eq!(histogram.counts(), [2, 2, 1, 1]);
    assert_eq!((histogram.count(), histogram.zero_count()), (6, 1));
    assert!((histogram.sum() - 22.100_1).abs() < 1e-9);
}

#[test]
fn native_indexes_are_those_of_client_golang() {
    // Bucket i holds (2^((i-1)/8), 2^(i/8)].
    for (value, index) in [
        (1.0, 0),
        (1.000_000_1, 1),
        (2.0, 8),
        (2.000_000_1, 9),
        (0.5, -8),
        (4.0, 16),
        (3.0, 13),
        (0.1, -26),
        (60.0, 48),
    ] {
        assert_eq!(native_index(value), index, "of {value}");
    }
}

/// The inclusive upper bound of a native bucket.
fn upper_bound(index: i32) -> f64 {
    let within = native::FRACTIONS[usize::try_from(index.rem_euclid(8)).unwrap()];
    within * 2f64.powi(index.div_euclid(8) + 1)
}

#[test]
fn a_value_on_a_native_bound_belongs_to_the_bucket_below_it() {
    for index in -200..200 {
        let bound = upper_bound(index);
        assert_eq!(native_index(bound), index);
        assert_eq!(native_index(bound.next_up()), index + 1);
        assert!((bound - 2f64.powf(f64::from(index) / 8.0)).abs() <= bound * 1e-15);
    }
}

#[test]
fn native_buckets_stay_within_their_limit_whatever_is_observed() {
    let mut histogram = Histogram::new(BOUNDS);
    for index in -1000..8000 {
        histogram.observe(upper_bound(index));
    }
    assert_eq!(histogram.native_buckets().count(), usize::try_from(native::MAX_NATIVE_BUCKETS).unwrap());
    assert_eq!(histogram.native_buckets().map(|(_, count)| count).sum::<u64>(), histogram.count());
}

#[test]
fn negative_values_count_as_zero_and_others_that_are_not_finite_not_at_all() {
    let mut histogram = Histogram::new(BOUNDS);
    for value in [-3.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        histogram.observe(value);
    }
    assert_eq!((histogram.count(), histogram.zero_count(), histogram.sum().to_bits()), (1, 1, 0));
}

#[test]
fn the_latest_exemplar_of_each_bucket_stays() {
    let mut histogram = Histogram::new(BOUNDS);
    histogram.observe_with_exemplar(0.2, Millis(1), "first");
    histogram.observe_with_exemplar(0.3, Millis(2), "second");
    histogram.observe_with_exemplar(99.0, Millis(3), "above");
    let found: Vec<_> = histogram.exemplars().map(|(i, e)| (i, e.request_id.as_str(), e.at.0)).collect();
    assert_eq!(found, [(0, "second", 2), (3, "above", 3)]);
}

#[test]
fn merging_equals_observing_everything_in_one() {
    let (mut left, mut right, mut all) = (Histogram::new(BOUNDS), Histogram::new(BOUNDS), Histogram::new(BOUNDS));
    for (i, value) in [0.0, 0.25, 3.0, 700.0, 1.5, 0.75].into_iter().enumerate() {
        if i % 2 == 0 { &mut left } else { &mut right }.observe(value);
        all.observe(value);
    }
    left.merge(&right).unwrap();
    assert_eq!(left, all);
    assert_eq!(left.merge(&Histogram::new(&[1.0])), Err(Mismatch));
}

#[test]
fn stored_parts_restore_the_histogram() {
    let mut histogram = Histogram::new(BOUNDS);
    for value in [0.0, 0.25, 3.0, 700.0] {
        histogram.observe(value);
    }
    let parts: Parts = serde_json::from_str(&serde_json::to_string(&histogram.to_parts()).unwrap()).unwrap();
    assert_eq!(Histogram::from_parts(BOUNDS, parts), Ok(histogram));
}

#[test]
fn parts_that_contradict_themselves_are_refused() {
    let mut histogram = Histogram::new(BOUNDS);
    histogram.observe(3.0);
    let good = histogram.to_parts();
    let broken = [
        Parts { bounds: vec![1.0], ..good.clone() },
        Parts { counts: vec![1], ..good.clone() },
        Parts { sum: f64::NAN, ..good.clone() },
        Parts { zero_count: 5, ..good.clone() },
        Parts { counts: vec![u64::MAX, 1, 1, 1], ..good.clone() },
        Parts { native: vec![(1_000_000, 1)], ..good.clone() },
    ];
    for parts in broken {
        assert_eq!(Histogram::from_parts(BOUNDS, parts), Err(Mismatch));
    }
    assert!(Histogram::from_parts(BOUNDS, good).is_ok());
}
