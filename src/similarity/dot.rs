//! The dot product.

use crate::similarity::accumulate::Sums;
use crate::similarity::definition::{Definition, Pair, ProbeUpdate, Pulled};

/// x · m
pub(crate) struct Dot;

impl Definition for Dot {
    fn name(&self) -> &'static str {
        "dot"
    }

    fn sums(&self) -> Sums {
        Sums::Products
    }

    fn update(&self, is_distribution: bool) -> ProbeUpdate {
        if is_distribution { ProbeUpdate::Sum } else { ProbeUpdate::Sphere }
    }

    fn similarity(&self, of: Pair) -> f64 {
        of.sum
    }

    fn pull(&self, _: Pair, _: f64, ds: f64) -> Pulled {
        Pulled::slope(ds)
    }

    fn is_symmetric(&self) -> bool {
        true
    }

    fn best(&self, probe: f64, pattern: f64) -> f64 {
        (probe * pattern).sqrt()
    }
}
