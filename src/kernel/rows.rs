//! Scaling and adding whole rows.

use crate::simd::{Element, Simd};

/// Turns a sum of weighted patterns into a retrieved probe: to[:] = factor sum[:].
///
/// -0 becomes +0, so that a pattern of weight zero has no effect, not even on a sign.
#[inline(always)]
pub(crate) fn finish<T: Element, S: Simd<T>>(simd: S, sum: &[T], factor: T, to: &mut [T]) {
    assert!(sum.len().is_multiple_of(T::LANES) && to.len() <= sum.len());
    let (zero, factor) = (simd.splat(T::ZERO), simd.splat(factor));
    for at in (0..to.len()).step_by(T::LANES) {
        let lanes = T::LANES.min(to.len() - at);
        // SAFETY: the sum is whole vectors and not shorter than `to`, as asserted above, and `to`
        // has `lanes` elements from `at` on.
        unsafe {
            let vector = simd.mul(simd.load(sum.as_ptr().add(at)), factor);
            let vector = simd.add(vector, zero);
            match lanes == T::LANES {
                true => simd.store(to.as_mut_ptr().add(at), vector),
                false => simd.store_first(to.as_mut_ptr().add(at), vector, lanes),
            }
        }
    }
}

/// sum[:] = a sum[:] + b later[:]
#[inline(always)]
pub(crate) fn join<T: Element, S: Simd<T>>(simd: S, sum: &mut [T], a: T, later: &[T], b: T) {
    assert!(sum.len() == later.len() && sum.len().is_multiple_of(T::LANES));
    let (a, b) = (simd.splat(a), simd.splat(b));
    for at in (0..sum.len()).step_by(T::LANES) {
        // SAFETY: both rows have the same whole number of vectors, as asserted above.
        unsafe {
            let to = sum.as_mut_ptr().add(at);
            let later = simd.mul(simd.load(later.as_ptr().add(at)), b);
            simd.store(to, simd.mul_add(simd.load(to), a, later));
        }
    }
}
