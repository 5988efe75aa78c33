//! Sparsemax: the point of the simplex that is nearest to the scores.

use super::tau::{Falls, below, michelot};
use super::{Reach, RowSeparation, normalise};

/// \[t - τ\]₊ with τ such that the sum is 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sparsemax;

impl RowSeparation for Sparsemax {
    fn reach(&self) -> Reach {
        Reach::Width(1.0)
    }

    fn weights(&self, t: &mut [f64]) {
        let falls = Falls::of(t, 1.0, 1.0);
        let tau = michelot(t, &falls);
        for t in t.iter_mut() {
            *t = (falls.of_score(*t) - tau).max(0.0);
        }
        normalise(t);
    }

    fn threshold(&self, t: &[f64]) -> Option<f64> {
        let falls = Falls::of(t, 1.0, 1.0);
        Some(falls.top + michelot(t, &falls) - below(falls.top))
    }

    fn potential(&self, t: &[f64]) -> f64 {
        let falls = Falls::of(t, 1.0, 1.0);
        let tau = michelot(t, &falls);
        let on_support = t.iter().map(|&t| falls.of_score(t)).filter(|&z| z > tau);
        falls.top + on_support.map(|z| (z - tau) * (z + (1.0 - (z - tau)) / 2.0)).sum::<f64>()
    }

    fn conjugate(&self, p: &[f64]) -> Option<f64> {
        Some(negative_gini(p))
    }

    fn constant(&self, n: usize) -> f64 {
        (1.0 - 1.0 / n.max(1) as f64) / 2.0
    }

    fn pullback(&self, _: &[f64], p: &[f64], g: &mut [f64]) {
        centre(p, g, |p| p > 0.0);
    }

    fn margin(&self) -> Option<f64> {
        Some(1.0)
    }

    /// The threshold moves by at most e, because it would move by e if all scores did.
    fn error(&self, e: f64) -> f64 {
        2.0 * e
    }
}

/// -½ Σ p (1 - p), which is ½ (p.p - Σ p) and does not cancel.
pub(super) fn negative_gini(p: &[f64]) -> f64 {
    -p.iter().map(|p| p * (1.0 - p)).sum::<f64>() / 2.0
}

/// g minus its mean over the weights that are free to move, and 0 for the others.
pub(super) fn centre(p: &[f64], g: &mut [f64], free: impl Fn(f64) -> bool) {
    let (mut sum, mut count) = (0.0, 0);
    for (&g, _) in g.iter().zip(p).filter(|(_, p)| free(**p)) {
        sum += g;
        count += 1;
    }
    let mean = sum / f64::from(count.max(1));
    for (g, &p) in g.iter_mut().zip(p) {
        *g = if free(p) { *g - mean } else { 0.0 };
    }
}
