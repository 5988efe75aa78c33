//! The reciprocals of the code of Universal Hopfield Networks (Millidge et al. 2022, arXiv
//! 2202.04557), which has them in place of distances.

use crate::similarity::accumulate::Sums;
use crate::similarity::definition::{Definition, Pair, ProbeUpdate, Pulled};
use crate::similarity::scoring::Shape;

/// 1 / Σ_d (x_d - m_d)²
pub(crate) struct UhnReciprocalSquaredL2;

/// 1 / Σ_d |x_d - m_d|
pub(crate) struct UhnReciprocalL1;

impl Definition for UhnReciprocalSquaredL2 {
    fn name(&self) -> &'static str {
        "uhn_reciprocal_squared_l2"
    }

    fn sums(&self) -> Sums {
        Sums::SquaredDifferences
    }

    fn shape(&self) -> Shape {
        Shape::Reciprocal
    }

    fn update(&self, _: bool) -> ProbeUpdate {
        ProbeUpdate::Sum
    }

    fn similarity(&self, of: Pair) -> f64 {
        (1.0 / of.sum).min(of.most)
    }

    fn pull(&self, _: Pair, s: f64, ds: f64) -> Pulled {
        Pulled::slope(-2.0 * s * s * ds)
    }
}

impl Definition for UhnReciprocalL1 {
    fn name(&self) -> &'static str {
        "uhn_reciprocal_l1"
    }

    fn sums(&self) -> Sums {
        Sums::AbsoluteDifferences
    }

    fn shape(&self) -> Shape {
        Shape::Reciprocal
    }

    fn update(&self, _: bool) -> ProbeUpdate {
        ProbeUpdate::Sum
    }

    fn similarity(&self, of: Pair) -> f64 {
        (1.0 / of.sum).min(of.most)
    }

    fn pull(&self, _: Pair, s: f64, ds: f64) -> Pulled {
        Pulled::slope(-s * s * ds)
    }
}
