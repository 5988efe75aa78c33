//! k-subsets, or a budget: weights between 0 and 1 of sum k.

use super::sparsemax::{centre, negative_gini};
use super::{Fault, Highest, Reach, RowSeparation, require, survives, takes_part};

/// clip(t - τ, 0, 1) with τ such that the sum is k, which need not be an integer.
///
/// If no more than k scores take part, they all have weight 1. Its functions copy the
/// scores, to find the k-th highest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct KSubsets {
    /// The sum of the weights.
    pub(crate) k: f64,
}

impl KSubsets {
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let met = self.k > 0.0 && self.k.is_finite();
        require(met, "k", "a finite number above 0", self.k)
    }

    /// The number of scores that can have weight 1 each before the sum is at least k.
    fn count(&self) -> usize {
        self.k.ceil() as usize
    }

    fn solve(&self, t: &[f64]) -> Budget {
        let highest = Highest::of(t, self.count());
        let budget = Budget { low: highest.lowest, tau: -1.0 };
        // With τ = -1 all of the `count` highest have weight 1, which is right if k is as much.
        match (highest.count as f64) < self.k {
            true => Budget { tau: f64::NEG_INFINITY, ..budget },
            false => Budget { tau: budget.threshold(t, self.k), ..budget },
        }
    }
}

impl RowSeparation for KSubsets {
    fn reach(&self) -> Reach {
        Reach::KthWidth { k: self.count(), width: 1.0 }
    }

    fn weights(&self, t: &mut [f64]) {
        let budget = self.solve(t);
        for t in t {
            *t = budget.weight(*t);
        }
    }

    fn potential(&self, t: &[f64]) -> f64 {
        let budget = self.solve(t);
        let support = t.iter().map(|&t| (t, budget.weight(t))).filter(|(_, p)| *p > 0.0);
        support.map(|(t, p)| p * (t + (1.0 - p) / 2.0)).sum()
    }

    /// ½ (p.p - k), which is 0 where every weight is 0 or 1.
    fn conjugate(&self, p: &[f64]) -> Option<f64> {
        Some(negative_gini(p))
    }

    fn constant(&self, n: usize) -> f64 {
        let n = n.max(1) as f64;
        let uniform = (self.k / n).min(1.0);
        n * uniform * (1.0 - uniform) / 2.0
    }

    fn pullback(&self, _: &[f64], p: &[f64], g: &mut [f64]) {
        centre(p, g, |p| p > 0.0 && p < 1.0);
    }

    fn margin(&self) -> Option<f64> {
        (self.k == 1.0).then_some(1.0)
    }

    /// As for sparsemax: the threshold moves by at most e.
    fn error(&self, e: f64) -> f64 {
        2.0 * e
    }
}

/// What turns a score into a weight.
#[derive(Debug, Clone, Copy)]
struct Budget {
    /// The k-th highest score.
    low: f64,
    /// The threshold, relative to that score: in [-1, 0).
    tau: f64,
}

/// What a threshold gives.
#[derive(Debug, Clone, Copy)]
struct Split {
    /// The sum of the weights.
    sum: f64,
    /// How many are between 0 and 1.
    free: usize,
    /// The threshold that would give the sum k to the same split.
    better: f64,
}

impl Budget {
    fn weight(&self, t: f64) -> f64 {
        match takes_part(t) && survives(t, self.low, 1.0) {
            true => (t - self.low - self.tau).clamp(0.0, 1.0),
            false => 0.0,
        }
    }

    /// The threshold at which the sum is `k`, by Newton's method in a bracket: the sum falls from
    /// at least `k` at -1 to less at 0, in straight pieces, so that it ends once the piece is
    /// right.
    fn threshold(&self, t: &[f64], k: f64) -> f64 {
        let (mut low, mut high) = (-1.0, 0.0);
        let mut tau = low;
        for step in 0..MAX_STEPS {
            let split = Budget { tau, ..*self }.split(t, k);
            let settled = split.better == tau || (split.free == 0 && split.sum == k);
            if settled {
                break;
            }
            if split.sum >= k {
                low = tau
            } else {
                high = tau
            }
            let inside = split.better > low && split.better < high;
            let next = if inside && step < MAX_NEWTON { split.better } else { (low + high) / 2.0 };
            if next == tau {
                break;
            }
            tau = next;
        }
        tau
    }

    fn split(&self, t: &[f64], k: f64) -> Split {
        let (mut ones, mut free, mut sum) = (0.0, 0, 0.0);
        for &t in t.iter().filter(|t| takes_part(**t)) {
            let weight = self.weight(t);
            if weight >= 1.0 {
                ones += 1.0;
            } else if weight > 0.0 {
                free += 1;
                sum += t - self.low;
            }
        }
        let count = free as f64;
        Split { sum: ones + (sum - count * self.tau), free, better: (ones - k + sum) / count }
    }
}

/// After these steps the bracket is halved instead.
const MAX_NEWTON: usize = 40;

/// The most steps, enough to halve the bracket to nothing.
const MAX_STEPS: usize = 110;
