//! Which scores can have a weight, and how many of them are to be expected.

use super::Sparse;
use crate::driver::scan::Candidates;
use crate::separation::candidates::Threshold;
use crate::separation::rows::Reach;
use crate::simd::Element;

/// Most bytes of the lists of a chunk of probes.
const LIST_BYTES: usize = 64 << 20;
/// With at least this many candidates, the support is first bounded by a sample of them, which has
/// at most `SAMPLE`.
const MANY: usize = 400;
const SAMPLE: usize = 192;
/// The lists of a probe have room for one pattern in `EXPECTED_SHARE` at first, and for at least
/// `EXPECTED`.
const EXPECTED_SHARE: usize = 8;
const EXPECTED: usize = 1024;

impl<T: Element> Sparse<'_, T> {
    /// Probes whose lists fit into the memory for them.
    pub(super) fn chunk(&self, candidates: &Candidates<'_, T>) -> usize {
        (LIST_BYTES / candidates.bytes(self.shared)).max(1)
    }

    /// Which scores can have a weight. Widths are rounded up.
    pub(super) fn threshold(&self) -> Threshold<T> {
        let score = |t: f64| T::from_f64(t / self.beta * (1.0 + 1e-6));
        match self.separation.reach() {
            Reach::All => Threshold::All,
            Reach::Width(width) => Threshold::Width(score(width)),
            Reach::KthWidth { k: 1, width } => Threshold::Width(score(width)),
            Reach::KthWidth { k, width } => Threshold::KthWidth { k, width: score(width) },
            Reach::Above(bound) => {
                let below = if bound > 0.0 { 1.0 - 3e-6 } else { 1.0 };
                Threshold::Above(score(bound * below))
            }
        }
    }

    /// Candidates to expect, if they are not all patterns.
    pub(super) fn candidates(&self) -> Option<usize> {
        let expected = EXPECTED.max(self.shared.plan.patterns / EXPECTED_SHARE);
        match self.separation.reach() {
            Reach::All => None,
            Reach::Width(_) | Reach::Above(_) => Some(expected),
            // In the worst case all of the highest are in one split.
            Reach::KthWidth { k, .. } => {
                let splits = self.shared.plan.splits::<T>().len();
                Some(expected.max(2 * k.min(self.shared.plan.patterns).saturating_mul(splits)))
            }
        }
    }

    /// The least score that can have a weight beside the highest.
    pub(super) fn bound(&self, row_max: T) -> T {
        match self.separation.reach() {
            Reach::Width(width) => {
                let below = row_max - T::from_f64(width / self.beta * (1.0 + 1e-6));
                below - (below.abs() + row_max.abs()) * T::from_f64(1e-6)
            }
            Reach::All | Reach::Above(_) | Reach::KthWidth { .. } => T::NEG_INFINITY,
        }
    }

    /// A bound from a sample of some candidates, if they are many: the threshold of a sample is
    /// below that of all.
    pub(super) fn raise(&self, scores: &[T], row_max: T) -> T {
        if scores.len() < MANY {
            return T::NEG_INFINITY;
        }
        let mut sample = [0.0; SAMPLE + 1];
        let every = scores.len().div_ceil(SAMPLE);
        let mut count = 0;
        for (to, score) in sample.iter_mut().zip(scores.iter().step_by(every)) {
            *to = self.beta * score.to_f64();
            count += 1;
        }
        // The highest of all is not in the sample twice.
        let top = self.beta * row_max.to_f64();
        if sample[..count].iter().all(|&t| t < top) {
            sample[count] = top;
            count += 1;
        }
        let Some(threshold) = self.separation.threshold(&sample[..count]) else {
            return T::NEG_INFINITY;
        };
        let to = T::from_f64(threshold / self.beta);
        to - (to.abs() + row_max.abs()) * T::from_f64(1e-6)
    }
}
