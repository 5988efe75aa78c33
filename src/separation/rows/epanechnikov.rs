//! The Epanechnikov kernel: patterns within a ball around the probe, and no others.

use super::{Fault, Reach, RowSeparation, highest, normalise, raise, require};

/// k \[1 + t\]₊^(k-1), normalised, for scores t = -β/2 d². With k = 1, the patterns within the ball
/// have equal weights.
///
/// The potential is ln Σ \[1 + t\]₊ᵏ, whose gradient is not the weights. Outside of all balls the
/// weights are 0 and the potential is -∞.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Epanechnikov {
    /// The power of the kernel, at least 1. It need not be an integer.
    pub(crate) k: f64,
}

impl Epanechnikov {
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let met = self.k >= 1.0 && self.k.is_finite();
        require(met, "k", "a finite number that is at least 1", self.k)
    }

    /// Σ \[1 + t\]₊ᵏ over the highest of its terms, of which `top` is the base.
    fn relative_sum(&self, t: &[f64], top: f64) -> f64 {
        t.iter().map(|&t| raise(inside(t) / top, self.k)).sum()
    }
}

/// How far a score is inside of the ball: \[1 + t\]₊.
fn inside(t: f64) -> f64 {
    (1.0 + t).max(0.0)
}

impl RowSeparation for Epanechnikov {
    fn reach(&self) -> Reach {
        Reach::Above(-1.0)
    }

    fn weights(&self, t: &mut [f64]) {
        let top = inside(highest(t));
        if top == 0.0 {
            return t.fill(0.0);
        }
        for t in t.iter_mut() {
            let inside = inside(*t);
            // Not the power of 0, which is 1 if k = 1.
            *t = if inside > 0.0 { raise(inside / top, self.k - 1.0) } else { 0.0 };
        }
        normalise(t);
    }

    fn potential(&self, t: &[f64]) -> f64 {
        let top = inside(highest(t));
        match top == 0.0 {
            true => f64::NEG_INFINITY,
            false => self.k * top.ln() + self.relative_sum(t, top).ln(),
        }
    }

    fn conjugate(&self, _: &[f64]) -> Option<f64> {
        None
    }

    fn constant(&self, _: usize) -> f64 {
        0.0
    }

    fn pullback(&self, t: &[f64], p: &[f64], g: &mut [f64]) {
        let mean = super::dot_on_support(p, g);
        for ((g, &t), &p) in g.iter_mut().zip(t).zip(p) {
            let moves = p > 0.0 && self.k > 1.0;
            *g = if moves { (self.k - 1.0) * (p / inside(t)) * (*g - mean) } else { 0.0 };
        }
    }

    fn potential_gradient(&self, t: &[f64], p: &[f64], out: &mut [f64]) {
        let top = inside(highest(t));
        let sum = self.relative_sum(t, top) * top;
        for ((out, &t), &p) in out.iter_mut().zip(t).zip(p) {
            let moves = p > 0.0;
            *out = if moves { self.k * raise(inside(t) / top, self.k - 1.0) / sum } else { 0.0 };
        }
    }

    fn margin(&self) -> Option<f64> {
        None
    }

    /// None: where few scores are inside of the ball, and barely, any error changes everything.
    fn error(&self, _: f64) -> f64 {
        f64::INFINITY
    }
}
