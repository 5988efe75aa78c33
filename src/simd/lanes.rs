//! The private part of `Element`.

use super::level::Level;
use super::vector::Kernel;

/// A type that the levels have vectors of.
pub trait Lanes: bytemuck::Pod {
    /// Lanes of a vector.
    const LANES: usize;
    /// Coefficients of the polynomial for 2^f on [-1/2, 1/2], from that of f upwards.
    const EXP2: &'static [Self];
    /// The least t whose exp2 is not flushed to 0: the exponent of the least normal number.
    const EXP2_CUT: Self;
    /// The square root of the least normal number: the least number whose square is normal.
    const LEAST_ROOT: Self;
    /// 2^40 times the least normal number: more than the sum of a row's squares that are below the
    /// normal range.
    const SMALL_NORM: Self;
    /// 1.5 ulp⁻¹: adding this to a small number and subtracting it rounds to the nearest integer.
    const ROUNDER: Self;

    /// Runs `kernel` with the instructions of `level`.
    fn dispatch<K: Kernel<Self>>(level: Level, kernel: K) -> K::Output;
}

/// Lanes of the widest and of the narrowest vector.
pub(crate) const MAX_LANES: usize = 16;
pub(crate) const MIN_LANES: usize = 8;
