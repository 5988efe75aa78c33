//! Minus the Euclidean distance.

use crate::similarity::accumulate::Sums;
use crate::similarity::definition::{Definition, Pair, ProbeUpdate, Pulled};
use crate::similarity::scoring::Shape;

/// -‖x - m‖, whose gradient counts as 0 where x = m. Its update is Weiszfeld's algorithm.
pub(crate) struct NegL2;

impl Definition for NegL2 {
    fn name(&self) -> &'static str {
        "neg_l2"
    }

    fn sums(&self) -> Sums {
        Sums::SquaredDifferences
    }

    fn shape(&self) -> Shape {
        Shape::NegRoot
    }

    fn update(&self, _: bool) -> ProbeUpdate {
        ProbeUpdate::Weiszfeld
    }

    fn similarity(&self, of: Pair) -> f64 {
        -of.sum.sqrt()
    }

    fn pull(&self, _: Pair, s: f64, ds: f64) -> Pulled {
        Pulled::slope(if s == 0.0 { 0.0 } else { ds / s })
    }
}
