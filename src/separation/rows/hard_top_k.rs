//! The same weight for the highest scores, and the maximum alone.

use super::{Highest, Reach, RowSeparation, highest};

/// 1/k for the k highest scores, and 0 for the others. Of equal scores the first are taken.
///
/// If fewer than k take part, they share the sum of 1. Its functions copy the scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct HardTopK {
    /// How many weights are not 0.
    pub(crate) k: usize,
}

/// 1 for the highest score, the first of equals, and 0 for the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Max;

impl RowSeparation for HardTopK {
    fn reach(&self) -> Reach {
        Reach::KthWidth { k: self.k, width: 0.0 }
    }

    fn weights(&self, t: &mut [f64]) {
        let mut highest = Highest::of(t, self.k);
        let weight = 1.0 / highest.count as f64;
        for t in t {
            *t = if highest.takes(*t) { weight } else { 0.0 };
        }
    }

    /// The mean of the k highest scores.
    fn potential(&self, t: &[f64]) -> f64 {
        let (among, top) = (Highest::of(t, self.k), highest(t));
        // Relative to the highest, so that the mean of equals is exact.
        let sum: f64 = among.scores(t, top).map(|t| t - top).sum();
        top + sum / among.count as f64
    }

    fn conjugate(&self, _: &[f64]) -> Option<f64> {
        Some(0.0)
    }

    fn constant(&self, _: usize) -> f64 {
        0.0
    }

    fn pullback(&self, _: &[f64], _: &[f64], g: &mut [f64]) {
        g.fill(0.0);
    }

    fn margin(&self) -> Option<f64> {
        (self.k == 1).then_some(0.0)
    }

    /// None: where the k-th and the next score are close, any error can exchange them.
    fn error(&self, _: f64) -> f64 {
        f64::INFINITY
    }
}

impl RowSeparation for Max {
    fn reach(&self) -> Reach {
        Reach::KthWidth { k: 1, width: 0.0 }
    }

    fn weights(&self, t: &mut [f64]) {
        let top = highest(t);
        let mut found = false;
        for t in t {
            let first = *t == top && !found;
            found |= first;
            *t = if first { 1.0 } else { 0.0 };
        }
    }

    fn potential(&self, t: &[f64]) -> f64 {
        highest(t)
    }

    fn conjugate(&self, _: &[f64]) -> Option<f64> {
        Some(0.0)
    }

    fn constant(&self, _: usize) -> f64 {
        0.0
    }

    fn pullback(&self, _: &[f64], _: &[f64], g: &mut [f64]) {
        g.fill(0.0);
    }

    fn margin(&self) -> Option<f64> {
        Some(0.0)
    }

    /// None: where the two highest scores are close, any error can exchange them.
    fn error(&self, _: f64) -> f64 {
        f64::INFINITY
    }
}
