//! Minus the sum of absolute differences.

use crate::similarity::accumulate::Sums;
use crate::similarity::definition::{Definition, Pair, ProbeUpdate, Pulled};
use crate::similarity::scoring::Shape;

/// -Σ_d |x_d - m_d|, of whose gradient a feature counts as 0 where x_d = m_d.
pub(crate) struct NegL1;

impl Definition for NegL1 {
    fn name(&self) -> &'static str {
        "neg_l1"
    }

    fn sums(&self) -> Sums {
        Sums::AbsoluteDifferences
    }

    fn shape(&self) -> Shape {
        Shape::Negated
    }

    fn update(&self, _: bool) -> ProbeUpdate {
        ProbeUpdate::Median
    }

    fn similarity(&self, of: Pair) -> f64 {
        -of.sum
    }

    fn pull(&self, _: Pair, _: f64, ds: f64) -> Pulled {
        Pulled::slope(-ds)
    }
}
