//! α-normmax, whose conjugate is the α-norm of the weights.

use super::tau::{Falls, below, michelot, newton, raise_1p};
use super::{Fault, Reach, RowSeparation, inverse_excess, normalise, require};

/// q / Σ q with q = \[t - τ\]₊^(1/(α-1)) and τ such that Σ q^α = 1.
///
/// With α = ∞ it is uniform on its support, which is that of sparsemax.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Normmax {
    /// α, above 1. It may be infinite.
    pub(crate) alpha: f64,
}

impl Normmax {
    pub(crate) fn check(&self) -> Result<(), Fault> {
        require(self.alpha > 1.0, "alpha", "a number above 1, or infinity", self.alpha)
    }

    /// 1/(α - 1)
    fn exponent(&self) -> f64 {
        inverse_excess(self.alpha)
    }

    /// The threshold plus 1, in falls below the highest score: between 0 and 1.
    fn solve(&self, t: &[f64], falls: &Falls) -> f64 {
        // Σ [t - τ]₊^(α/(α-1)) = 1
        let exponent = 1.0 + self.exponent();
        match exponent == 1.0 {
            true => michelot(t, falls) + 1.0,
            false => newton(t, falls, exponent),
        }
    }

    /// The α-norm.
    fn norm(&self, p: &[f64]) -> f64 {
        let top = super::highest(p);
        match top > 0.0 && self.alpha.is_finite() {
            true => {
                let sum: f64 = p.iter().map(|p| (p / top).powf(self.alpha)).sum();
                top * sum.powf(1.0 / self.alpha)
            }
            false => top,
        }
    }
}

impl RowSeparation for Normmax {
    fn reach(&self) -> Reach {
        Reach::Width(1.0)
    }

    fn weights(&self, t: &mut [f64]) {
        let falls = Falls::of(t, 1.0, 1.0);
        let (delta, exponent) = (self.solve(t, &falls), self.exponent());
        for t in t.iter_mut() {
            *t = raise_1p(falls.of_score(*t) - delta, exponent);
        }
        normalise(t);
    }

    fn threshold(&self, t: &[f64]) -> Option<f64> {
        let falls = Falls::of(t, 1.0, 1.0);
        Some(falls.top + self.solve(t, &falls) - 1.0 - below(falls.top))
    }

    /// τ + 1: the conjugate is the norm minus 1, whose gradient at p is t - τ on the support and
    /// whose product with p is the norm.
    fn potential(&self, t: &[f64]) -> f64 {
        let falls = Falls::of(t, 1.0, 1.0);
        falls.top + self.solve(t, &falls)
    }

    fn conjugate(&self, p: &[f64]) -> Option<f64> {
        Some(self.norm(p) - 1.0)
    }

    fn constant(&self, n: usize) -> f64 {
        // 1 - n^(1/α - 1)
        -((1.0 / self.alpha - 1.0) * (n.max(1) as f64).ln()).exp_m1()
    }

    /// With p = q / Σ q, q^(α-1) = t - τ and dτ = p.dt: v = p / ((α-1) (t - τ)) (g - p.g), and from
    /// it v - p Σ v. The norm of p is 1 / Σ q.
    fn pullback(&self, _: &[f64], p: &[f64], g: &mut [f64]) {
        let (excess, norm) = (self.alpha - 1.0, self.norm(p));
        if self.exponent() == 0.0 {
            return g.fill(0.0);
        }
        let mean = super::dot_on_support(p, g);
        let mut sum = 0.0;
        for (g, &p) in g.iter_mut().zip(p) {
            let above = (p / norm).powf(excess);
            let slope = (p / (excess * above)).min(MAX_SLOPE);
            *g = if p > 0.0 { slope * (*g - mean) } else { 0.0 };
            sum += *g;
        }
        for (g, &p) in g.iter_mut().zip(p) {
            *g -= p * sum;
        }
    }

    fn margin(&self) -> Option<f64> {
        Some(1.0)
    }

    /// There is no bound for rows of any length: many tiny weights that rise by e each take as much
    /// as they like from the highest.
    fn error(&self, _: f64) -> f64 {
        f64::INFINITY
    }
}

/// Slopes are cut off here, where their sums are still finite.
const MAX_SLOPE: f64 = 1e290;
