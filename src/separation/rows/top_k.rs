//! Softmax over the highest scores.

use super::softmax::{log_sum_exp, negative_entropy, pull_softmax, weights_beside};
use super::{Highest, Reach, RowSeparation, with_copy};

/// The softmax of the k highest scores, and 0 for the others. Of equal scores the first are taken.
///
/// If fewer than k take part, it is the softmax of those. Its functions allocate a copy of the
/// scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TopK {
    /// The most weights that are not 0.
    pub(crate) k: usize,
}

impl RowSeparation for TopK {
    fn reach(&self) -> Reach {
        Reach::KthWidth { k: self.k, width: 0.0 }
    }

    fn weights(&self, t: &mut [f64]) {
        let mut highest = Highest::of(t, self.k);
        for t in t.iter_mut().filter(|t| !highest.takes(**t)) {
            *t = f64::NEG_INFINITY;
        }
        weights_beside(t, f64::NEG_INFINITY);
    }

    fn potential(&self, t: &[f64]) -> f64 {
        let highest = Highest::of(t, self.k);
        // What is masked adds 0 to the sum.
        with_copy(highest.scores(t, f64::NEG_INFINITY), |scores| {
            log_sum_exp(scores.iter().copied(), f64::NEG_INFINITY)
        })
    }

    fn conjugate(&self, p: &[f64]) -> Option<f64> {
        Some(negative_entropy(p))
    }

    fn constant(&self, n: usize) -> f64 {
        (self.k.min(n).max(1) as f64).ln()
    }

    fn pullback(&self, _: &[f64], p: &[f64], g: &mut [f64]) {
        pull_softmax(p, g);
    }

    fn margin(&self) -> Option<f64> {
        (self.k == 1).then_some(0.0)
    }

    /// None: where the k-th and the next score are close, any error can exchange them.
    fn error(&self, _: f64) -> f64 {
        f64::INFINITY
    }
}
