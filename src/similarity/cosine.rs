//! The cosine of the angle between probe and pattern.

use crate::similarity::accumulate::Sums;
use crate::similarity::definition::{Definition, Norms, Pair, ProbeUpdate, Pulled};

/// x · m / (‖x‖ ‖m‖), or 0 if one of them is a vector of zeros: its gradient is 0 then.
pub(crate) struct Cosine;

impl Definition for Cosine {
    fn name(&self) -> &'static str {
        "cosine"
    }

    fn sums(&self) -> Sums {
        Sums::Products
    }

    fn norms(&self) -> Option<Norms> {
        Some(Norms::Factors(|square| if square == 0.0 { 0.0 } else { 1.0 / square.sqrt() }))
    }

    fn update(&self, _: bool) -> ProbeUpdate {
        ProbeUpdate::UnitSphere
    }

    fn similarity(&self, of: Pair) -> f64 {
        let norms = of.probe_norm * of.pattern_norm;
        if norms == 0.0 { 0.0 } else { of.sum / norms }
    }

    fn pull(&self, of: Pair, s: f64, ds: f64) -> Pulled {
        let (x, m) = (of.probe_norm, of.pattern_norm);
        if x == 0.0 || m == 0.0 {
            return Pulled::default();
        }
        Pulled { slope: ds / (x * m), probe: -(ds * s / (x * x)), own: -(ds * s / (m * m)) }
    }

    fn pulls_norms(&self) -> bool {
        true
    }

    fn best(&self, _: f64, _: f64) -> f64 {
        1.0
    }
}
