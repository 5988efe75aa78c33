//! The part of `Element` that its users never see.

use super::level::Level;
use super::vector::Kernel;

/// A type that the levels have lanes of.
pub trait Lanes: bytemuck::Pod {
    /// Lanes in a vector.
    const LANES: usize;
    /// Polynomial of 2^f on [-1/2, 1/2], from the coefficient of f upwards.
    const EXP2: &'static [Self];
    /// Least t for which exp2 is not flushed to 0: the exponent of the least normal number.
    const EXP2_CUT: Self;
    /// The square root of the least normal number: the least number whose square is normal.
    const LEAST_ROOT: Self;
    /// 2^40 times the least normal number, or more than all the squares below it of any row.
    const SMALL_NORM: Self;
    /// 1.5 ulp⁻¹: a small number plus this, minus this, is rounded to the nearest integer.
    const ROUNDER: Self;

    /// Runs `kernel` with the instructions of `level`.
    fn dispatch<K: Kernel<Self>>(level: Level, kernel: K) -> K::Output;
}

/// Lanes of the widest vector, and of the narrowest.
pub(crate) const MAX_LANES: usize = 16;
pub(crate) const MIN_LANES: usize = 8;
