//! 2^t for t <= 0: the exponential of the softmax.
//!
//! ```text
//! n = t rounded to the nearest integer     # by adding and subtracting 1.5 ulp⁻¹
//! f = t - n                                # exact, |f| <= 1/2
//! 2^t = 2^n (1 + f (c1 + f (c2 + ...)))    # Horner, fused; exactly 1 at 0
//! 0 where 2^t would not be a normal number
//! ```
//!
//! The coefficients are a minimax fit of the error in ulps on [-1/2, 1/2] with the constant term held
//! at 1, then searched by ulps of each coefficient for the smallest worst case with fused Horner:
//! 0.772 ulp for f32 (every float of [-126, 0]; `tests/exp2.rs`), 0.781 ulp for f64 (sampled). Where
//! multiply-add is not fused both lose 0.3 ulp.

use crate::Element;
use crate::simd::Simd;

/// Coefficients of f, f², ... for f32.
pub const F32: [f32; 6] =
    [0.693147182, 0.240226388, 0.0555033274, 0.0096192183, 0.00134006946, 0.000151514105];

/// Coefficients of f, f², ... for f64.
pub const F64: [f64; 11] = [
    0.6931471805599454,
    0.2402265069591013,
    0.05550410866481581,
    0.0096181291075930053,
    0.0013333558147557733,
    0.00015403530458684781,
    1.5252732860443083e-05,
    1.3215434431761042e-06,
    1.0178431428918322e-07,
    7.0739410321136937e-09,
    4.4032194071691541e-10,
];

/// 2^t for every lane in which 2^t is a normal number and t is not above 0; anything where it is
/// not, but for NaN, which stays NaN.
#[inline(always)]
pub(crate) fn power<T: Element, S: Simd<T>>(simd: S, t: S::Group) -> S::Group {
    let rounder = simd.splat(T::ROUNDER);
    let shifted = simd.add(t, rounder);
    let f = simd.sub(t, simd.sub(shifted, rounder));
    let mut polynomial = simd.splat(T::EXP2[T::EXP2.len() - 1]);
    for &coefficient in T::EXP2[..T::EXP2.len() - 1].iter().rev() {
        polynomial = simd.mul_add(polynomial, f, simd.splat(coefficient));
    }
    polynomial = simd.mul_add(polynomial, f, simd.splat(T::ONE));
    // Multiplied, not added to the exponent: a NaN must stay one.
    simd.mul(polynomial, simd.pow2(shifted))
}

/// 2^t for every lane; t must not be above 0. 0 where the result would not be a normal number.
#[inline(always)]
pub(crate) fn exp2<T: Element, S: Simd<T>>(simd: S, t: S::Group) -> S::Group {
    let flushed = simd.lt(t, simd.splat(T::EXP2_CUT));
    simd.select(flushed, simd.splat(T::ZERO), power(simd, t))
}

/// 2^t of one number, with the bits that a lane has.
#[inline(always)]
pub(crate) fn exp2_one<T: Element, S: Simd<T>>(simd: S, t: T) -> T {
    let mut lanes = [T::ZERO; super::MAX_LANES];
    // SAFETY: the array holds the widest group.
    unsafe { simd.store(lanes.as_mut_ptr(), exp2(simd, simd.splat(t))) };
    lanes[0]
}
