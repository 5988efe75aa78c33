//! The rectified polynomial of the dense associative memory of Krotov and Hopfield.

use super::{Fault, RaisesRow, Reach, RowSeparation, raise, require, with_raise};

/// n \[t\]₊^(n-1), the gradient of Σ \[t\]₊ⁿ. The weights are not normalised.
///
/// High scores can overflow, to infinity and never to NaN. Divide them by the highest first where
/// only the direction matters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Polynomial {
    /// The degree, at least 2. It need not be an integer.
    pub(crate) n: f64,
}

impl Polynomial {
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let met = self.n >= 2.0 && self.n.is_finite();
        require(met, "n", "a finite number that is at least 2", self.n)
    }
}

/// Scores that become weights, and the degree.
struct Weights<'a>(&'a mut [f64], f64);

impl RaisesRow for Weights<'_> {
    #[inline(always)]
    fn run(self, raise: impl Fn(f64) -> f64) {
        for t in self.0 {
            *t = self.1 * raise(t.max(0.0));
        }
    }
}

impl RowSeparation for Polynomial {
    fn reach(&self) -> Reach {
        Reach::Above(0.0)
    }

    fn weights(&self, t: &mut [f64]) {
        with_raise(self.n - 1.0, Weights(t, self.n));
    }

    fn is_elementwise(&self) -> bool {
        true
    }

    fn potential(&self, t: &[f64]) -> f64 {
        t.iter().map(|t| raise(t.max(0.0), self.n)).sum()
    }

    fn conjugate(&self, _: &[f64]) -> Option<f64> {
        None
    }

    fn constant(&self, _: usize) -> f64 {
        0.0
    }

    fn pullback(&self, t: &[f64], p: &[f64], g: &mut [f64]) {
        for ((g, &t), &p) in g.iter_mut().zip(t).zip(p) {
            // Not infinity times 0, which is NaN.
            let moves = p > 0.0 && *g != 0.0;
            *g = if moves { self.n * (self.n - 1.0) * raise(t, self.n - 2.0) * *g } else { 0.0 };
        }
    }

    fn margin(&self) -> Option<f64> {
        None
    }

    /// The slope is 2 if n = 2, and grows with the scores without bound otherwise.
    fn error(&self, e: f64) -> f64 {
        if self.n == 2.0 { 2.0 * e } else { f64::INFINITY }
    }
}
