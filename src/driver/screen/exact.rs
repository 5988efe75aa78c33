//! Exact scores of a few patterns, and the cuts that follow from them.

use std::ops::Range;

use super::listing::Listing;
use crate::driver::listed::Scored;
use crate::driver::shared::Shared;
use crate::matrix::MatRef;
use crate::memory::codes::{CodeStore, ProbeCodes};
use crate::separation::candidates::Threshold;
use crate::simd::Element;
use crate::similarity::scoring::{Scoring, least_unmasked};

/// Scratch of one task.
#[derive(Debug, Clone, Default)]
pub(crate) struct ScreenScratch<T> {
    pub codes: ProbeCodes,
    pub sums: Vec<i32>,
    pub bounds: Vec<f32>,
    pub row: Vec<T>,
    pub lists: Vec<Listing<T>>,
    /// Some indices, and an order of them.
    indices: Vec<u32>,
    pub scored: Scored<T>,
    order: Vec<u32>,
    lowest: Vec<f32>,
    /// Patterns whose scores were computed, of all probes of the task.
    pub listed: u64,
}

/// Some probes and some splits of the patterns.
pub(crate) struct ScreenTask<'a, T> {
    pub shared: &'a Shared<'a, T>,
    pub store: &'a CodeStore,
    /// Padded.
    pub probes: MatRef<'a, T>,
    /// Index of the first probe in the batch.
    pub first: usize,
    /// The splits' patterns.
    pub patterns: Range<usize>,
    pub threshold: Threshold<T>,
}

impl<T: Element> ScreenTask<'_, T> {
    /// Scores the hinted patterns first: a high cut from the beginning keeps the lists short.
    pub fn take_hints(&self, scratch: &mut ScreenScratch<T>) {
        let Some(hints) = self.shared.hints else { return };
        if matches!(self.threshold, Threshold::KthWidth { k: 2.., .. }) {
            return;
        }
        for b in 0..self.probes.rows() {
            let hint = hints[self.shared.first + self.first + b]
                .filter(|&n| n < self.shared.memory.rows());
            if let Some(hint) = hint.filter(|&n| self.takes_part(n)) {
                self.find(b, hint, f32::NEG_INFINITY, scratch);
            }
        }
    }

    pub(super) fn takes_part(&self, n: usize) -> bool {
        self.shared.keep.is_none_or(|keep| keep[n])
    }

    /// Scores one pattern exactly, which raises the cut.
    pub fn find(&self, b: usize, n: usize, bound: f32, scratch: &mut ScreenScratch<T>) {
        let list = [n as u32];
        self.score(b, &list, &mut scratch.scored);
        let (score, list) = (scratch.scored.scores[0], &mut scratch.lists[b]);
        if bound > list.found_at {
            list.found_at = bound;
        }
        if score.is_finite() && score >= least_unmasked() {
            list.raise(score, self.threshold);
        }
    }

    /// Scores listed patterns exactly.
    pub fn score(&self, b: usize, list: &[u32], to: &mut Scored<T>) {
        let (level, patterns) = (self.shared.level, self.shared.memory);
        let probe = self.probes.subrows(b..b + 1);
        to.write(level, probe, patterns, list);
        let Some(scoring) = self.scoring() else { return };
        for (score, &n) in to.scores.iter_mut().zip(list) {
            let score = std::slice::from_mut(score);
            scoring.similarities(score, b, n as usize);
            scoring.scores(score, b, n as usize);
        }
    }

    /// The scoring of the probes with all patterns.
    pub fn scoring(&self) -> Option<Scoring<'_, T>> {
        self.shared
            .scoring(self.first..self.first + self.probes.rows(), 0..self.shared.memory.rows())
    }

    /// Scores the `k` patterns with the highest bounds exactly, and raises the cut to the lowest of
    /// their scores, which is a bound of the k-th highest from below.
    pub fn score_highest(&self, b: usize, k: usize, scratch: &mut ScreenScratch<T>) {
        let ScreenScratch { lists, indices, scored, order, .. } = scratch;
        let list = &lists[b];
        if k == 0 || list.indices.len() <= k {
            return;
        }
        order.clear();
        order.extend(0..list.indices.len() as u32);
        let bound = |at: &u32| list.bounds[*at as usize];
        order.select_nth_unstable_by(k - 1, |a, b| bound(b).total_cmp(&bound(a)));
        indices.clear();
        indices.extend(order[..k].iter().map(|&at| list.indices[at as usize]));
        self.score(b, indices, scored);
        let scores = &scored.scores;
        let least = scores[..k].iter().fold(T::MAX, |least, &s| if s < least { s } else { least });
        let known = scores[..k].iter().all(|s| s.is_finite() && *s >= least_unmasked());
        if known {
            lists[b].raise(least, self.threshold);
        }
    }

    /// Raises the cut of a probe that wants the k highest to a bound from below of the k-th, and
    /// drops the entries below it.
    pub fn prune(&self, b: usize, scratch: &mut ScreenScratch<T>) {
        let Threshold::KthWidth { k, .. } = self.threshold else { return };
        let ScreenScratch { codes, lists, lowest, .. } = scratch;
        let list = &mut lists[b];
        // Biases and norms have been applied to the bounds from above, but not to those from below.
        if self.shared.scoring.is_none() && k > 0 && list.indices.len() >= k {
            let bounds = self.store.bounds(0..self.store.patterns());
            let entries = list.indices.iter().zip(&list.bounds);
            lowest.clear();
            lowest.extend(entries.map(|(&n, &from_above)| {
                let from_below = bounds.below(codes, b, n as usize, from_above);
                if from_below.is_finite() { from_below } else { f32::NEG_INFINITY }
            }));
            let (_, kth, _) = lowest.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
            let kth = T::from_f64(f64::from(*kth));
            if kth.is_finite() {
                list.raise(kth, self.threshold);
            }
        }
        list.prune();
    }
}
