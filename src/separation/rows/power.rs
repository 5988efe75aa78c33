//! The power of MINERVA 2, which keeps the sign.

use super::{Fault, RaisesRow, Reach, RowSeparation, raise, require, takes_part, with_raise};

/// sign(t) |t|ᵖ, the gradient of Σ |t|^(p+1) / (p+1). The weights are not normalised.
///
/// High scores can overflow, to infinity and never to NaN. Divide them by the highest first where
/// only the direction matters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Power {
    /// The exponent, above 0. MINERVA 2 has 3.
    pub(crate) p: f64,
}

impl Power {
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let met = self.p > 0.0 && self.p.is_finite();
        require(met, "p", "a finite number above 0", self.p)
    }

    /// p |t|^(p-1), or 0 at t = 0 where that is infinite.
    fn slope(&self, t: f64) -> f64 {
        match t == 0.0 && self.p < 1.0 {
            true => 0.0,
            false => self.p * raise(t.abs(), self.p - 1.0),
        }
    }
}

/// Scores that become weights.
struct Weights<'a>(&'a mut [f64]);

impl RaisesRow for Weights<'_> {
    #[inline(always)]
    fn run(self, raise: impl Fn(f64) -> f64) {
        for t in self.0 {
            let power = raise(t.abs()).copysign(*t);
            *t = if takes_part(*t) && *t != 0.0 { power } else { 0.0 };
        }
    }
}

impl RowSeparation for Power {
    fn reach(&self) -> Reach {
        Reach::All
    }

    fn weights(&self, t: &mut [f64]) {
        with_raise(self.p, Weights(t));
    }

    fn is_elementwise(&self) -> bool {
        true
    }

    fn potential(&self, t: &[f64]) -> f64 {
        let scores = t.iter().filter(|t| takes_part(**t));
        scores.map(|t| raise(t.abs(), self.p + 1.0)).sum::<f64>() / (self.p + 1.0)
    }

    fn conjugate(&self, _: &[f64]) -> Option<f64> {
        None
    }

    fn constant(&self, _: usize) -> f64 {
        0.0
    }

    fn pullback(&self, t: &[f64], _: &[f64], g: &mut [f64]) {
        for (g, &t) in g.iter_mut().zip(t) {
            // Not infinity times 0, which is NaN.
            *g = if *g == 0.0 || !takes_part(t) { 0.0 } else { self.slope(t) * *g };
        }
    }

    fn margin(&self) -> Option<f64> {
        None
    }

    /// Up to p = 1, a distance of e matters most around 0, from -e/2 to e/2. Above 1, the slope
    /// grows with the scores without bound.
    fn error(&self, e: f64) -> f64 {
        if self.p <= 1.0 { 2.0 * (e / 2.0).powf(self.p) } else { f64::INFINITY }
    }
}
