//! Softmax, and softmax with a constant in the denominator.

use super::{Fault, Reach, RowSeparation, dot_on_support, highest, require};

/// eᵗ / Σ eᵗ, the gradient of ln Σ eᵗ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Softmax;

/// eᵗ / (c + Σ eᵗ), the gradient of ln(c + Σ eᵗ): softmax beside a pattern of score ln c which has
/// nothing to say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SoftmaxPlus {
    /// What is added to the sum. With 0, this is [`Softmax`].
    pub(crate) c: f64,
}

impl SoftmaxPlus {
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let met = self.c >= 0.0 && self.c.is_finite();
        require(met, "c", "a finite number that is not negative", self.c)
    }
}

impl RowSeparation for Softmax {
    fn reach(&self) -> Reach {
        Reach::All
    }

    fn weights(&self, t: &mut [f64]) {
        weights_beside(t, f64::NEG_INFINITY);
    }

    fn potential(&self, t: &[f64]) -> f64 {
        log_sum_exp(t.iter().copied(), f64::NEG_INFINITY)
    }

    fn conjugate(&self, p: &[f64]) -> Option<f64> {
        Some(negative_entropy(p))
    }

    fn constant(&self, n: usize) -> f64 {
        (n.max(1) as f64).ln()
    }

    fn pullback(&self, _: &[f64], p: &[f64], g: &mut [f64]) {
        pull_softmax(p, g);
    }

    fn margin(&self) -> Option<f64> {
        None
    }

    /// A weight changes by p (e - p.e), of which the sum leaves at most 2 p (1 - p) e <= e/2.
    fn error(&self, e: f64) -> f64 {
        e / 2.0
    }
}

impl RowSeparation for SoftmaxPlus {
    fn reach(&self) -> Reach {
        Reach::All
    }

    fn weights(&self, t: &mut [f64]) {
        weights_beside(t, self.c.ln());
    }

    fn potential(&self, t: &[f64]) -> f64 {
        log_sum_exp(t.iter().copied(), self.c.ln())
    }

    fn empty_potential(&self) -> f64 {
        self.c.ln()
    }

    fn conjugate(&self, _: &[f64]) -> Option<f64> {
        None
    }

    fn constant(&self, n: usize) -> f64 {
        (n.max(1) as f64 + self.c).ln()
    }

    fn pullback(&self, _: &[f64], p: &[f64], g: &mut [f64]) {
        pull_softmax(p, g);
    }

    fn margin(&self) -> Option<f64> {
        None
    }

    /// As for softmax: the other weights sum to at most 1 - p.
    fn error(&self, e: f64) -> f64 {
        e / 2.0
    }
}

/// The softmax of a row beside one more score, in place. That score may be -∞.
pub(super) fn weights_beside(t: &mut [f64], beside: f64) {
    let top = highest(t).max(beside);
    let mut sum = (beside - top).exp();
    for t in t.iter_mut() {
        *t = (*t - top).exp();
        sum += *t;
    }
    for t in t {
        *t /= sum;
    }
}

/// ln Σ eᵗ over the scores and one more. They may be -∞, but not all of them.
///
/// The highest term is 1 and is left out of the sum, which thus does not round away the others.
pub(super) fn log_sum_exp(t: impl Iterator<Item = f64> + Clone, beside: f64) -> f64 {
    let top = t.clone().fold(beside, f64::max);
    let mut rest = 0.0;
    let mut first = true;
    for t in std::iter::once(beside).chain(t) {
        match first && t == top {
            true => first = false,
            false => rest += (t - top).exp(),
        }
    }
    top + rest.ln_1p()
}

/// Σ p ln p over the support.
pub(super) fn negative_entropy(p: &[f64]) -> f64 {
    p.iter().filter(|&&p| p > 0.0).map(|p| p * p.ln()).sum()
}

/// g becomes p (g - p.g).
pub(super) fn pull_softmax(p: &[f64], g: &mut [f64]) {
    let mean = dot_on_support(p, g);
    for (g, &p) in g.iter_mut().zip(p) {
        *g = if p == 0.0 { 0.0 } else { p * (*g - mean) };
    }
}
