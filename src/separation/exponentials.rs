//! Exponentials of one row of scores.

use crate::simd::compiled::compiled;
use crate::simd::exp2::exp2;
use crate::simd::tail::{for_each_partial_vector, load, store};
use crate::simd::{Element, Kernel, Simd};

compiled! {
    /// Exponentials of one row.
    exponentials(Exponentials);
}

/// Turns scores t into 2^(scale (t - top)), and into 0 below a cutoff. The highest becomes 1, and
/// the bits of a score do not depend on its place.
pub struct Exponentials<'a, T> {
    pub t: &'a mut [T],
    /// The highest of them.
    pub top: T,
    pub scale: T,
    /// Lower scores become 0.
    pub cutoff: T,
}

impl<T: Element> Kernel<T> for Exponentials<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let Self { t, top, scale, cutoff } = self;
        let (zero, top) = (simd.splat(T::ZERO), simd.splat(top));
        let (scale, cutoff) = (simd.splat(scale), simd.splat(cutoff));
        for_each_partial_vector::<T>(
            0..t.len(),
            #[inline(always)]
            |part| {
                let scores = load(simd, t, &part);
                let power = exp2(simd, simd.mul(simd.sub(scores, top), scale));
                let power = simd.select(simd.lt(scores, cutoff), zero, power);
                store(simd, t, &part, power);
            },
        );
    }
}
