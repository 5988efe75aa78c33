//! Codes of one pattern.

use crate::kernel::codes::Format;
use crate::simd::Element;

/// Rounds a bound up: more than the few hundred roundings of a sum in `f64` can have taken from it.
pub(super) fn up(bound: f64) -> f64 {
    bound * (1.0 + 1e-10)
}

/// A pattern as a c + r.
#[derive(Debug)]
pub(super) struct Quantised {
    /// a; infinite for a pattern whose products cannot be bounded, which has codes of 0.
    pub scale: f32,
    pub codes: Vec<i8>,
    /// |c| and |r| / a, rounded up.
    pub kappa: f64,
    pub rho: f64,
}

impl Quantised {
    pub fn new<T: Element>(format: Format, row: &[T]) -> Self {
        let highest = row.iter().fold(0.0, |most: f64, x| {
            let x = x.to_f64().abs();
            if x > most || x.is_nan() { x } else { most }
        });
        if highest == 0.0 {
            return Self { scale: 1.0, codes: vec![0; row.len()], kappa: 0.0, rho: 0.0 };
        }
        let most = f64::from(format.most());
        let scale = (highest / most) as f32;
        // Also NaN: neither the products of the codes nor their errors may leave the normal range.
        if !(scale > f32::MIN_POSITIVE * 1e6 && f64::from(scale) < f64::from(f32::MAX) * 1e-18) {
            let codes = vec![0; row.len()];
            return Self { scale: f32::INFINITY, codes, kappa: 0.0, rho: 0.0 };
        }
        let (a, inverse) = (f64::from(scale), 1.0 / f64::from(scale));
        let (mut squares, mut rest) = (0.0, 0.0);
        let codes = row.iter().map(|x| {
            let x = x.to_f64();
            let code = (x * inverse).round_ties_even().clamp(-most, most);
            squares += code * code;
            // In `f64` the product is exact; the difference is rounded, which `up` covers together
            // with the sum where it is not exact itself.
            let remainder = x - a * code;
            rest += remainder * remainder;
            code as i8
        });
        let codes = codes.collect();
        // Roundings of remainders are 2^-53 of the elements at most.
        let lost = highest * (row.len() as f64).sqrt() * f64::EPSILON;
        let rho = up((rest.sqrt() + lost) * inverse);
        Self { scale, codes, kappa: up(f64::sqrt(squares)), rho }
    }
}
