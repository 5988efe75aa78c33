//! Minus half the squared Euclidean distance.

use crate::similarity::accumulate::Sums;
use crate::similarity::definition::{Definition, Norms, Pair, ProbeUpdate, Pulled};
use crate::similarity::scoring::Shape;

/// -½ ‖x - m‖² = x · m - ½ ‖x‖² - ½ ‖m‖². Its update is the mean shift (Comaniciu & Meer 2002).
pub(crate) struct NegHalfSquaredL2;

impl Definition for NegHalfSquaredL2 {
    fn name(&self) -> &'static str {
        "neg_half_squared_l2"
    }

    fn sums(&self) -> Sums {
        Sums::SquaredDifferences
    }

    fn shape(&self) -> Shape {
        Shape::NegHalf
    }

    fn norms(&self) -> Option<Norms> {
        Some(Norms::Terms(|square| -0.5 * square))
    }

    fn update(&self, _: bool) -> ProbeUpdate {
        ProbeUpdate::Mean
    }

    fn similarity(&self, of: Pair) -> f64 {
        -0.5 * of.sum
    }

    fn pull(&self, _: Pair, _: f64, ds: f64) -> Pulled {
        Pulled::slope(-ds)
    }

    fn is_symmetric(&self) -> bool {
        true
    }
}
