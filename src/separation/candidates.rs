//! Candidates: the patterns that may have a weight under a separation whose weights are mostly 0.
//!
//! ```text
//! for each block of scores:
//!     row_max = max(row_max, scores)
//!     bound   = row_max - width                        # or the k-th highest score, less a width
//!     append (score, index) where score >= bound       # compress-store
//!     if the list is full: raise the bound, and drop what is below it
//! ```
//!
//! The list is a superset of the support, in ascending order of the index. Which patterns it holds
//! beyond the support depends on the order of the scores and does not matter: the separation gives
//! them weight 0.

use crate::separation::extremes::{highest_of, position};
use crate::simd::tail::{for_each_partial_vector, load};
use crate::simd::{Element, MAX_LANES, Simd};
use crate::similarity::scoring::{least_unmasked, masked};

/// Which scores are candidates. Widths and bounds are in units of scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Threshold<T> {
    /// All that are not masked.
    All,
    /// Those within a width of the highest.
    Width(T),
    /// Those within a width of the `k`-th highest.
    KthWidth { k: usize, width: T },
    /// Those that are not below a bound.
    Above(T),
}

/// The state of one probe's list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<T> {
    /// Entries.
    pub len: usize,
    /// The highest score so far, and the first pattern that has it.
    pub row_max: T,
    pub best: usize,
    /// The least score that is a candidate.
    pub bound: T,
    /// Entries after the last time that the list was pruned.
    pub pruned: usize,
    /// Whether all scores so far were finite.
    pub finite: bool,
    /// Whether there was no room for some candidate: the list is not complete.
    pub overflowed: bool,
}

impl<T: Element> Head<T> {
    /// Before the first pattern.
    pub fn new(threshold: Threshold<T>) -> Self {
        let least = least_unmasked();
        let bound = match threshold {
            Threshold::Above(bound) if bound > least => bound,
            _ => least,
        };
        Self {
            len: 0,
            row_max: T::NEG_INFINITY,
            best: usize::MAX,
            bound,
            pruned: 0,
            finite: true,
            overflowed: false,
        }
    }
}

/// Entries beyond the candidates for which a list has room: a compress-store writes whole vectors.
pub(crate) const SLACK: usize = MAX_LANES;

/// A list is pruned when it has grown by this many entries, or to twice its size if that is more.
const GROWN: usize = 256;

/// One probe's list.
pub(crate) struct List<'a, T> {
    pub head: &'a mut Head<T>,
    /// Scores and indices of the candidates: room for as many of each.
    pub scores: &'a mut [T],
    pub indices: &'a mut [u32],
}

