//! One step of a sum over d, which is all that micro-kernels know of a similarity.

use crate::simd::{Element, Simd};

/// What a similarity adds up over d.
pub(crate) trait Accumulate {
    /// Adds the terms of some features: those of the probe, and those of the pattern.
    fn accumulate<T: Element, S: Simd<T>>(simd: S, x: S::Vec, m: S::Vec, acc: S::Vec) -> S::Vec;
}

/// Σ x m
pub(crate) struct Products;

impl Accumulate for Products {
    #[inline(always)]
    fn accumulate<T: Element, S: Simd<T>>(simd: S, x: S::Vec, m: S::Vec, acc: S::Vec) -> S::Vec {
        simd.mul_add(x, m, acc)
    }
}

/// Σ (x - m)²
pub(crate) struct SquaredDifferences;

impl Accumulate for SquaredDifferences {
    #[inline(always)]
    fn accumulate<T: Element, S: Simd<T>>(simd: S, x: S::Vec, m: S::Vec, acc: S::Vec) -> S::Vec {
        let difference = simd.sub(x, m);
        simd.mul_add(difference, difference, acc)
    }
}

/// Σ |x - m|
pub(crate) struct AbsoluteDifferences;

impl Accumulate for AbsoluteDifferences {
    #[inline(always)]
    fn accumulate<T: Element, S: Simd<T>>(simd: S, x: S::Vec, m: S::Vec, acc: S::Vec) -> S::Vec {
        simd.add(acc, simd.abs(simd.sub(x, m)))
    }
}

/// The sums by name, for code that chooses one at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sums {
    Products,
    SquaredDifferences,
    AbsoluteDifferences,
}
