//! Clipped softmax, whose weights reach 0 and 1.

use super::softmax::weights_beside;
use super::{Fault, Reach, RowSeparation, highest, require};

/// clip((η - γ) softmax + γ, 0, 1).
///
/// The weights have no particular sum, and are the gradient of nothing: the potential and its
/// gradient are NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Clipped {
    /// The lower end of what the softmax is scaled to: not above 0.
    pub(crate) gamma: f64,
    /// The upper end: at least 1.
    pub(crate) eta: f64,
}

impl Clipped {
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let (gamma, eta) = (self.gamma, self.eta);
        let low = gamma <= 0.0 && gamma.is_finite();
        require(low, "gamma", "a finite number that is not above 0", gamma)?;
        let high = eta >= 1.0 && eta.is_finite();
        require(high, "eta", "a finite number that is at least 1", eta)
    }

    /// η - γ
    fn range(&self) -> f64 {
        self.eta - self.gamma
    }
}

impl RowSeparation for Clipped {
    fn reach(&self) -> Reach {
        Reach::All
    }

    fn weights(&self, t: &mut [f64]) {
        weights_beside(t, f64::NEG_INFINITY);
        for p in t {
            *p = (self.range() * *p + self.gamma).clamp(0.0, 1.0);
        }
    }

    fn potential(&self, _: &[f64]) -> f64 {
        f64::NAN
    }

    fn empty_potential(&self) -> f64 {
        f64::NAN
    }

    fn conjugate(&self, _: &[f64]) -> Option<f64> {
        None
    }

    fn constant(&self, _: usize) -> f64 {
        0.0
    }

    /// The VJP of softmax, of (η - γ) g where the weight is between 0 and 1 and 0 elsewhere. A
    /// weight that is clipped does not move, but its score moves the others.
    fn pullback(&self, t: &[f64], p: &[f64], g: &mut [f64]) {
        let top = highest(t);
        let sum: f64 = t.iter().map(|t| (t - top).exp()).sum();
        let softmax = |t: f64| (t - top).exp() / sum;
        let mut mean = 0.0;
        for ((g, &t), &p) in g.iter_mut().zip(t).zip(p) {
            *g = if p > 0.0 && p < 1.0 { self.range() * *g } else { 0.0 };
            mean += softmax(t) * *g;
        }
        for (g, &t) in g.iter_mut().zip(t) {
            *g = softmax(t) * (*g - mean);
        }
    }

    fn potential_gradient(&self, _: &[f64], _: &[f64], out: &mut [f64]) {
        out.fill(f64::NAN);
    }

    fn margin(&self) -> Option<f64> {
        None
    }

    /// That of softmax, scaled.
    fn error(&self, e: f64) -> f64 {
        self.range() * e / 2.0
    }
}