impl<T: Element> List<'_, T> {
    /// Appends the candidates of a block of scores, whose first pattern has index `first`.
    #[inline(always)]
    pub fn append<S: Simd<T>>(
        &mut self,
        simd: S,
        row: &[T],
        first: usize,
        threshold: Threshold<T>,
    ) {
        let (zero, lowest) = (simd.splat(T::ZERO), simd.splat(T::NEG_INFINITY));
        let (mut high, mut check) = (lowest, zero);
        for_each_partial_vector::<T>(
            0..row.len(),
            #[inline(always)]
            |part| {
                let scores = load(simd, row, &part);
                // 0 s is NaN if s is not finite.
                check = simd.mul_add(scores, zero, check);
                let in_use = simd.select(simd.first(part.end), scores, lowest);
                high = simd.max(high, in_use);
            },
        );
        if simd.bits(simd.nonzero(check)) != 0 {
            self.head.finite = false;
            return;
        }
        let high = highest_of(simd, high);
        if high > self.head.row_max {
            self.head.row_max = high;
            let best = position(simd, row, 0..row.len(), None, high);
            self.head.best = best.map_or(usize::MAX, |n| first + n);
            if let Threshold::Width(width) = threshold {
                self.raise(high - width);
            }
        }
        if high < self.head.bound || self.head.overflowed {
            return;
        }
        // The k-th highest is known when the list is pruned, and saves entries from then on.
        let grown = matches!(threshold, Threshold::KthWidth { .. })
            && self.head.len > 2 * self.head.pruned + GROWN;
        if grown || self.head.len + row.len() + SLACK > self.scores.len() {
            self.prune(threshold);
            if self.head.len + row.len() + SLACK > self.scores.len() {
                self.head.overflowed = true;
                return;
            }
        }
        let bound = simd.splat(self.head.bound);
        for_each_partial_vector::<T>(
            0..row.len(),
            #[inline(always)]
            |part| {
                let bits = !simd.bits(simd.lt(load(simd, row, &part), bound)) & part.bits();
                let len = self.head.len;
                let added = simd.append(&mut self.indices[len..], first + part.at, bits);
                let to = &mut self.scores[len..len + added];
                if added == part.end {
                    to.copy_from_slice(&row[part.at..part.at + added]);
                } else {
                    for (score, &index) in to.iter_mut().zip(&self.indices[len..]) {
                        *score = row[index as usize - first];
                    }
                }
                self.head.len += added;
            },
        );
    }

    /// Appends the candidates among the scores of patterns that a list names, in ascending order.
    /// The other patterns are known to be no candidates, and none of them has the highest score.
    pub fn append_listed(&mut self, scores: &[T], indices: &[u32], threshold: Threshold<T>) {
        for (&score, &index) in scores.iter().zip(indices) {
            if !score.is_finite() {
                self.head.finite = false;
                return;
            }
            if score > self.head.row_max {
                (self.head.row_max, self.head.best) = (score, index as usize);
                if let Threshold::Width(width) = threshold {
                    self.raise(score - width);
                }
            }
            if score < self.head.bound || self.head.overflowed {
                continue;
            }
            if self.head.len + SLACK >= self.scores.len() {
                self.prune(threshold);
                if self.head.len + SLACK >= self.scores.len() {
                    self.head.overflowed = true;
                    continue;
                }
            }
            (self.scores[self.head.len], self.indices[self.head.len]) = (score, index);
            self.head.len += 1;
        }
    }

    /// Raises the bound to that of `threshold`, as far as the list so far tells, and drops the
    /// entries below it.
    pub fn prune(&mut self, threshold: Threshold<T>) {
        if let Threshold::KthWidth { k, width } = threshold
            && let Some(kth) = kth_highest(&self.scores[..self.head.len], k)
        {
            self.raise(kth - width);
        }
        let mut kept = 0;
        for at in 0..self.head.len {
            if self.scores[at] >= self.head.bound {
                (self.scores[kept], self.indices[kept]) = (self.scores[at], self.indices[at]);
                kept += 1;
            }
        }
        self.head.len = kept;
        self.head.pruned = kept;
    }

    /// Raises the bound to just below `to`: a score whose distance is rounded is not lost.
    fn raise(&mut self, to: T) {
        let slack = (to.abs() + self.head.row_max.abs()) * T::from_f64(1e-6);
        let to = to - slack;
        if to > self.head.bound {
            self.head.bound = to;
        }
    }
}

/// The `k`-th highest of some finite scores, or `None` if there are fewer. Found by bisection of
/// its bits, which neither moves nor copies the scores.
fn kth_highest<T: Element>(scores: &[T], k: usize) -> Option<T> {
    if k == 0 || scores.len() < k {
        return None;
    }
    // Integers in the order of the numbers.
    let key = |x: f64| {
        let bits = x.to_bits() as i64;
        bits ^ ((bits >> 63) as u64 >> 1) as i64
    };
    let least = scores.iter().fold(T::MAX, |least, &s| if s < least { s } else { least });
    let most = scores.iter().fold(masked::<T>(), |most, &s| if s > most { s } else { most });
    let (mut low, mut high) = (key(least.to_f64()), key(most.to_f64()));
    // At least k scores have a key of `low` or more; fewer have more than `high`.
    while low < high {
        let middle = (i128::from(low) + i128::from(high) + 1).div_euclid(2) as i64;
        let above = scores.iter().filter(|s| key(s.to_f64()) >= middle).count();
        if above >= k { low = middle } else { high = middle - 1 }
    }
    let bits = low ^ ((low >> 63) as u64 >> 1) as i64;
    Some(T::from_f64(f64::from_bits(bits as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kth_highest_is_that_of_a_sort() {
        let scores = [3.0_f32, -1.0, 0.0, -0.0, 7.5, -8.25, 7.5, 1e-38, -1e30, 2.0];
        let mut sorted = scores;
        sorted.sort_by(|a, b| b.total_cmp(a));
        for k in 1..=scores.len() {
            assert_eq!(kth_highest(&scores, k), Some(sorted[k - 1]), "{k}");
        }
        assert_eq!(kth_highest(&scores, 0), None);
        assert_eq!(kth_highest(&scores, 11), None);
    }
}
