//! Sparse buckets in the form that the wire wants.

/// Runs of consecutive buckets as (gap to the run before, length), and each count as difference to the one before.
///
/// The first gap is the index of the first bucket. A single empty bucket between two runs still begins a new
/// run: it costs a little more on the wire and keeps the rule simple.
pub(super) fn spans_and_deltas(buckets: impl Iterator<Item = (i32, u64)>) -> (Vec<(i32, u32)>, Vec<i64>) {
    let (mut spans, mut deltas) = (Vec::<(i32, u32)>::new(), Vec::new());
    let (mut next, mut before) = (0, 0i64);
    for (index, count) in buckets {
        match spans.last_mut() {
            Some((_, length)) if index == next => *length += 1,
            _ => spans.push((index - next, 1)),
        }
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        deltas.push(count - before);
        (next, before) = (index + 1, count);
    }
    (spans, deltas)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_begin_new_spans_and_counts_become_differences() {
        let buckets = [(-3, 2), (-2, 5), (1, 1), (2, 1)];
        assert_eq!(spans_and_deltas(buckets.into_iter()), (vec![(-3, 2), (2, 2)], vec![2, 3, -4, 0]));
        assert_eq!(spans_and_deltas(std::iter::empty()), (vec![], vec![]));
    }
}
