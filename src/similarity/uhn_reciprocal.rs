//! The reciprocals of the code of Universal Hopfield Networks (Millidge et al. 2022, arXiv
//! 2202.04557), which has them in place of distances.

use crate::similarity::accumulate::Sums;
use crate::similarity::definition::{Definition, Pair, ProbeUpdate, Pulled};
use crate::similarity::scoring::Shape;

/// 1 / sum, at most the largest number that a similarity may have.
pub(crate) struct UhnReciprocal {
    name: &'static str,
    sums: Sums,
    /// The degree of the sum in x - m.
    degree: f64,
}

impl UhnReciprocal {
    /// 1 / Σ_d (x_d - m_d)²
    pub(crate) const SQUARED_L2: Self =
        Self { name: "uhn_reciprocal_squared_l2", sums: Sums::SquaredDifferences, degree: 2.0 };
    /// 1 / Σ_d |x_d - m_d|
    pub(crate) const L1: Self =
        Self { name: "uhn_reciprocal_l1", sums: Sums::AbsoluteDifferences, degree: 1.0 };
}

impl Definition for UhnReciprocal {
    fn name(&self) -> &'static str {
        self.name
    }

    fn sums(&self) -> Sums {
        self.sums
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
        Pulled::slope(-self.degree * s * s * ds)
    }
}
